"""Pages for people: companies, customers, and one customer with everything that is stored about it.

A person copies a reference from the end of such a page's address, and sees what was sent, as in eAccounting.
"""

import json
import re
from collections.abc import Callable

from dev.sandbox import customers
from dev.sandbox.html import STYLE, escape, page
from dev.sandbox.messages import Request, Response, html_response, redirect
from dev.sandbox.refuse import Refusal
from dev.sandbox.store import Document
from dev.sandbox.world import COMPANY, CUSTOMER, INVOICE, TERMS, World
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.types import READ_ONLY_PROPERTIES

_FIELDS = (
    ("Name", "Name"),
    ("CustomerNumber", "Customer number"),
    ("CorporateIdentityNumber", "Registration number"),
    ("Telephone", "Phone"),
    ("EmailAddress", "E-mail"),
    ("WwwAddress", "Website"),
    ("InvoiceAddress1", "Address line 1"),
    ("InvoiceAddress2", "Address line 2"),
    ("InvoicePostalCode", "Postal code"),
    ("InvoiceCity", "City"),
    ("InvoiceCountryCode", "Country code"),
    ("ContactPersonName", "Reference person"),
    ("ContactPersonEmail", "Reference person's e-mail"),
    ("ContactPersonPhone", "Reference person's phone"),
    ("ContactPersonMobile", "Reference person's mobile"),
)


class Pages:
    """Everything outside the API and the identity server that a browser shows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("GET", r"/", self._companies),
            ("GET", r"/_sandbox/style\.css", self._style),
            ("GET", r"/customers/(edit|statistics)/([0-9a-fA-F-]{36})", self._find),
            ("GET", r"/company/(\d+)/customers/?", self._customers),
            ("GET", r"/company/(\d+)/customers/edit/([0-9a-fA-F-]{36})", self._edit),
            ("POST", r"/company/(\d+)/customers/edit/([0-9a-fA-F-]{36})", self._save),
            ("GET", r"/company/(\d+)/customers/statistics/([0-9a-fA-F-]{36})", self._statistics),
        )

    def handle(self, request: Request) -> Response:
        """Answer one page."""
        for method, pattern, answer in self._routes:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return self._guarded(request, answer, found.groups())
        return _missing()

    def _guarded(self, request: Request, answer: Callable[..., Response], parts: tuple[str, ...]) -> Response:
        if request.path.startswith("/company/") and self._world.company(parts[0]) is None:
            return _missing()
        if request.path.startswith("/company/") and len(parts) == 2 and self._world.row(CUSTOMER, *parts) is None:
            return _missing()
        return answer(request, *parts)

    def _style(self, _: Request) -> Response:
        headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300"}
        return Response(status=200, headers=headers, body=STYLE)

    def _companies(self, _: Request) -> Response:
        rows = "".join(
            f'<tr><th scope="row"><a href="/company/{key}/customers">{escape(str(company["Name"]))}</a></th>'
            f"<td>{escape(str(company['CorporateIdentityNumber']))}</td>"
            f"<td>{escape(str(company['CountryCode']))}</td>"
            f"<td>{len(self._world.rows(CUSTOMER, key))}</td></tr>"
            for key, company in self._world.store.all(COMPANY).items()
        )
        headings = ("Name", "Registration number", "Country", "Customers")
        return html_response(
            page(title="Companies", body=f'<div class="card"><h1>Companies</h1>{_table(headings, rows)}</div>')
        )

    def _customers(self, _: Request, company: str) -> Response:
        rows = "".join(
            f'<tr><td>{escape(str(row["CustomerNumber"]))}</td><th scope="row">'
            f'<a href="/company/{company}/customers/edit/{row["Id"]}">{escape(str(row["Name"]))}</a></th>'
            f"<td>{escape(str(row.get('CorporateIdentityNumber') or ''))}</td>"
            f"<td>{escape(str(row.get('InvoiceCity') or ''))}</td>"
            f"<td>{'Active' if row.get('IsActive') else 'Not active'}</td></tr>"
            for row in sorted(self._world.rows(CUSTOMER, company), key=lambda row: str(row["Name"]).lower())
        )
        name = str((self._world.company(company) or {})["Name"])
        headings = ("Number", "Name", "Registration number", "City", "State")
        body = f'<div class="card"><h1>Customers of {escape(name)}</h1>{_table(headings, rows)}</div>'
        return html_response(page(title=f"Customers of {name}", body=body))

    def _find(self, _: Request, what: str, key: str) -> Response:
        """Lead from an address without a company, as a deep link is made, to the customer's page."""
        for company in self._world.store.all(COMPANY):
            if self._world.row(CUSTOMER, company, key):
                return redirect(f"/company/{company}/customers/{what}/{key}")
        return _missing()

    def _edit(self, request: Request, company: str, key: str, *, alert: str = "", status: int = 200) -> Response:
        row = self._answered(company, key)
        if "saved" in request.query:
            alert = '<p class="alert done" role="status">The customer was saved.</p>'
        body = (
            _tabs(company, key)
            + f'<div class="card"><h1>{escape(str(row["Name"]))}</h1>{alert}{self._form(company, row)}</div>'
            + f'<div class="card"><h2>Everything that is stored</h2>{_values(row)}</div>'
        )
        return html_response(page(title=f"{row['Name']}, edit", body=body), status=status)

    def _statistics(self, _: Request, company: str, key: str) -> Response:
        row = self._answered(company, key)
        invoices = [item for item in self._world.rows(INVOICE, company) if item["CustomerId"] == row["Id"]]
        lines = "".join(
            f'<tr><th scope="row">{item["InvoiceNumber"]}</th><td>{item["InvoiceDate"]}</td>'
            f"<td>{item['DueDate']}</td><td>{item['TotalAmount']} {item['CurrencyCode']}</td>"
            f"<td>{item['RemainingAmount']}</td></tr>"
            for item in invoices
        )
        headings = ("Invoice", "Date", "Due", "Amount", "Unpaid")
        money = _table(headings, lines) if invoices else '<p class="empty">There are no invoices yet.</p>'
        body = (
            _tabs(company, key)
            + f'<div class="card"><h1>{escape(str(row["Name"]))}</h1><h2>Invoices</h2>{money}</div>'
            + f'<div class="card"><h2>Everything that is stored</h2>{_values(row)}</div>'
        )
        return html_response(page(title=f"{row['Name']}, statistics", body=body))

    def _save(self, request: Request, company: str, key: str) -> Response:
        form = request.form()
        try:
            if form.get("do") == "delete":
                customers.delete(world=self._world, company=company, customer_id=key)
                return redirect(f"/company/{company}/customers")
            customers.replace(world=self._world, company=company, customer_id=key, body=self._body(company, key, form))
        except Refusal as refusal:
            alert = f'<p class="alert" role="alert">{escape(refusal.text)}</p>'
            return self._edit(request, company, key, alert=alert, status=400)
        return redirect(f"/company/{company}/customers/edit/{key}?saved")

    def _body(self, company: str, key: str, form: dict[str, str]) -> Document:
        """Return the customer as a person left it: the form's fields over what is stored."""
        stored = self._world.row(CUSTOMER, company, key) or {}
        body = {name: value for name, value in stored.items() if name not in READ_ONLY_PROPERTIES}
        for name in (*(name for name, _ in _FIELDS), "Note", "TermsOfPaymentId"):
            if name in form:
                body[name] = form[name].strip() or None
        body["IsActive"] = "IsActive" in form
        return body

    def _form(self, company: str, row: Document) -> str:
        fields = "".join(
            f'<label>{label}<input name="{name}" value="{escape(str(row.get(name) or ""))}"></label>'
            for name, label in _FIELDS
        )
        terms = "".join(
            f'<option value="{item["Id"]}"'
            f"{' selected' if item['Id'] == row.get('TermsOfPaymentId') else ''}>"
            f"{escape(str(item['Name']))}</option>"
            for item in self._world.rows(TERMS, company)
            if item.get("AvailableForSales")
        )
        active = " checked" if row.get("IsActive") else ""
        return f"""<form method="post"><div class="fields">{fields}
<label>Terms of payment<select name="TermsOfPaymentId">{terms}</select></label>
<label class="wide">Note<textarea name="Note" rows="3">{escape(str(row.get("Note") or ""))}</textarea></label>
<label class="check"><input type="checkbox" name="IsActive"{active}>Active</label>
</div><p class="buttons"><button class="primary" type="submit" name="do" value="save">Save</button>
<button class="danger" type="submit" name="do" value="delete">Delete</button></p></form>"""

    def _answered(self, company: str, key: str) -> Document:
        return self._world.answered(company, self._world.row(CUSTOMER, company, key) or {})


def _missing() -> Response:
    body = '<div class="card"><h1>There is no such page</h1><p><a href="/">All companies</a></p></div>'
    return html_response(page(title="Not found", body=body), status=404)


def _tabs(company: str, key: str) -> str:
    base = f"/company/{company}/customers"
    links = (
        ("All customers", base),
        ("Edit", f"{base}/edit/{key}"),
        ("Statistics", f"{base}/statistics/{key}"),
    )
    items = "".join(f'<li><a href="{escape(target)}">{text}</a></li>' for text, target in links)
    return f'<nav aria-label="Customer"><ul>{items}</ul></nav>'


def _table(headings: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(headings[0])}s">{table}</div>'


def _values(row: Document) -> str:
    """Return every value, the filled ones first."""
    ordered = sorted(row.items(), key=lambda item: (item[1] is None, item[0] != "Id"))
    lines = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{_shown(value)}</td></tr>' for name, value in ordered)
    return f'<table class="values"><caption>Names as in the API</caption><tbody>{lines}</tbody></table>'


def _shown(value: Json) -> str:
    if value is None:
        return '<span class="empty">empty</span>'
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"<code>{escape(text)}</code>"

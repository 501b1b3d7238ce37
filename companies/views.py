"""The company list, the card, the edit page, archive and restore."""

from django.contrib import messages
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies import formats
from companies.access import get_company
from companies.editing import open_editor
from companies.formats.registration_numbers import PLACEHOLDER_WARNING
from companies.listing import company_page
from companies.models import Company

_SAME_NUMBER_SHOWN = 3


@require(Role.VIEWER)
@require_safe
def company_list(request: SignedInRequest) -> HttpResponse:
    """Search and page through the account's companies."""
    query, is_archive = formats.text(request.GET.get("q", ""))[:200], "archived" in request.GET
    companies = Company.objects.of(request.account)
    companies = companies.archived() if is_archive else companies.active()
    page = company_page(companies=companies, query=query, cursor=request.GET.get("page", ""))
    context = {
        "query": query,
        "is_archive": is_archive,
        "companies": page.companies,
        "previous": _list_url(query=query, is_archive=is_archive, cursor=page.previous) if page.previous else "",
        "next": _list_url(query=query, is_archive=is_archive, cursor=page.next) if page.next else "",
        "active_url": _list_url(query=query, is_archive=False),
        "archive_url": _list_url(query=query, is_archive=True),
        "may_change": request.user.may(Role.USER),
    }
    return render(request, "companies/list.html", context)


def _list_url(*, query: str, is_archive: bool, cursor: str = "") -> str:
    parameters = {"q": query, "archived": "1" if is_archive else "", "page": cursor}
    given = urlencode({name: value for name, value in parameters.items() if value})
    return f"{reverse('companies:list')}?{given}" if given else reverse("companies:list")


@require(Role.VIEWER)
@require_safe
def company_card(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Show one company: details, contacts, and whatever plugins show beside them."""
    company = get_company(request, company_id)
    context = {
        "company": company,
        "contacts": company.contacts.order_by(F("left_at").asc(nulls_first=True), "id"),
        "may_change": request.user.may(Role.USER),
    }
    return render(request, "companies/card.html", context)


@require(Role.USER)
def create_company(request: SignedInRequest) -> HttpResponse:
    """Add a company."""
    return _edit_page(request, company=None)


@require(Role.USER)
def edit_company(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Change a company, and what plugins keep about it."""
    return _edit_page(request, company=get_company(request, company_id))


def _edit_page(request: SignedInRequest, *, company: Company | None) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    editor = open_editor(user=request.user, account=request.account, company=company, data=data)
    if data is not None:
        saved = editor.save(now=timezone.now())
        if saved is not None:
            messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
            for section in editor.sections:
                if section.told:
                    messages.info(request, section.told)
            if saved.has_placeholder_number:
                messages.warning(request, PLACEHOLDER_WARNING)
            _warn_of_same_number(request, saved)
            return redirect("companies:card", company_id=saved.pk)
    return render(request, "companies/edit.html", {"company": company, "editor": editor, "form": editor.form})


def _warn_of_same_number(request: HttpRequest, company: Company) -> None:
    """Link to the companies with the same registration number: branches share one, duplicates should not."""
    others = company.with_same_registration_number().order_by("name_sort", "id")[:_SAME_NUMBER_SHOWN]
    links = [(reverse("companies:card", kwargs={"company_id": other.pk}), other.name) for other in others]
    if not links:
        return
    sentence = _("It has the same registration number as {others}. If it is the same company, archive one of them.")
    messages.warning(request, format_html(sentence, others=format_html_join(", ", '<a href="{}">{}</a>', links)))


@require(Role.USER)
@require_POST
def archive_company(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Archive a company."""
    company = get_company(request, company_id)
    company.archive(now=timezone.now())
    messages.success(request, _("%(name)s is archived. You find it in the list under Archived.") % {"name": company})
    return redirect("companies:card", company_id=company.pk)


@require(Role.USER)
@require_POST
def restore_company(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Restore an archived company."""
    company = get_company(request, company_id)
    company.restore()
    messages.success(request, _("%(name)s is back in the list of companies.") % {"name": company})
    return redirect("companies:card", company_id=company.pk)

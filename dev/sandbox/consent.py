"""The consent page: /connect/authorize."""

from urllib.parse import urlencode

from dev.sandbox.html import escape, page
from dev.sandbox.identity import SCOPES, Identity
from dev.sandbox.messages import Request, Response, html_response, redirect
from dev.sandbox.world import COMPANY, World

_ALLOWED = (
    "Read and change customers",
    "Read terms of payment and company settings",
    "Stay connected until you withdraw it",
)


class Consent:
    """Shows who asks for what, and sends the browser back with a code or a refusal."""

    def __init__(self, world: World, identity: Identity) -> None:
        self._world, self._identity = world, identity

    def handle(self, request: Request) -> Response:
        """Answer GET (the page) or POST (the decision)."""
        query = dict(request.query)
        settings = self._world.settings
        # Neither may be trusted to be redirected to: the person is told here instead.
        if query.get("client_id") != settings.client_id:
            return _problem("This client is not known to the sandbox.")
        if query.get("redirect_uri") not in settings.redirect_uris:
            return _problem("The redirect address is not one that is registered for this client.")
        if error := _request_error(query):
            return self._back(query, {"error": error})
        if request.method == "POST":
            return self._decide(query, request.form())
        if query.get("prompt") == "none":
            return self._back(query, {"error": "interaction_required"})
        return html_response(self._page(query))

    def _decide(self, query: dict[str, str], form: dict[str, str]) -> Response:
        if form.get("decision") != "allow":
            return self._back(query, {"error": "access_denied"})
        company = form.get("company", "")
        if self._world.company(company) is None:
            return html_response(self._page(query, hint="Choose a company first."), status=400)
        code = self._identity.issue_code(company=company, query=query)
        return self._back(query, {"code": code, "scope": query["scope"]})

    def _back(self, query: dict[str, str], answer: dict[str, str]) -> Response:
        """Send the browser back, with its state and our name (RFC 9207)."""
        if "state" in query:
            answer["state"] = query["state"]
        answer["iss"] = self._world.settings.issuer
        target = query["redirect_uri"]
        return redirect(target + ("&" if "?" in target else "?") + urlencode(answer))

    def _page(self, query: dict[str, str], hint: str = "") -> str:
        companies = "".join(
            f'<label class="choice"><input type="radio" name="company" value="{escape(key)}"'
            f"{' checked' if key == '1' else ''}>"
            f"<span><strong>{escape(str(company['Name']))}</strong>"
            f"<small>{escape(str(company['CorporateIdentityNumber']))}, "
            f"{escape(str(company['CountryCode']))}</small>"
            "</span></label>"
            for key, company in self._world.store.all(COMPANY).items()
        )
        allowed = "".join(f"<li>{escape(item)}</li>" for item in _ALLOWED)
        action = "/connect/authorize?" + urlencode(query)
        alert = f'<p class="alert" role="alert">{escape(hint)}</p>' if hint else ""
        return page(
            title="Allow access",
            body=f"""
<div class="narrow card">
<h1>Allow access to eAccounting?</h1>
<p><strong>{escape(query["client_id"])}</strong> asks to work with the customers of one company.</p>
<ul>{allowed}</ul>
{alert}
<form method="post" action="{escape(action)}">
<fieldset><legend>Company</legend>{companies}</fieldset>
<p class="buttons">
<button class="primary" type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny">Deny</button>
</p>
</form>
</div>""",
        )


def _request_error(query: dict[str, str]) -> str:
    """Return the OAuth error of a request for consent, or nothing."""
    if query.get("response_type") != "code":
        return "unsupported_response_type"
    scopes = query.get("scope", "").split()
    if not scopes or not set(scopes) <= SCOPES:
        return "invalid_scope"
    challenge, method = query.get("code_challenge"), query.get("code_challenge_method")
    if challenge is not None and (method != "S256" or not 43 <= len(challenge) <= 128):
        return "invalid_request"
    if challenge is None and method is not None:
        return "invalid_request"
    return ""


def _problem(text: str) -> Response:
    body = f'<div class="narrow card"><h1>This request cannot be answered</h1><p>{escape(text)}</p></div>'
    return html_response(page(title="Request refused", body=body), status=400)

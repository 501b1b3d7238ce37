"""The identity server: codes, tokens and grants (facts.md, OAuth). The consent page is in consent.py."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from urllib.parse import unquote

from dev.sandbox.contract import problems
from dev.sandbox.messages import Request, Response, json_response
from dev.sandbox.store import Document
from dev.sandbox.world import World, new_id
from integrations.eaccounting.jsontext import Json

CODE, ACCESS, REFRESH, GRANT = "code", "access_token", "refresh_token", "grant"
CODE_LIFETIME = 300
SCOPES = frozenset(
    {
        "ea:api",
        "ea:sales",
        "ea:sales_readonly",
        "ea:purchase",
        "ea:purchase_readonly",
        "ea:accounting",
        "ea:accounting_readonly",
        "offline_access",
        "openid",
        "profile",
        "email",
    }
)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a person allowed: one client, one company, some scopes."""

    id: str
    client_id: str
    company: str
    scopes: frozenset[str]


class TokenRefusal(Exception):
    """Ends a token request with an OAuth error."""

    def __init__(self, error: str, *, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


class Identity:
    """Codes, tokens and grants, in the store."""

    def __init__(self, world: World) -> None:
        self._world = world

    def issue_code(self, *, company: str, query: dict[str, str]) -> str:
        """Return a code for an allowed request of the consent page."""
        grant, code = new_id(), secrets.token_urlsafe(32)
        scopes = query["scope"].split()
        self._put(GRANT, grant, {"client_id": query["client_id"], "company": company, "scopes": list(scopes)})
        self._put(
            CODE,
            code,
            {
                "grant": grant,
                "redirect_uri": query["redirect_uri"],
                "challenge": query.get("code_challenge"),
                "expires": self._world.now() + CODE_LIFETIME,
                "used": False,
            },
        )
        return code

    def grant_of(self, *, authorization: str) -> Grant | None:
        """Return the grant behind an Authorization header, or None when it is not good (any more)."""
        kind, _, token = authorization.partition(" ")
        found = self._world.store.get(ACCESS, token) if kind.lower() == "bearer" else None
        if found is None or _number(found["expires"]) <= self._world.now():
            return None
        return self._grant(str(found["grant"]))

    def handle(self, request: Request) -> Response:
        """Answer /connect/token or /connect/revocation."""
        try:
            form = self._authenticated(request)
            if request.path == "/connect/revocation":
                return self._revoke(form)
            return self._tokens(form)
        except TokenRefusal as refusal:
            return oauth_error(refusal.error, status=refusal.status)

    def expire_access_tokens(self) -> int:
        """Let every access token be expired; return how many there were."""
        tokens = list(self._world.store.all(ACCESS))
        for token in tokens:
            self._world.store.remove(ACCESS, token)
        return len(tokens)

    def revoke_grants(self, *, company: str | None = None) -> int:
        """Revoke every grant, or those of one company; return how many."""
        grants = [key for key, grant in self._world.store.all(GRANT).items() if company in (None, grant["company"])]
        for grant in grants:
            self._revoke_grant(grant)
        return len(grants)

    def _authenticated(self, request: Request) -> dict[str, str]:
        """Return the form of a client that proved who it is: by Basic, or in the body."""
        if request.method != "POST":
            raise TokenRefusal("invalid_request")
        form = request.form()
        given = _basic(request.headers.get("authorization", ""))
        if given is None and "client_secret" in form:
            given = [(form.pop("client_id", ""), form.pop("client_secret"))]
        settings = self._world.settings
        wanted = (settings.client_id, settings.client_secret)
        if given is None or wanted not in given:
            raise TokenRefusal("invalid_client", status=400)
        return form

    def _tokens(self, form: dict[str, str]) -> Response:
        kind = form.get("grant_type")
        if kind not in ("authorization_code", "refresh_token"):
            raise TokenRefusal("unsupported_grant_type")
        if problems(schema="TokenRequest", value=form):
            raise TokenRefusal("invalid_request")
        if kind == "authorization_code":
            return self._from_code(form)
        return self._from_refresh_token(form["refresh_token"])

    def _from_code(self, form: dict[str, str]) -> Response:
        code = self._world.store.get(CODE, form["code"])
        if code is None:
            raise TokenRefusal("invalid_grant")
        grant = str(code["grant"])
        if code["used"]:
            # RFC 6749 4.1.2: a code used twice is a stolen one, and so is what it gave.
            self._revoke_grant(grant)
            raise TokenRefusal("invalid_grant")
        self._put(CODE, form["code"], code | {"used": True})
        fits = (
            _number(code["expires"]) > self._world.now()
            and code["redirect_uri"] == form["redirect_uri"]
            and _proves(form.get("code_verifier"), code["challenge"])
        )
        if not fits:
            raise TokenRefusal("invalid_grant")
        return self._answer(grant, self._new_refresh_token(grant))

    def _from_refresh_token(self, token: str) -> Response:
        found = self._world.store.get(REFRESH, token)
        if found is None:
            raise TokenRefusal("invalid_grant")
        grant, switches = str(found["grant"]), self._world.switches
        if found["superseded"]:
            self._revoke_grant(grant)
            raise TokenRefusal("invalid_grant")
        if switches.rotate_refresh_tokens:
            self._put(REFRESH, token, found | {"superseded": True})
            return self._answer(grant, self._new_refresh_token(grant))
        return self._answer(grant, token if switches.answer_same_refresh_token else None)

    def _answer(self, grant_id: str, refresh_token: str | None) -> Response:
        grant = self._grant(grant_id)
        if grant is None:
            raise TokenRefusal("invalid_grant")
        lifetime = self._world.settings.token_lifetime
        access = self._access_token(grant, lifetime)
        self._put(ACCESS, access, {"grant": grant_id, "expires": self._world.now() + lifetime})
        self._sweep()
        content = {
            "access_token": access,
            "expires_in": lifetime,
            "token_type": "Bearer",
            "scope": " ".join(sorted(grant.scopes)),
        }
        if refresh_token:
            content["refresh_token"] = refresh_token
        return json_response(content, headers={"Cache-Control": "no-store"})

    def _access_token(self, grant: Grant, lifetime: int) -> str:
        """Return a token in the shape of a JWT; it is looked up, so its signature means nothing."""
        if self._world.switches.opaque_access_tokens:
            return secrets.token_urlsafe(40)
        company = self._world.company(grant.company) or {}
        claims = {
            "iss": self._world.settings.issuer,
            "client_id": grant.client_id,
            "scope": sorted(grant.scopes),
            "sub": "5d3f2b34-6c5a-4c3e-9a50-0d8c7f1a2b11",
            "customer_id": company.get("VismaOnlineId"),
            "email": "sandbox.user@eaccounting.example",
            "exp": int(self._world.now()) + lifetime,
            "jti": secrets.token_hex(8),
        }
        parts = [_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signature = hmac.new(b"sandbox", ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, _b64(signature)])

    def _new_refresh_token(self, grant_id: str) -> str | None:
        grant = self._grant(grant_id)
        if grant is None or "offline_access" not in grant.scopes:
            return None
        token = secrets.token_urlsafe(32)
        self._put(REFRESH, token, {"grant": grant_id, "superseded": False})
        return token

    def _revoke(self, form: dict[str, str]) -> Response:
        if problems(schema="RevocationRequest", value=form):
            raise TokenRefusal("invalid_request")
        token = form["token"]
        found = self._world.store.get(REFRESH, token)
        if found:
            self._revoke_grant(str(found["grant"]))
        self._world.store.remove(ACCESS, token)
        return Response(status=200)

    def _revoke_grant(self, grant: str) -> None:
        for kind in (ACCESS, REFRESH):
            for token, found in list(self._world.store.all(kind).items()):
                if found["grant"] == grant:
                    self._world.store.remove(kind, token)
        self._world.store.remove(GRANT, grant)

    def _grant(self, key: str) -> Grant | None:
        found = self._world.store.get(GRANT, key)
        if found is None:
            return None
        scopes = found["scopes"] if isinstance(found["scopes"], list) else []
        return Grant(
            id=key,
            client_id=str(found["client_id"]),
            company=str(found["company"]),
            scopes=frozenset(map(str, scopes)),
        )

    def _put(self, kind: str, key: str, document: Document) -> None:
        self._world.store.put(kind, key, document)

    def _sweep(self) -> None:
        """Forget access tokens that are long over, so that weeks of demo do not pile up."""
        tokens = self._world.store.all(ACCESS)
        if len(tokens) > 500:
            for token in [key for key, found in tokens.items() if _number(found["expires"]) < self._world.now()]:
                self._world.store.remove(ACCESS, token)


def oauth_error(error: str, *, status: int = 400) -> Response:
    """Return an error of the token endpoint."""
    return json_response({"error": error}, status=status, headers={"Cache-Control": "no-store"})


def _basic(header: str) -> list[tuple[str, str]] | None:
    """Return the credentials of a Basic header, as they stand and percent-decoded (RFC 6749 2.3.1)."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [(user, password), (unquote(user), unquote(password))]


def _proves(verifier: str | None, challenge: Json) -> bool:
    if challenge is None:
        return verifier is None
    return verifier is not None and _b64(hashlib.sha256(verifier.encode()).digest()) == challenge


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: Json) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0

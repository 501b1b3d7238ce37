"""Questions about the tokens, answered by comparing them before and after one refresh. No token is reported."""

import base64
from dataclasses import dataclass, field

from integrations.eaccounting import jsontext
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.smoke.asking import Found, Question, Untold


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a connection holds; `lifetime` in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scope: str
    lifetime: float


def questions(*, before: Grant, after: Grant | None) -> tuple[Question, ...]:
    """Return the questions; `after` is None when the refresh failed."""
    return (
        Question("rotation", "Do refresh tokens rotate for our client?", lambda _: _rotation(before, after)),
        Question("scope", "Which scopes are granted?", lambda _: _scope(after or before)),
        Question(
            "access_token", "Is an access token a JWT, and what does it name?", lambda _: _claims(after or before)
        ),
    )


def _rotation(before: Grant, after: Grant | None) -> Found:
    if after is None or after.access_token == before.access_token:
        raise Untold("the refresh did not bring a new access token")
    rotated = after.refresh_token != before.refresh_token
    words = "Yes: a refresh answers a new one" if rotated else "No: the old one stays (answered again or left out)"
    return Found(answer=words, evidence={"rotated": rotated}, switches={"rotate_refresh_tokens": rotated})


def _scope(grant: Grant) -> Found:
    return Found(answer=grant.scope or "the answer names none", evidence={"scope": grant.scope})


def _claims(grant: Grant) -> Found:
    claims = _claim_names(grant.access_token)
    evidence: dict[str, Json] = {"claims": [*claims], "lifetime_seconds": round(grant.lifetime)}
    lives = f"it lives for {round(grant.lifetime)} s"
    words = f"Yes, with {', '.join(claims)}; {lives}" if claims else f"No; {lives}"
    return Found(answer=words, evidence=evidence, switches={"opaque_access_tokens": not claims})


def _claim_names(token: str) -> list[str]:
    parts = token.split(".")
    if len(parts) != 3:
        return []
    try:
        claims = jsontext.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return []
    return sorted(claims) if isinstance(claims, dict) else []

"""How alike two company names are, and which e-mail domains tell who somebody is. Pure."""

import re
from collections.abc import Iterable

from companies import formats
from companies.search import fold

# Folded. What says only how a company is owned, or where, or ties words together.
_FORMS = """
ab aktiebolag publ hb handelsbolag kb kommanditbolag ek for ekonomisk forening enskild firma
as asa ans da sa enk aps is ivs oy oyj ky tmi ay bv nv vof ltd limited gmbh inc filial nuf
och ja and en i sverige norge sweden norway finland danmark
"""
# Everybody can have an address there.
_FREE_MAIL = """
gmail.com googlemail.com outlook.com outlook.se hotmail.com hotmail.se hotmail.no hotmail.fi live.com live.se live.no
msn.com icloud.com me.com mac.com yahoo.com yahoo.se yahoo.no mail.com gmx.com gmx.net proton.me protonmail.com
telia.com bredband.net comhem.se swipnet.se spray.se passagen.se home.se bahnhof.se tele2.se
online.no broadpark.no getmail.no frisurf.no luukku.com kolumbus.fi elisanet.fi saunalahti.fi welho.com
ziggo.nl kpnmail.nl planet.nl xs4all.nl hetnet.nl telenet.dk mail.dk jubii.dk ofir.dk
"""
_IGNORED, _OPEN_TO_ALL = frozenset(_FORMS.split()), frozenset(_FREE_MAIL.split())


def core_words(name: str) -> list[str]:
    """Return the words of a name by which a company is known, folded: without AB, & and the like."""
    words = re.findall(r"[^\W_]+", fold(name))
    return [word for word in words if word not in _IGNORED] or words


def likeness(one: str, other: str) -> float:
    """Return from 0 to 1 how much of two names is the same, by the trigrams of their core words (Dice)."""
    ours, theirs = _trigrams(core_words(one)), _trigrams(core_words(other))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _trigrams(words: Iterable[str]) -> set[str]:
    return {padded[at : at + 3] for word in words for padded in [f"  {word} "] for at in range(len(padded) - 2)}


def own_domain(email: str) -> str:
    """Return the domain of an e-mail address when it can belong to one company only, else a blank."""
    domain = formats.email_key(email).rpartition("@")[2].casefold() if "@" in email else ""
    return domain if "." in domain and domain not in _OPEN_TO_ALL else ""

"""Every code that can reach a person has its sentences; what they say is read by a person, not by a test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override

from integrations.domain import mapping
from integrations.eaccounting import errors, oauth, refusals
from integrations.messages import sentences
from integrations.messages.sentences import event_words, rights_words, sentence
from integrations.models import BlockedReason, Connection, EventKind

ROOT = Path(__file__).parents[3] / "integrations"
NO_SENTENCE = sentence("a code that nobody made")
CARRIERS = {"CannotSend", "NotConnected", "failure_of", "lose"} | {
    name
    for module in (errors, oauth)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, errors.EAccountingError)
}


def _words(node: ast.expr) -> Iterator[str]:
    """The texts an argument can be: a constant, or one of two."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.IfExp):
        yield from _words(node.body)
        yield from _words(node.orelse)


def _codes_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "code")]
            if name in CARRIERS:
                yield from (code for word in given for code in _words(word))
        if isinstance(node, ast.ClassDef):
            yield from _codes_of_class(node)


def _codes_of_class(node: ast.ClassDef) -> Iterator[str]:
    """`code = "…"` in the body of a refusal's class."""
    for line in node.body:
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") == "code":
            yield from _words(line.value)


def _codes() -> set[str]:
    files = [file for file in ROOT.rglob("*.py") if "sandbox" not in file.parts and file.name != "sentences.py"]
    found = {code for file in files for code in _codes_in(ast.parse(file.read_text()))}
    rules = [
        *refusals.BY_ERROR_CODE.values(),
        *refusals.BY_STATUS.values(),
        refusals.NO_MODULE,
        refusals.REFUSED,
        refusals.INTERCEPTED,
    ]
    found |= {f"forbidden_{rule.code}" if rule.error is errors.Forbidden else rule.code for rule in rules}
    return found | set(BlockedReason.values) | {Connection.State.NEEDS_RECONNECT, Connection.State.DISCONNECTED}


# These are told with their particulars.
EXAMPLES = {
    "linked_elsewhere": {"name": "Acme Holding"},
    "values": {"problems": [("Name", "too_long", 72), ("InvoiceCity", "missing", 0)]},
    "already_under_way": {"by": "Anna Ek"},
    "other_company_answered": {"answered": "Fjordlys AS", "connected": "Nordvik Bygg AB", "links": 2},
}


def test_the_codes_are_found() -> None:
    assert {"already_linked", "terms_gone", "unreachable", "consent_denied", "forbidden_module", "too_busy"} <= _codes()


@pytest.mark.parametrize("code", sorted(_codes()))
@pytest.mark.parametrize("language", ["en", "sv"])
def test_every_code_has_full_sentences(code: str, language: str) -> None:
    with override(language):
        told = sentence(code, EXAMPLES.get(code))
        assert told != NO_SENTENCE
        assert told != sentence("a code that nobody made")
        assert told.endswith(".")
        assert told[0].isupper()
        assert "successful" not in told
        assert "_" not in told


def test_an_unknown_code_claims_nothing() -> None:
    assert NO_SENTENCE == ("This did not work. Nothing is lost. Try again, and contact support if it happens again.")


def test_particulars_are_told() -> None:
    assert "Acme Holding" in sentence("linked_elsewhere", {"name": "Acme Holding"})
    assert "meanwhile" in sentence("linked_elsewhere", {"number": "7"})
    assert "Anna Ek" in sentence("already_under_way", {"by": "Anna Ek"})
    assert sentence("already_under_way") == "This is already being sent. Wait until it is done."
    told = sentence("values", EXAMPLES["values"])
    assert told == (
        "Nothing was sent. Company name has 72 characters; Visma eAccounting allows at most 50. City is missing."
    )


def test_each_field_that_can_be_refused_leads_to_where_it_is_mended() -> None:
    parameters = {
        "problems": [
            {"field": "InvoicePostalCode", "message": "Too long."},
            {"field": "ContactPersonName", "message": "Too long."},
            {"field": "Nobody", "message": "Unknown."},
            "odd",
        ]
    }
    found = sentences.refused_fields(parameters)
    assert [(problem.words, problem.field) for problem in found] == [
        ("Postal code: Too long.", "postal_code"),
        ("Contact person: Too long.", ""),
        ("Nobody: Unknown.", ""),
    ]


@pytest.mark.parametrize("field", mapping.FIELDS, ids=lambda field: field.remote)
def test_each_field_can_be_missing_or_too_long(field: mapping.Field) -> None:
    for kind in ("missing", "too_long"):
        problem = sentences.value_problem(field.remote, kind, field.limit + 1)
        assert problem.words.startswith(str(field.label))
        assert problem.words.endswith(".")


@pytest.mark.parametrize("kind", EventKind)
def test_each_event_is_told(kind: EventKind) -> None:
    assert event_words(kind, {"code": "unreachable", "reason": "module", "name": "30 days", "fields": ["Name"]})


def test_events_tell_their_particulars() -> None:
    assert event_words(EventKind.CREATED, {"number": "1014"}) == "The customer was created (1014)"
    updated = event_words(EventKind.UPDATED, {"fields": ["InvoiceCity", "Name", "Nobody"]})
    assert updated == "The customer was updated (Company name, City)"
    assert event_words(EventKind.FAILED, {"code": "linked_elsewhere"}).startswith("That customer was linked")


def test_terms_are_named_in_the_readers_language() -> None:
    names = {"name": "30 dagar netto", "name_english": "30 days"}
    assert event_words(EventKind.TERMS_CHOSEN, names).endswith("(30 days)")
    with override("sv"):
        assert event_words(EventKind.TERMS_CHOSEN, names).endswith("(30 dagar netto)")


def test_rights_are_told_in_words() -> None:
    assert rights_words("ea:sales offline_access ea:new") == [
        "Read and change customers",
        "Stay connected until somebody disconnects",
        "ea:new",
    ]

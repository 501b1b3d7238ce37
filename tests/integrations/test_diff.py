"""What differs between here and there, who changed it, and that nothing is lost that nobody chose to lose."""

from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from integrations.domain import mapping
from integrations.domain.diff import (
    Base,
    Change,
    Decision,
    Row,
    Side,
    compare,
    decide,
)
from integrations.domain.mapping import BY_PROPERTY, COUNTRY, FIELDS, Group, Values

ALL = [field.remote for field in FIELDS]
WITHOUT_CONTACT = mapping.company_properties()
# Few values of each kind, so that equal ones, equal ones in another form and blank ones all come often.
VALUES: dict[str, list[str]] = {
    "Name": ["Björk AB", " Björk  AB", "Alm AB"],
    "CorporateIdentityNumber": ["", "556016-0680", "5560160680", "556677-8899"],
    "InvoicePostalCode": ["", "111 22", "11122", "903 26"],
    COUNTRY: ["SE", "se", "NO"],
    "Telephone": ["", "+46 8 123 45 67", "08-123 45 67", "+46 8 999 99 99"],
    "EmailAddress": ["", "info@bjork.example", "info@BJORK.example", "ny@bjork.example"],
    "WwwAddress": ["", "https://bjork.example", "bjork.example"],
}
TEXTS = ["", "Nygatan 7", "Box 3"]


def _sides(names: list[str]) -> st.SearchStrategy[Values]:
    return st.fixed_dictionaries({name: st.sampled_from(VALUES.get(name, TEXTS)) for name in names})


@dataclass(frozen=True)
class Case:
    """Both sides, what they were when they last agreed, and what a person chose."""

    here: Values
    there: Values
    base: Base
    choices: dict[str, Side]

    @property
    def rows(self) -> list[Row]:
        return compare(here=self.here, there=self.there, base=self.base)

    @property
    def defaults(self) -> dict[str, Side]:
        return {row.key: row.default for row in self.rows if row.default}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return any case: with or without a contact person, a base of all, of some or of no properties."""
    names = draw(st.sampled_from([ALL, WITHOUT_CONTACT]))
    agreed = draw(st.sampled_from([names, WITHOUT_CONTACT, [], names[1:4]]))
    base = Base(draw(_sides(agreed)), draw(_sides(agreed)))
    here, there = draw(_sides(names)), draw(_sides(ALL))
    # Often nothing has moved since.
    here = {name: draw(st.sampled_from([value, base.here.get(name, value)])) for name, value in here.items()}
    there = {name: draw(st.sampled_from([value, base.there.get(name, value)])) for name, value in there.items()}
    keys = [row.key for row in compare(here=here, there=there)]
    choices = draw(st.fixed_dictionaries({}, optional={key: st.sampled_from(Side) for key in keys}))
    return Case(here, there, base, choices)


def _differ(ours: Values, theirs: Values) -> set[str]:
    return set(mapping.differences(ours, {name: theirs.get(name, "") for name in ours}))


def _moved_there(case: Case, name: str) -> bool:
    country, normal = case.there[COUNTRY].upper(), BY_PROPERTY[name].normal
    return normal(case.there[name], country) != normal(case.base.there[name], country)


def _written(case: Case, decision: Decision) -> Values:
    """The customer after the worker wrote what was decided."""
    return {**case.there, **mapping.confirmed_to_write(decision.write, case.there)}


@given(cases())
def test_a_value_there_that_nobody_chose_to_overwrite_is_never_written_over(case: Case) -> None:
    decision = decide(case.rows, case.choices)
    chosen = {name for row in case.rows if case.choices.get(row.key) is Side.OURS for name in row.here}
    assert decision.write.keys() <= chosen
    after = _written(case, decision)
    assert {name: after[name] for name in case.there.keys() - chosen} == {
        name: case.there[name] for name in case.there.keys() - chosen
    }


@given(cases())
def test_following_all_defaults_loses_neither_a_newer_value_nor_any_value_to_a_blank(case: Case) -> None:
    decision = decide(case.rows, case.defaults)
    written = decision.write.keys()
    for row in case.rows:
        moved_there = {name for name in row.there if name in case.base.there and _moved_there(case, name)}
        if moved_there and row.differing:
            assert not written & row.there.keys(), f"{row.key} was changed there"
        if row.is_blank_here:
            assert not written & row.there.keys(), f"{row.key} is blank here"


@given(cases())
def test_only_what_both_changed_has_no_default(case: Case) -> None:
    for row in case.rows:
        assert (row.default is None) is (row.change is Change.BOTH)


@given(cases())
def test_what_is_chosen_ours_is_written_whole(case: Case) -> None:
    # In another country a number is read by other rules, and what is equal here need not be there.
    assume(case.here[COUNTRY].upper() == case.there[COUNTRY].upper())
    decision = decide(case.rows, case.choices)
    for row in case.rows:
        if row.differing and case.choices.get(row.key) is Side.OURS:
            assert {name: decision.write[name] for name in row.here} == row.here
            assert {name: decision.based_on[name] for name in row.here} == row.there
    after = _written(case, decision)
    assert not _differ(decision.write, after)


@given(cases())
def test_once_everything_is_decided_both_sides_agree(case: Case) -> None:
    # Whoever moves a customer to another country has its numbers read anew, by other rules.
    assume(case.here[COUNTRY].upper() == case.there[COUNTRY].upper())
    choices = {row.key: row.default or Side.OURS for row in case.rows} | case.choices
    decision = decide(case.rows, choices)
    there = _written(case, decision)
    # As the link remembers it: what was sent with its answer, what was kept with what stood there.
    agreed = {**decision.write, **decision.kept_here}
    base = Base(
        {**case.base.here, **agreed},
        {**case.base.there, **{name: there[name] for name in decision.write}, **decision.kept_there},
    )
    assert [row.key for row in compare(here=case.here, there=there, base=base) if row.change is not Change.SAME] == []


@given(cases())
def test_every_row_that_differs_is_told_with_both_its_values(case: Case) -> None:
    rows = case.rows
    assert {name for row in rows for name in row.here} == case.here.keys()
    apart = {field.remote for row in rows for field in row.differing}
    assert apart == _differ(case.here, case.there)
    for row in rows:
        assert row.change is Change.SAME or row.differing


@given(cases())
def test_what_nobody_touched_since_they_agreed_is_no_news(case: Case) -> None:
    here, there = case.base.here, {name: case.base.there.get(name, "") for name in case.base.here}
    assert {row.change for row in compare(here=here, there=there, base=case.base)} <= {Change.SAME}


AGREED = {"Name": "Björk AB", "Telephone": "+46 8 123 45 67", "EmailAddress": "info@bjork.example"}


@pytest.mark.parametrize(
    ("here", "there", "base", "change", "default"),
    [
        ("+46 8 123 45 67", "08-123 45 67", Base({}, {}), Change.SAME, Side.THEIRS),  # the form alone differs
        ("1", "+46 8 123 45 67", Base(AGREED, AGREED), Change.HERE, Side.OURS),
        ("+46 8 123 45 67", "1", Base(AGREED, AGREED), Change.THERE, Side.THEIRS),
        ("1", "2", Base(AGREED, AGREED), Change.BOTH, None),
        ("1", "1", Base(AGREED, AGREED), Change.SAME, Side.THEIRS),  # both did the same
        ("", "+46 8 123 45 67", Base(AGREED, AGREED), Change.HERE, Side.THEIRS),  # a blank never wins by itself
        ("+46 8 123 45 67", "", Base(AGREED, AGREED), Change.THERE, Side.THEIRS),  # nor is a cleared one refilled
        ("1", "2", Base({}, {}), Change.DIFFERS, Side.THEIRS),
        ("1", "2", Base({"Telephone": "1"}, {"Telephone": "2"}), Change.SAME, Side.THEIRS),  # kept as it is
    ],
)
def test_who_changed_a_value(here: str, there: str, base: Base, change: Change, default: Side | None) -> None:
    sides = [{COUNTRY: "SE", "Telephone": value} for value in (here, there)]
    row = next(row for row in compare(here=sides[0], there=sides[1], base=base) if row.key == "Telephone")
    assert (row.change, row.default) == (change, default)


def test_one_row_for_each_single_field_and_one_for_each_group() -> None:
    sides = dict.fromkeys(ALL, "")
    assert [(row.key, str(row.label)) for row in compare(here=sides, there=sides)] == [
        ("Name", "Company name"),
        ("CorporateIdentityNumber", "Registration number"),
        ("Telephone", "Phone number"),
        ("EmailAddress", "E-mail"),
        ("WwwAddress", "Website"),
        (Group.ADDRESS, "Postal address"),
        (Group.CONTACT, "Contact person"),
    ]


def test_a_group_with_a_value_changed_on_either_side_changed_on_both() -> None:
    base = dict.fromkeys([name for name in ALL if BY_PROPERTY[name].group is Group.ADDRESS], "x")
    here, there = {**base, "InvoiceCity": "Lund"}, {**base, "InvoiceAddress1": "Box 3"}
    [row] = compare(here=here, there=there, base=Base(base, base))
    assert row.change is Change.BOTH
    assert [field.remote for field in row.differing] == ["InvoiceAddress1", "InvoiceCity"]


def test_a_country_alone_is_no_address() -> None:
    names = [name for name in ALL if BY_PROPERTY[name].group is Group.ADDRESS]
    here = {**dict.fromkeys(names, ""), COUNTRY: "SE"}
    [row] = compare(here=here, there={**here, "InvoiceCity": "Lund"})
    assert row.is_blank_here
    assert not row.is_news
    assert sorted((p.remote, p.kind) for p in row.problems) == [
        ("InvoiceCity", "missing"),
        ("InvoicePostalCode", "missing"),
    ]


def test_a_choice_about_something_equal_or_unknown_changes_nothing() -> None:
    rows = compare(here=AGREED, there=AGREED)
    choices = {"Telephone": Side.OURS, "nothing": Side.OURS}
    assert decide(rows, choices) == Decision({}, {}, {}, {})

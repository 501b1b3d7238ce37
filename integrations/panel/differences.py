"""What differs between a company and its customer, in the words of the panel and the list."""

from collections.abc import Sequence

from django.utils.translation import gettext, ngettext

from integrations.domain.diff import Change, Row
from integrations.panel.states import State


def row_words(row: Row) -> str:
    """Return the name of a row; for a group also the fields that differ."""
    if len(row.fields) == 1:
        return str(row.label)
    return f"{row.label} ({', '.join(str(field.label) for field in row.differing)})"


def differences_words(state: State, rows: Sequence[Row]) -> str:
    """Return what differs, in the few words of the list."""
    count = len(rows)
    if state == State.CHANGED_BOTH:
        return gettext("Changed in both systems: %(fields)s") % {"fields": ", ".join(str(row.label) for row in rows)}
    if state == State.CHANGED_THERE:
        words = ngettext(
            "%(count)d field changed in Visma eAccounting", "%(count)d fields changed in Visma eAccounting", count
        )
    elif state == State.CHANGED:
        words = ngettext("%(count)d field changed in Lime Go", "%(count)d fields changed in Lime Go", count)
    else:
        words = ngettext("%(count)d field differs", "%(count)d fields differ", count)
    return words % {"count": count}


def told_differences(rows: Sequence[Row]) -> list[str]:
    """Return one sentence for each kind of change, naming its fields."""
    told = {
        Change.BOTH: gettext("Changed in both systems: %(fields)s."),
        Change.THERE: gettext("Changed in Visma eAccounting: %(fields)s."),
        Change.HERE: gettext("Changed in Lime Go: %(fields)s."),
        Change.DIFFERS: gettext("Different in Lime Go and Visma eAccounting: %(fields)s."),
    }
    named = {change: [row_words(row) for row in rows if row.change is change] for change in told}
    return [words % {"fields": ", ".join(named[change])} for change, words in told.items() if named[change]]

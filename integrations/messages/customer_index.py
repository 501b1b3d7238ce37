"""How old the index of customers is, and why it is no newer, in words."""

from django.utils.formats import number_format
from django.utils.translation import gettext

from integrations.delivery.customer_index import FAULT
from integrations.messages.sentences import ago
from integrations.services.customer_index import IndexReport, IndexStage


def customer_index_words(report: IndexReport) -> str:
    """Return one or two sentences."""
    if report.stage == IndexStage.WAITING:
        return _waiting(report)
    if report.stage == IndexStage.FILLING:
        return _filling(report)
    return f"{_age(report)} {_why_not_newer(report)}".strip()


def _waiting(report: IndexReport) -> str:
    if report.is_usable:
        return gettext(
            "The customers have not been fetched from Visma eAccounting yet. This happens automatically soon."
        )
    return gettext(
        "The customers have not been fetched from Visma eAccounting yet. This happens automatically once the "
        "connection works."
    )


def _filling(report: IndexReport) -> str:
    words = gettext(
        "The customers are being fetched from Visma eAccounting: %(read)s of %(total)s so far. The rest cannot be "
        "found yet."
    )
    if report.total is None:
        words = gettext(
            "The customers are being fetched from Visma eAccounting: %(read)s so far. The rest cannot be found yet."
        )
    numbers = {"read": report.read, "total": report.total or 0}
    return words % {name: number_format(number, force_grouping=True) for name, number in numbers.items()}


def _age(report: IndexReport) -> str:
    if report.read_at is None:
        return ""
    return gettext("The customers were last fetched from Visma eAccounting %(age)s.") % {"age": ago(report.read_at)}


def _why_not_newer(report: IndexReport) -> str:
    if report.stage != IndexStage.BEHIND:
        return ""
    if not report.is_usable:
        return gettext("Newer ones cannot be fetched until the connection works. An admin can fix it.")
    if report.failure == FAULT:
        return gettext(
            "Something has gone wrong in Lime Go since then, so newer ones were not fetched. Lime Go tries again "
            "automatically. Contact support if this does not go away."
        )
    return gettext("Visma eAccounting has not answered since then. Lime Go tries again automatically.")

"""When an invoice of a given day falls due under terms of payment. Pure.

The kinds are eAccounting's TermsOfPaymentTypeId (docs/eaccounting/facts.md, Terms of payment). How eAccounting itself
counts is not documented; these are the everyday meanings, shown as an example and never sent.
"""

from calendar import monthrange
from datetime import date, timedelta

NORMAL, CURRENT_MONTH, CASH, CARD, WALLET, PAYMENT_PROVIDER = range(6)
PAID_AT_ONCE = frozenset({CASH, CARD, WALLET, PAYMENT_PROVIDER})


def due_date(*, invoiced: date, kind: int | None, days: int | None) -> date | None:
    """Return the due date, or None when the kind is unknown or the number of days is missing or makes no sense.

    `days` counts from the day of the invoice, or from the end of its month for CURRENT_MONTH.
    """
    if kind in PAID_AT_ONCE:
        return invoiced
    if kind not in {NORMAL, CURRENT_MONTH} or days is None or not 0 <= days <= 3650:
        return None
    start = invoiced if kind == NORMAL else _end_of_month(invoiced)
    return start + timedelta(days=days)


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])

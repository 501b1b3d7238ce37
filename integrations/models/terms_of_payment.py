"""Terms of payment of a connected eAccounting company."""

from calendar import monthrange
from datetime import date, timedelta

from django.db import models
from django.utils.translation import get_language

from accounts.models import Account

LONGEST_NAME = 255


class TermsOfPayment(models.Model):
    """Terms of payment of an eAccounting company, as last read."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey("integrations.Connection", on_delete=models.PROTECT, related_name="terms")
    remote_id = models.UUIDField()
    name = models.CharField(max_length=LONGEST_NAME, blank=True)
    name_english = models.CharField(max_length=LONGEST_NAME, blank=True)
    days = models.IntegerField(null=True, blank=True)
    kind = models.IntegerField(null=True, blank=True)
    for_sales = models.BooleanField()
    offered = models.BooleanField(default=False, db_default=False)  # can be chosen on the create sheet too
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "remote_id"], name="terms_once_per_connection")]

    def __str__(self) -> str:
        """The name in the reader's language: eAccounting has one in the company's language and one in English."""
        english = (get_language() or "en").startswith("en")
        return (self.name_english if english else self.name) or self.name or self.name_english

    @property
    def meaning(self) -> dict[str, str | int | None]:
        """Names, kind and days: when this changes, an admin has to confirm the choice again."""
        return {"name": self.name, "name_english": self.name_english, "days": self.days, "kind": self.kind}

    @property
    def is_choosable(self) -> bool:
        """Whether new customers can get these terms."""
        return self.for_sales and self.gone_at is None


NORMAL, CURRENT_MONTH, CASH, CARD, WALLET, PAYMENT_PROVIDER = range(6)
PAID_AT_ONCE = frozenset({CASH, CARD, WALLET, PAYMENT_PROVIDER})


def due_date(*, invoiced: date, kind: int | None, days: int | None) -> date | None:
    """Return the due date, or None when the kind is unknown or the number of days is missing or unreasonable.

    `days` counts from the date of the invoice, or from the end of its month for CURRENT_MONTH.
    """
    if kind in PAID_AT_ONCE:
        return invoiced
    if kind not in {NORMAL, CURRENT_MONTH} or days is None or not 0 <= days <= 3650:
        return None
    start = invoiced if kind == NORMAL else _end_of_month(invoiced)
    return start + timedelta(days=days)


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])

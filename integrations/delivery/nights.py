"""When an account has its night: what is fetched once a day is fetched then."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from accounts.models import Account

HOUR = 3  # of the night, by the account's clock


def last_night(*, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the latest moment at which it was three in the morning there."""
    here = now.astimezone(zone)
    night = here.replace(hour=HOUR, minute=0, second=0, microsecond=0, fold=0)
    return night if night <= here else night - timedelta(days=1)


def not_since_last_night(column: str, *, now: datetime) -> Q:
    """Tell which rows of accounts have a moment in this column that lies before their last night."""
    found = Q(pk__in=[])
    for zone in Account.objects.order_by("time_zone").values_list("time_zone", flat=True).distinct():
        night = last_night(now=now, zone=ZoneInfo(zone))
        found |= Q(account__time_zone=zone, **{f"{column}__lt": night})
    return found

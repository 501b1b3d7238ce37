"""When something was, in words."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext

JUST_NOW = 60  # seconds


def ago(at: datetime) -> str:
    """How long ago, in words."""
    now = timezone.now()
    if (now - at).total_seconds() < JUST_NOW:
        return gettext("just now")
    return gettext("%(time)s ago") % {"time": timesince(at, now, depth=1)}


def moment(at: datetime) -> str:
    """The time of day, with the day unless it is today's."""
    here = timezone.localtime(at)
    is_today = here.date() == timezone.localdate()
    return date_format(here, "TIME_FORMAT" if is_today else "SHORT_DATETIME_FORMAT")

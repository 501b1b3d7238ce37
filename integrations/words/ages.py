"""How long ago something was, in words."""

from datetime import datetime

from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext

JUST_NOW = 60  # seconds


def ago(at: datetime) -> str:
    """How long ago, in words."""
    now = timezone.now()
    if (now - at).total_seconds() < JUST_NOW:
        return gettext("just now")
    return gettext("%(time)s ago") % {"time": timesince(at, now, depth=1)}

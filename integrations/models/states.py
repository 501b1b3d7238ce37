"""The kinds and states of a push, and why it waits."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    CREATE = "create", _("Add as customer")
    UPDATE = "update", _("Update the information")


class PushState(models.TextChoices):
    """WAITING → SENDING → DONE, or UNKNOWN (bytes left, no readable answer), FAILED, CANCELLED."""

    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Sending")
    UNKNOWN = "unknown", _("Checking")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


OPEN = (PushState.WAITING, PushState.SENDING, PushState.UNKNOWN)


class WaitReason(models.TextChoices):
    """Why an open push does not move now. The last three end only when a person does something."""

    RETRY = "retry", _("Visma eAccounting could not be reached")
    BUDGET = "budget", _("Too many calls at the moment")
    SETTLING = "settling", _("The answer was lost")
    TWIN = "twin", _("An identical customer is being created")
    DECISION = "decision", _("A person has to decide")
    CONNECTION = "connection", _("The connection does not work")
    TERMS = "terms", _("Terms of payment have to be chosen")

"""A code and its parameters → full sentences: what happened, what to do next, who can do it. One table.

Stored are codes; the sentences are made when they are shown, in the reader's language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_countries import countries

from companies import formats
from integrations.access.tokens import NotConnected
from integrations.delivery import live_reads
from integrations.domain.mapping import BY_PROPERTY
from integrations.domain.postal_defaults import CITY
from integrations.eaccounting.errors import EAccountingError, GrantDoubted
from integrations.messages.terms_of_payment import changed, gone
from integrations.models import EventKind, Kind

WHAT: dict[str, str | Promise] = {
    # Why a wish was not taken or not sent.
    "not_connected": _("Your account is not connected to Visma eAccounting. An admin can connect it in the settings."),
    "disconnected": _("Your account is not connected to Visma eAccounting. An admin can connect it in the settings."),
    "needs_reconnect": _("Visma eAccounting no longer accepts the connection. An admin can reconnect in the settings."),
    "connection_revoked": _(
        "Visma eAccounting no longer accepts the connection. An admin can reconnect in the settings."
    ),
    "superseded": _("The connection was changed meanwhile. This is sent again by itself."),
    "already_linked": _("This company is already a customer in Visma eAccounting. Reload the page to see it."),
    "not_linked": _("This company is not linked to a customer in Visma eAccounting. Add it, or link an existing one."),
    "already_under_way": _("This is already being sent. Wait until it is done."),
    "terms_not_chosen": _("Terms of payment for new customers have not been chosen. An admin can choose them."),
    "terms_not_allowed": _("These terms of payment cannot be chosen for new customers any more. Choose others."),
    "connection_replaced": _(
        "Meanwhile another company in Visma eAccounting was connected, so nothing was done. Look for the customer in "
        "that one."
    ),
    "unlinked_meanwhile": _("Meanwhile the company was unlinked. Nothing was done. Look at it again."),
    "archived": _("This company is archived. Restore it first."),
    "not_undoable": _(
        "The company was unlinked, or linked anew, after this update. What was there before can only be put back in "
        "Visma eAccounting itself."
    ),
    "nothing_to_decide": _("Nothing was done: this was decided, cancelled or finished meanwhile."),
    "nothing_confirmed": _(
        "Nobody has confirmed yet what this was to send, so it cannot be repeated. Open the sheet, look at "
        "the values and send them."
    ),
    "nothing_to_ask": _("There is nothing to ask an admin for any more: you can go on by yourself."),
    "asked_long_ago": _(
        "This was asked for more than seven days ago and waited for an admin. It can be sent now. Is it still wanted?"
    ),
    "requester_may_not": _("The person who asked for this may no longer do it. Ask somebody else to send it again."),
    "contact_gone": _("The chosen contact person is no longer there. Choose another."),
    "contact_taken_away": _(
        "Somebody took the contact person away after you opened this. Nothing was added or sent now. Look at it again."
    ),
    "crashed": _(
        "Sending stopped three times before it was done. Nothing is lost. Try "
        "again, and tell support if it stops again."
    ),
    "gave_up": _("Visma eAccounting could not be reached for seven days. Nothing was sent. Try again."),
    "tokens_unreadable": _(
        "Lime Go cannot read its access to Visma eAccounting. Nothing is lost. The operator of Lime Go can restore "
        "the key, or an admin can reconnect in the settings."
    ),
    "request_invalid": _(
        "Lime Go could not write this as a message to Visma eAccounting. Nothing was sent. Tell support about it."
    ),
    # What eAccounting answered.
    "customer_deleted": _("The customer was deleted in Visma eAccounting. Link another customer, or unlink this one."),
    "customer_inactive": _(
        "The customer is inactive in Visma eAccounting. Make it active there, or link another customer."
    ),
    "customer_without_terms": _(
        "The customer has no terms of payment in Visma eAccounting. Choose terms of payment there, then update again."
    ),
    "customer_refers_to_missing": _(
        "Visma eAccounting does not find something that the customer refers to there, most likely its terms of "
        "payment. Choose terms of payment for it there, then try again."
    ),
    "validation": _("Visma eAccounting refused a value. Correct it and send again."),
    "conflict": _("Visma eAccounting already has a customer with this number. Try again."),
    "control_digit": _("Visma eAccounting says that a number has a wrong check digit. Correct it and send again."),
    "vat_number": _(
        "Visma eAccounting does not accept the customer's VAT number, which is kept "
        "there. Correct it there, then try again."
    ),
    "external_check": _("A check outside Visma eAccounting is not available just now. This is sent again by itself."),
    "force_bookkeep_vat": _(
        "Visma eAccounting refused the customer's VAT settings, which are kept "
        "there. Correct them there, then try again."
    ),
    "not_found": _("Visma eAccounting does not find the customer. Link another customer, or unlink this one."),
    "cannot_be_deleted": _("Visma eAccounting does not delete the customer, because it is in use there."),
    "cannot_be_saved": _("Visma eAccounting refused to save the customer. Its own words stand below."),
    "refused": _("Visma eAccounting refused this. Its own words stand below."),
    # Why there was no answer.
    "unreachable": _("Visma eAccounting cannot be reached. This is sent again by itself."),
    "sent_too_late": _("Lime Go was too busy to send this in time, so nothing was sent. This is sent again by itself."),
    "server_error": _("Visma eAccounting has a fault just now. This is sent again by itself."),
    "intercepted": _(
        "Something between Lime Go and Visma eAccounting refused the call. This is sent again by itself. If it goes "
        "on, the operator of Lime Go can look into it."
    ),
    "rate_limited": _("Visma eAccounting asked us to call less often for a moment. This is sent again by itself."),
    "budget": _("Many calls are waiting for Visma eAccounting. This is sent by itself as soon as it is its turn."),
    "budget_unknown": _("A part of Lime Go is not available just now. This is sent by itself as soon as it is back."),
    "customers_unread": _(
        "Lime Go is still reading the customers of this company in Visma eAccounting, so that nobody is added twice. "
        "This is sent by itself as soon as it has."
    ),
    "refresh_under_way": _("The connection is being renewed at this moment. This is sent again by itself."),
    "grant_doubted": _(
        "Visma eAccounting did not renew the connection when it was asked. It is asked once more in a moment, and then "
        "this is sent by itself. If it refuses again, an admin has to reconnect."
    ),
    "client_misconfigured": _(
        "Visma eAccounting does not accept Lime Go itself. The operator of Lime Go has been told; nothing is lost."
    ),
    "unexpected_answer": _("Visma eAccounting answered something that cannot be read. This is sent again by itself."),
    "too_busy": _("Visma eAccounting is slow just now. Try again in a moment."),
    # Connecting.
    "connect_superseded": _(
        "Somebody else changed the connection meanwhile. Nothing was done: look at it below, and do it again if it is "
        "still right."
    ),
    "connected_elsewhere": _(
        "This eAccounting company is already connected to another Lime Go account. Disconnect it there first."
    ),
    "not_kept": _(
        "A part of Lime Go was away for a moment, so nothing was connected, and the access was given back. Connect "
        "again."
    ),
    "unidentified": _(
        "Visma eAccounting does not say which company this is, so it was not connected. Contact support."
    ),
    "consent_denied": _("You chose not to give access. Nothing was changed. Connect again when you want to."),
    "state_mismatch": _("This answer from Visma does not belong to a connection you began here. Connect again."),
    "missing_code": _("Visma's answer was incomplete. Nothing was changed. Connect again."),
    "issuer_mismatch": _("The answer did not come from Visma's own login. Nothing was changed. Connect again."),
    "authorization_refused": _(
        "Visma did not start the connection. Nothing was changed. Tell the operator of Lime Go."
    ),
    "lock_taken": _("The connection is being renewed at this moment. Try again in half a minute."),
    # Why a whole connection is refused.
    "module": _(
        "The integration is not activated in Visma eAccounting. "
        "An administrator there can activate it under Settings, Apps and extensions."
    ),
    "startup_guide": _(
        "The start-up guide in Visma eAccounting is not completed. Somebody with full rights can finish it."
    ),
    "company_inactive": _("The company is not active in Visma eAccounting. Its owner can activate it with Visma."),
    "company_read_only": _("The company can only be read in Visma eAccounting. Its owner can renew the subscription."),
    "scope": _("A right was not granted when connecting. An admin can reconnect and grant all of them."),
    "permission": _(
        "The connected user lacks a permission in Visma eAccounting. Reconnect as a user with full rights."
    ),
    "product_variant": _(
        "This variant of Visma eAccounting has no customers. The company's owner can change the variant with Visma."
    ),
    "user": _("The connected user no longer has access to the company. Reconnect as a user with full rights."),
    "licence": _("The licence agreement is not accepted. Log in to Visma eAccounting and accept it."),
    "read_only_user": _("The connected user may only read in Visma eAccounting. Reconnect as a user with full rights."),
    "sandbox_client": _(
        "Lime Go is set up for Visma's test companies, and this is a live one. The "
        "operator of Lime Go has to change that."
    ),
    "unknown": _("Visma eAccounting refuses access without saying why. Reconnect as a user with full rights."),
}
RIGHTS: dict[str, str | Promise] = {
    "ea:api": _("Use the interface for other programs"),
    "ea:sales": _("Read and change customers"),
    "offline_access": _("Stay connected until somebody disconnects"),
}
SAME_AS = {
    "answer_unreadable": "unexpected_answer",
    "field_missing": "unexpected_answer",
    "redirected": "unexpected_answer",
    "list_changed_while_reading": "unexpected_answer",
    "query": "unexpected_answer",
    "answer_too_long": "unexpected_answer",
    "too_slow": "unreachable",
    "no_answer": "unreachable",
    "deadline_before_sending": "sent_too_late",
    "unauthorized": "needs_reconnect",
    "not_open": "superseded",
}


def sentence(code: str, parameters: Mapping[str, Any] | None = None) -> str:
    """Return the sentence for a code; an unknown code gets a sentence that claims nothing."""
    parameters = parameters or {}
    special = _WITH_PARAMETERS.get(code)
    if special:
        return special(parameters)
    code = code.removeprefix("forbidden_")
    known = WHAT.get(SAME_AS.get(code, code))
    return (
        str(known)
        if known
        else gettext("This did not work. Nothing is lost. Try again, and tell support if it happens again.")
    )


def rights_words(scope: str) -> list[str]:
    """Return in words what was granted; a scope without words of ours is shown as it is."""
    return [str(RIGHTS.get(right, right)) for right in scope.split()]


def _linked_elsewhere(parameters: Mapping[str, Any]) -> str:
    if parameters.get("name"):
        return gettext("That customer is already linked to %(name)s. Unlink it there first.") % parameters
    return gettext("That customer was linked to another company meanwhile. Look at both companies.")


def _linked_meanwhile(parameters: Mapping[str, Any]) -> str:
    told = {**parameters, "at": moment(parameters["at"])}
    if told["by"]:
        return gettext("Meanwhile the company was linked to %(customer)s by %(by)s at %(at)s. Nothing was done.") % told
    return gettext("Meanwhile the company was linked to %(customer)s at %(at)s. Nothing was done.") % told


def _contact_chosen(parameters: Mapping[str, Any]) -> str:
    words = gettext(
        "Somebody made %(name)s the contact person after you opened this. Nothing was added or sent now. Look at it "
        "again."
    )
    return words % parameters


def _values(parameters: Mapping[str, Any]) -> str:
    told = " ".join(problem.words for problem in value_problems(parameters))
    return gettext("Nothing was sent. %(problems)s") % {"problems": told}


def _under_way(parameters: Mapping[str, Any]) -> str:
    """Who is at it, or which company has to come back before anything else can be sent."""
    if parameters.get("left"):
        return (
            gettext(
                "This company was being sent to %(left)s, and what became of that is not known yet. It is looked up "
                "when an admin connects %(left)s again; until then nothing else is sent for this company."
            )
            % parameters
        )
    if parameters.get("kind") == Kind.CREATE:
        return gettext("This company is already being added by %(by)s. Wait until it is done.") % parameters
    if parameters.get("by"):
        return gettext("This is already being sent, asked for by %(by)s. Wait until it is done.") % parameters
    return str(WHAT["already_under_way"])


def _changed_there(parameters: Mapping[str, Any]) -> str:
    fields = ", ".join(str(BY_PROPERTY[name].label) for name in parameters.get("fields", []) if name in BY_PROPERTY)
    if parameters.get("was_sent"):
        words = gettext(
            "This was sent and the answer was lost; now it stands otherwise in Visma eAccounting: %(fields)s. Look at "
            "the differences again and decide."
        )
        return words % {"fields": fields}
    words = gettext(
        "Somebody changed this in Visma eAccounting after you looked: %(fields)s. Nothing was sent. Look at the "
        "differences again and decide."
    )
    return words % {"fields": fields}


def _other_company_answered(parameters: Mapping[str, Any]) -> str:
    """Which company answered, what is at stake in the connected one, and how to start over all the same."""
    told = {**parameters, "answered": parameters["answered"] or gettext("another company in Visma eAccounting")}
    sentences = [
        gettext("You chose %(answered)s, but this account works with %(connected)s. Nothing was changed.") % told
    ]
    if told["links"]:
        words = ngettext(
            "%(links)d link belongs to %(connected)s.", "%(links)d links belong to %(connected)s.", told["links"]
        )
        sentences.append(words % told)
    words = gettext(
        "To stay with %(connected)s, choose it when you reconnect. To start over with %(answered)s, disconnect first, "
        "then connect: links are kept and work again when their company is connected."
    )
    return " ".join([*sentences, words % told])


_WITH_PARAMETERS = {
    "changed_there": _changed_there,
    "linked_elsewhere": _linked_elsewhere,
    "linked_meanwhile": _linked_meanwhile,
    "contact_chosen": _contact_chosen,
    "values": _values,
    "already_under_way": _under_way,
    "other_company_answered": _other_company_answered,
    "terms_gone": gone,
    "terms_changed": changed,
}


@dataclass(frozen=True)
class ValueProblem:
    """A value that stops a push: a sentence, and the field of the edit form where it is mended."""

    words: str
    field: str  # of the company form; blank: none of its own
    is_of_person: bool = False  # it is the contact person's


def value_problem(remote: str, kind: str, length: int) -> ValueProblem:
    """Say what is missing or too long."""
    field = BY_PROPERTY[remote]
    if kind == "missing":
        words = gettext("%(field)s is missing.") % {"field": field.label}
    else:
        words = gettext("%(field)s has %(length)d characters; Visma eAccounting takes at most %(limit)d.") % {
            "field": field.label,
            "length": length,
            "limit": field.limit,
        }
    return ValueProblem(words, field.here, is_of_person=not field.here)


def value_problems(parameters: Mapping[str, Any]) -> list[ValueProblem]:
    """Return what stops a push, from the parameters of a refusal."""
    return [value_problem(remote, kind, length) for remote, kind, length in parameters.get("problems", [])]


def refused_fields(parameters: Mapping[str, Any]) -> list[ValueProblem]:
    """Return the fields that eAccounting refused, with its own words quoted."""
    found = []
    for problem in parameters.get("problems", []):
        if not isinstance(problem, dict):
            continue
        field = BY_PROPERTY.get(problem.get("field", ""))
        label = field.label if field else problem.get("field", "")
        words = f"{label}: {problem.get('message', '')}"
        here = field.here if field else ""
        found.append(ValueProblem(words, here, is_of_person=bool(field) and not here))
    return found


def event_words(kind: EventKind, parameters: Mapping[str, Any]) -> str:
    """Return what the timeline says about an event: its kind, and the particulars that a person needs."""
    said = str(kind.label)
    if kind == EventKind.FAILED:
        return sentence(parameters.get("code", ""), {"name": "", **parameters})
    if kind == EventKind.TERMS_LOST:
        return sentence(parameters.get("code", ""), parameters)
    if kind == EventKind.BLOCKED:
        return sentence(parameters.get("reason", ""))
    if kind == EventKind.CONTACT_CHOSEN and not parameters.get("name"):
        return gettext("chose to have no contact person in Visma eAccounting")
    english = parameters.get("name_english") if (get_language() or "en").startswith("en") else ""
    named = english or parameters.get("name") or parameters.get("number")
    fields = ", ".join(str(field.label) for name, field in BY_PROPERTY.items() if name in parameters.get("fields", []))
    particulars = [str(part) for part in (named, fields) if part]
    return f"{said} ({'; '.join(particulars)})" if particulars else said


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


def postal_default_words(remote: str, suggested: str, *, country: str) -> str:
    """Say why something has to stand in the postal code or the city, and how long it is remembered."""
    if remote == CITY:
        words = gettext(
            "Addresses in %(country)s name no city, but Visma eAccounting requires one. Change this as you like; it is "
            "remembered until a city stands in Lime Go."
        )
    elif formats.has_postal_codes(country):
        words = gettext(
            "Visma eAccounting requires a postal code, and Lime Go has none. Write the right one if you know it; "
            "%(suggested)s stands for one that is not known. It is remembered until a postal code stands in Lime Go."
        )
    else:
        words = gettext(
            "There are no postal codes in %(country)s, but Visma eAccounting requires one. Change this as you like; it "
            "is remembered until a postal code stands in Lime Go."
        )
    return words % {"country": countries.name(country), "suggested": suggested}


NoAnswer = live_reads.TooBusy | NotConnected | EAccountingError
NO_ANSWER = (live_reads.TooBusy, NotConnected, EAccountingError)


def why(error: NoAnswer) -> str:
    """Return the reason as a sentence; nothing repeats such a read by itself."""
    if isinstance(error, GrantDoubted):
        return gettext(
            "Visma eAccounting did not renew the connection when it was asked. It is asked once more in half a minute: "
            "try again then."
        )
    if isinstance(error, EAccountingError) and error.retryable:
        return gettext("Visma eAccounting does not answer just now. Try again in a moment.")
    return sentence(error.code)

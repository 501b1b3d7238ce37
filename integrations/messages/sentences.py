"""Full sentences for codes and their parameters: what happened, what to do next, who can do it. One table.

Only codes are stored; the sentences are made when they are shown, in the reader's language.
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
from integrations.delivery import calls
from integrations.domain.duplicates import PossibleDuplicate, Reason
from integrations.domain.mapping import BY_PROPERTY, CITY
from integrations.eaccounting.errors import EAccountingError, GrantDoubted
from integrations.exceptions import NotConnected
from integrations.messages.terms_of_payment import changed, gone
from integrations.models import EventKind, Kind

REASONS = {
    Reason.SAME_NUMBER: _("same registration number"),
    Reason.SAME_NAME: _("same name"),
    Reason.SIMILAR_NAME: _("similar name"),
    Reason.SAME_EMAIL_DOMAIN: _("same e-mail domain"),
    Reason.SAME_CITY: _("same city"),
}
WHAT: dict[str, str | Promise] = {
    # Why a request was refused or not sent.
    "not_connected": _("Your account is not connected to Visma eAccounting. An admin can connect it in the settings."),
    "disconnected": _("Your account is not connected to Visma eAccounting. An admin can connect it in the settings."),
    "needs_reconnect": _("Visma eAccounting no longer accepts the connection. An admin can reconnect in the settings."),
    "connection_revoked": _(
        "Visma eAccounting no longer accepts the connection. An admin can reconnect in the settings."
    ),
    "superseded": _("The connection was changed meanwhile. This is sent again automatically."),
    "already_linked": _("This company is already a customer in Visma eAccounting. Reload the page to see it."),
    "not_linked": _("This company is not linked to a customer in Visma eAccounting. Add it, or link an existing one."),
    "already_under_way": _("This is already being sent. Wait until it is done."),
    "terms_not_chosen": _("Terms of payment for new customers have not been chosen. An admin can choose them."),
    "terms_not_allowed": _("These terms of payment can no longer be chosen for new customers. Choose others."),
    "connection_replaced": _(
        "Meanwhile another company in Visma eAccounting was connected, so nothing was done. Look for the customer in "
        "that company."
    ),
    "unlinked_meanwhile": _("Meanwhile the company was unlinked. Nothing was done. Check it again."),
    "archived": _("This company is archived. Restore it first."),
    "not_undoable": _(
        "The company was unlinked, or linked again, after this update. The previous values can only be put back in "
        "Visma eAccounting itself."
    ),
    "nothing_to_decide": _("Nothing was done: this was decided, cancelled or finished meanwhile."),
    "nothing_confirmed": _(
        "Nobody has confirmed the values, so this cannot be sent again as it is. Open it again, check the values and "
        "send them."
    ),
    "nothing_to_ask": _("You no longer need to ask an admin: you can go on yourself."),
    "asked_long_ago": _(
        "This was requested more than seven days ago and had to wait for an admin. It can be sent now. "
        "Do you still want to send it?"
    ),
    "requester_may_not": _(
        "The person who requested this is no longer allowed to do it. Ask somebody else to send it again."
    ),
    "contact_gone": _("The chosen contact person no longer exists. Choose somebody else."),
    "contact_taken_away": _(
        "Somebody removed the contact person after you opened this. Nothing was added or sent. Check it again."
    ),
    "crashed": _(
        "Sending stopped three times before it was done. Nothing is lost. Try again, and contact support if it stops "
        "again."
    ),
    "gave_up": _("Visma eAccounting could not be reached for seven days. Nothing was sent. Try again."),
    "tokens_unreadable": _(
        "Lime Go cannot read its access to Visma eAccounting. Nothing is lost. The operator of Lime Go can restore "
        "the key, or an admin can reconnect in the settings."
    ),
    "request_invalid": _(
        "Lime Go could not put these values into a message to Visma eAccounting. Nothing was sent. Contact support."
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
        "Something that the customer refers to no longer exists in Visma eAccounting, most likely its terms of "
        "payment. Choose terms of payment for it there, then try again."
    ),
    "validation": _("Visma eAccounting did not accept a value. Correct it and send again."),
    "conflict": _("Visma eAccounting already has a customer with this number. Try again."),
    "control_digit": _("Visma eAccounting says that a number has a wrong check digit. Correct it and send again."),
    "vat_number": _(
        "Visma eAccounting does not accept the customer's VAT number, which is kept "
        "there. Correct it there, then try again."
    ),
    "external_check": _(
        "A service that Visma eAccounting checks values with is not available right now. "
        "This is sent again automatically."
    ),
    "force_bookkeep_vat": _(
        "Visma eAccounting does not accept the customer's VAT settings, which are kept there. Correct them there, "
        "then try again."
    ),
    "not_found": _("The customer was not found in Visma eAccounting. Link another customer, or unlink this one."),
    "cannot_be_deleted": _("Visma eAccounting does not delete the customer, because it is in use there."),
    "cannot_be_saved": _("Visma eAccounting did not save the customer. Its own message is shown below."),
    "refused": _("Visma eAccounting did not accept this. Its own message is shown below."),
    # Why there was no answer.
    "unreachable": _("Visma eAccounting cannot be reached. This is sent again automatically."),
    "sent_too_late": _(
        "Lime Go was too busy to send this in time, so nothing was sent. This is sent again automatically."
    ),
    "server_error": _("Visma eAccounting has a technical problem right now. This is sent again automatically."),
    "intercepted": _(
        "Something between Lime Go and Visma eAccounting blocked the call. This is sent again automatically. If it "
        "keeps happening, the operator of Lime Go can look into it."
    ),
    "rate_limited": _(
        "Visma eAccounting asked Lime Go to call less often for a moment. This is sent again automatically."
    ),
    "budget": _("Many calls to Visma eAccounting are waiting. This is sent automatically when its turn comes."),
    "budget_unknown": _(
        "Part of Lime Go is not available right now. This is sent automatically as soon as it is back."
    ),
    "customers_unread": _(
        "Lime Go is still reading your customers from Visma eAccounting, so that no customer is added twice. This is "
        "sent automatically when that is done."
    ),
    "refresh_under_way": _("The connection is being renewed right now. This is sent again automatically."),
    "grant_doubted": _(
        "Visma eAccounting did not renew the connection. Lime Go asks once more in a moment, and then this is sent "
        "automatically. If the answer is no again, an admin has to reconnect."
    ),
    "client_misconfigured": _(
        "Visma eAccounting does not accept Lime Go itself. The operator of Lime Go has been told; nothing is lost."
    ),
    "unexpected_answer": _(
        "Visma eAccounting sent an answer that Lime Go does not understand. This is sent again automatically."
    ),
    "too_busy": _("Visma eAccounting is slow right now. Try again in a moment."),
    # Connecting.
    "connect_superseded": _(
        "Somebody else changed the connection meanwhile. Nothing was done. Check the connection below, and try again "
        "if you still want to."
    ),
    "connected_elsewhere": _(
        "This company in Visma eAccounting is already connected to another Lime Go account. Disconnect it there first."
    ),
    "not_kept": _(
        "Part of Lime Go was not available for a moment, so nothing was connected and the access was given up. "
        "Connect again."
    ),
    "unidentified": _(
        "Visma eAccounting does not say which company this is, so it was not connected. Contact support."
    ),
    "consent_denied": _("You chose not to give access. Nothing was changed. Connect again when you want to."),
    "state_mismatch": _("This answer from Visma does not belong to a connection you began here. Connect again."),
    "missing_code": _("Visma's answer was incomplete. Nothing was changed. Connect again."),
    "issuer_mismatch": _("The answer did not come from Visma's own login. Nothing was changed. Connect again."),
    "authorization_refused": _(
        "Visma did not start the connection. Nothing was changed. Contact the operator of Lime Go."
    ),
    "lock_taken": _("The connection is being renewed right now. Try again in half a minute."),
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
    "unknown": _("Visma eAccounting denies access without saying why. Reconnect as a user with full rights."),
}
RIGHTS: dict[str, str | Promise] = {
    "ea:api": _("Use the API"),
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
        else gettext("This did not work. Nothing is lost. Try again, and contact support if it happens again.")
    )


def rights_words(scope: str) -> list[str]:
    """Return the granted rights in words; a scope that we have no words for is shown as it is."""
    return [str(RIGHTS.get(right, right)) for right in scope.split()]


def _linked_elsewhere(parameters: Mapping[str, Any]) -> str:
    if parameters.get("name"):
        return gettext("That customer is already linked to %(name)s. Unlink it from %(name)s first.") % parameters
    return gettext("That customer was linked to another company meanwhile. Check both companies.")


def _linked_meanwhile(parameters: Mapping[str, Any]) -> str:
    told = {**parameters, "at": moment(parameters["at"])}
    if told["by"]:
        return gettext("Meanwhile the company was linked to %(customer)s by %(by)s at %(at)s. Nothing was done.") % told
    return gettext("Meanwhile the company was linked to %(customer)s at %(at)s. Nothing was done.") % told


def _contact_chosen(parameters: Mapping[str, Any]) -> str:
    words = gettext(
        "Somebody made %(name)s the contact person after you opened this. Nothing was added or sent. Check it again."
    )
    return words % parameters


def _values(parameters: Mapping[str, Any]) -> str:
    told = " ".join(problem.words for problem in value_problems(parameters))
    return gettext("Nothing was sent. %(problems)s") % {"problems": told}


def _under_way(parameters: Mapping[str, Any]) -> str:
    """Return who has a push under way, or which company has to be connected again before anything else is sent."""
    if parameters.get("left"):
        return (
            gettext(
                "This company was being sent to %(left)s, and it is not known yet whether that succeeded. Lime Go "
                "checks when an admin connects %(left)s again. Until then nothing else is sent for this company."
            )
            % parameters
        )
    if parameters.get("kind") == Kind.CREATE:
        return gettext("This company is already being added by %(by)s. Wait until it is done.") % parameters
    if parameters.get("by"):
        return gettext("This is already being sent, requested by %(by)s. Wait until it is done.") % parameters
    return str(WHAT["already_under_way"])


def _changed_there(parameters: Mapping[str, Any]) -> str:
    fields = ", ".join(str(BY_PROPERTY[name].label) for name in parameters.get("fields", []) if name in BY_PROPERTY)
    if parameters.get("was_sent"):
        words = gettext(
            "This was sent and the answer was lost. Visma eAccounting now has other values: %(fields)s. Review the "
            "differences again and decide."
        )
        return words % {"fields": fields}
    words = gettext(
        "Somebody changed this in Visma eAccounting after you opened it: %(fields)s. Nothing was sent. Review the "
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
    """A value that stops a push: a sentence, and the field of the edit form that corrects it."""

    words: str
    field: str  # field of the company form; blank: none
    is_of_person: bool = False  # the value is the contact person's


def value_problem(remote: str, kind: str, length: int) -> ValueProblem:
    """Return the sentence for a value that is missing or too long."""
    field = BY_PROPERTY[remote]
    if kind == "missing":
        words = gettext("%(field)s is missing.") % {"field": field.label}
    else:
        words = gettext("%(field)s has %(length)d characters; Visma eAccounting allows at most %(limit)d.") % {
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
    """Return the timeline's words for an event: its kind, and the details that a person needs."""
    said = str(kind.label)
    if kind == EventKind.FAILED:
        return sentence(parameters.get("code", ""), {"name": "", **parameters})
    if kind == EventKind.TERMS_LOST:
        return sentence(parameters.get("code", ""), parameters)
    if kind == EventKind.BLOCKED:
        return sentence(parameters.get("reason", ""))
    if kind == EventKind.CONTACT_CHOSEN and not parameters.get("name"):
        return gettext("removed the contact person in Visma eAccounting")
    english = parameters.get("name_english") if (get_language() or "en").startswith("en") else ""
    named = english or parameters.get("name") or parameters.get("number")
    fields = ", ".join(str(field.label) for name, field in BY_PROPERTY.items() if name in parameters.get("fields", []))
    particulars = [str(part) for part in (named, fields) if part]
    return f"{said} ({'; '.join(particulars)})" if particulars else said


JUST_NOW = 60  # seconds


def ago(at: datetime) -> str:
    """Return in words how long ago a moment was."""
    now = timezone.now()
    if (now - at).total_seconds() < JUST_NOW:
        return gettext("just now")
    return gettext("%(time)s ago") % {"time": timesince(at, now, depth=1)}


def moment(at: datetime) -> str:
    """Return the time of day, with the date unless it is today."""
    here = timezone.localtime(at)
    is_today = here.date() == timezone.localdate()
    return date_format(here, "TIME_FORMAT" if is_today else "SHORT_DATETIME_FORMAT")


def postal_default_words(remote: str, suggested: str, *, country: str) -> str:
    """Return why the postal code or the city needs a value, and how long it is remembered."""
    if remote == CITY:
        words = gettext(
            "Addresses in %(country)s have no city, but Visma eAccounting requires one. Change this as you like. It "
            "is remembered until a city is entered in Lime Go."
        )
    elif formats.has_postal_codes(country):
        words = gettext(
            "Visma eAccounting requires a postal code, and Lime Go has none. Enter the right one if you know it; "
            "%(suggested)s means unknown. It is remembered until a postal code is entered in Lime Go."
        )
    else:
        words = gettext(
            "There are no postal codes in %(country)s, but Visma eAccounting requires one. Change this as you like. "
            "It is remembered until a postal code is entered in Lime Go."
        )
    return words % {"country": countries.name(country), "suggested": suggested}


NoAnswer = calls.TooBusy | NotConnected | EAccountingError
NO_ANSWER = (calls.TooBusy, NotConnected, EAccountingError)


def why(error: NoAnswer) -> str:
    """Return the reason as a sentence that promises no automatic retry."""
    if isinstance(error, GrantDoubted):
        return gettext(
            "Visma eAccounting did not renew the connection. Lime Go asks once more in half a minute. Try again then."
        )
    if isinstance(error, EAccountingError) and error.retryable:
        return gettext("Visma eAccounting is not answering right now. Try again in a moment.")
    return sentence(error.code)


def why_words(possible: PossibleDuplicate) -> str:
    """Return in one line why a customer may be the company, e.g. "Same registration number, similar name"."""
    words = ", ".join(str(REASONS[reason]) for reason in possible.reasons)
    return words[:1].upper() + words[1:]


def why_not_linkable(possible: PossibleDuplicate) -> str:
    """Return why a customer cannot be linked to the company; blank if it can."""
    if possible.elsewhere:
        return sentence("linked_elsewhere", {"name": possible.elsewhere.name})
    return gettext("This company is already linked to that customer.") if possible.is_linked else ""

"""What the buttons on a company mean: check, record the wish in one transaction, poke a worker."""

from integrations.refusing import (
    AlreadyLinked,
    AlreadyUnderWay,
    Archived,
    CannotSendValues,
    ContactGone,
    LinkedElsewhere,
    NotConnected,
    NothingConfirmed,
    NothingToDecide,
    NotLinked,
    NotUndoable,
    Refusal,
    TermsNotAllowed,
    TermsNotConfirmed,
)
from integrations.services.adding import check_create, request_create
from integrations.services.checking import look_there
from integrations.services.decisions import cancel, create_anyway, link_instead, look_again
from integrations.services.linking import link, linked_meanwhile, undecided, unlink, why_not_link, why_not_unlink
from integrations.services.looking import current_connection, link_of, links_of
from integrations.services.undoing import put_back
from integrations.services.wishes import choose_contact, settle_differences, try_again

__all__ = [
    "AlreadyLinked",
    "AlreadyUnderWay",
    "Archived",
    "CannotSendValues",
    "ContactGone",
    "LinkedElsewhere",
    "NotConnected",
    "NotLinked",
    "NotUndoable",
    "NothingConfirmed",
    "NothingToDecide",
    "Refusal",
    "TermsNotAllowed",
    "TermsNotConfirmed",
    "cancel",
    "check_create",
    "choose_contact",
    "create_anyway",
    "current_connection",
    "link",
    "link_instead",
    "link_of",
    "linked_meanwhile",
    "links_of",
    "look_again",
    "look_there",
    "put_back",
    "request_create",
    "settle_differences",
    "try_again",
    "undecided",
    "unlink",
    "why_not_link",
    "why_not_unlink",
]

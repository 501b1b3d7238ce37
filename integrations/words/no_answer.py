"""Why a read that a person waited for gave no answer."""

from django.utils.translation import gettext

from integrations.delivery import live
from integrations.eaccounting.errors import EAccountingError, GrantDoubted
from integrations.tokens import NotConnected
from integrations.words.sentences import sentence

NoAnswer = live.TooBusy | NotConnected | EAccountingError
NO_ANSWER = (live.TooBusy, NotConnected, EAccountingError)


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

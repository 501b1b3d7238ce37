"""The one eAccounting client of this process, made from the settings."""

from functools import cache

from django.conf import settings

from integrations.eaccounting.oauth import OAuthConfig
from integrations.eaccounting.transport import Http

USER_AGENT = f"LimeGo-Visma/0.1 (+{settings.BASE_URL})"
CALLBACK_PATH = "/integrations/visma-eaccounting/callback/"
POOL_SIZE = 16


@cache
def http() -> Http:
    """Return the pooled connections to the API, shared by all threads of this process."""
    return Http(
        base_url=settings.EACCOUNTING_API_URL,
        connect_timeout=settings.EACCOUNTING_CONNECT_SECONDS,
        user_agent=USER_AGENT,
        pool_size=POOL_SIZE,
    )


@cache
def oauth_config() -> OAuthConfig:
    """Return our OAuth client. The redirect URI has to be registered with Visma exactly as it is here."""
    return OAuthConfig(
        client_id=settings.EACCOUNTING_CLIENT_ID,
        client_secret=settings.EACCOUNTING_CLIENT_SECRET,
        identity_url=settings.EACCOUNTING_IDENTITY_URL,
        redirect_uri=f"{settings.BASE_URL}{CALLBACK_PATH}",
        user_agent=USER_AGENT,
        timeout=settings.EACCOUNTING_TOKEN_SECONDS,
    )

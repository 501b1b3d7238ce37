"""The sandbox and the connected account are those of the integration's tests."""

from tests.integrations.conftest import add_company, connection, ready, sandbox, server

__all__ = ["add_company", "connection", "ready", "sandbox", "server"]

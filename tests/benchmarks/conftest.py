"""The sandbox and the connected account are those of the integration's tests."""

from tests.integrations.conftest import add_company, clock, company, connection, ready, run, sandbox, server

__all__ = ["add_company", "clock", "company", "connection", "ready", "run", "sandbox", "server"]

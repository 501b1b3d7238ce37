"""How soon each side notices that the other has vanished: a host without power, a cut network link.

TCP alone waits for minutes or hours. Until then a lost host's row locks and token lock would block those that take
over its work, and the lost host, back again, would wait for answers that never come.
"""

from typing import Any

_IDLE, _SILENT, _ASK_EVERY, _ASK_TIMES, _UNANSWERED = 10, 10, 5, 3, 20  # seconds, and how many times
_KEEPALIVES = {"idle": _SILENT, "interval": _ASK_EVERY, "count": _ASK_TIMES}
# No transaction of ours waits for anything but the database, so an idle one has lost its owner.
_SERVER = {
    "idle_in_transaction_session_timeout": f"{_IDLE}s",
    "tcp_user_timeout": f"{_UNANSWERED}s",
    **{f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVES.items()},
}
DATABASE_OPTIONS: dict[str, Any] = {
    "connect_timeout": 3,
    "tcp_user_timeout": _UNANSWERED * 1000,  # milliseconds
    **{f"keepalives_{name}": value for name, value in _KEEPALIVES.items()},
    "options": " ".join(f"-c {name}={value}" for name, value in _SERVER.items()),
}
"""libpq's parameters: ours for this side, and in `options` what the server is asked to do on its side."""

BROKER_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": 3,
    "socket_timeout": _UNANSWERED,
    "socket_keepalive": True,
    # A worker waits for messages without a timeout of the socket; kombu drops that connection when the answer
    # is overdue by twice this.
    "health_check_interval": _ASK_EVERY,
}
"""kombu's transport options for Redis."""

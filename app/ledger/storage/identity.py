"""The id of a ledger: what tells one Redis with transactions from another."""

from __future__ import annotations

import secrets

from app.ledger.storage.connection import Connection

LEDGER = "gb:ledger"


class NoLedger(Exception):
    """There is no ledger where one was looked for: only a service makes one. The message says where, and what to do."""


class OtherLedger(Exception):
    """The ledger is not the running service's, or it is not clear which one is meant. The message says what to do."""


class Identity:
    """The id of the ledger in one Redis. A service gives it one; nobody else does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self) -> str | None:
        """Return the id; None where no service has worked yet. Raises LedgerUnavailable."""
        found = self._connection.call(lambda client: client.get(LEDGER))
        return str(found) if found else None

    def ensure(self) -> str:
        """Return the id, a new one where there was none. Raises LedgerUnavailable."""
        new = secrets.token_hex(6)
        found = self._connection.call(lambda client: client.set(LEDGER, new, nx=True, get=True))
        return str(found or new)

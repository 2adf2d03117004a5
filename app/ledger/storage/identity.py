"""The id of a ledger: what tells one Redis with transactions from another."""

from __future__ import annotations

import secrets

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection

LEDGER = "gb:ledger"

# Why no service may work on this ledger: a sentence for the person who starts one.
CLOSED = "gb:closed"


class NoLedger(Exception):
    """There is no ledger where one was looked for: only a service makes one. The message says where, and what to do."""


class OtherLedger(Exception):
    """The ledger is not the running service's, or it is not clear which one is meant. The message says what to do."""


class ClosedLedger(LedgerUnavailable):
    """No service may work on this ledger: it was moved, or is not all there. The message says what to do."""


class Identity:
    """The id of the ledger in one Redis. A service gives it one; nobody else does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self) -> str | None:
        """Return the id; None where no service has worked yet. Raises LedgerUnavailable."""
        found = self._connection.call(lambda client: client.get(LEDGER))
        return str(found) if found else None

    def closed(self) -> str | None:
        """Return why no service may work here; None where one may. Raises LedgerUnavailable."""
        why = self._connection.call(lambda client: client.get(CLOSED))
        return str(why) if why else None

    def check_open(self) -> None:
        """Raises ClosedLedger, LedgerUnavailable."""
        if why := self.closed():
            raise ClosedLedger(why)

    def close(self, why: str) -> None:
        """Let no service start on this ledger. Raises LedgerUnavailable."""
        self._connection.call(lambda client: client.set(CLOSED, why))

    def open(self) -> None:
        """Let services start on it again. Raises LedgerUnavailable."""
        self._connection.call(lambda client: client.delete(CLOSED))

    def become(self, ledger_id: str) -> None:
        """Give this Redis the id of a ledger that was copied into it; services may start. Raises LedgerUnavailable."""
        self._connection.call(lambda client: client.set(LEDGER, ledger_id))
        self.open()

    def ensure(self) -> str:
        """Return the id, a new one where there was none. Raises ClosedLedger, LedgerUnavailable."""
        self.check_open()
        new = secrets.token_hex(6)
        found = self._connection.call(lambda client: client.set(LEDGER, new, nx=True, get=True))
        return str(found or new)

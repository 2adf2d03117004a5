"""What a shopper was refused: searches by a code that found nothing to pay with, and payments that came to nothing.

Each is written once the answer is known: in one round trip, once a minute for what VTEX repeats, and only so many are
kept. Where Redis does not take it, nobody is told but the log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import structlog

from app.ledger import errors
from app.ledger.errors import LedgerError, LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.documents import Documents
from app.ledger.storage.intents import NewTransaction
from app.ledger.transaction import Operation
from mappers import base as mapper
from mappers import customers
from mappers.base import Card, CardStatus, MapperError, Query
from mappers.options import mask_code
from providers.provider import Provider

log = structlog.get_logger()

# Of searches and of payments each: who guesses codes does not push out what became of payments.
LOG_KEEPS = 1000

REPEATED_WITHIN_SECONDS = 60.0

# In the memory of one process; the oldest go first.
MOST_REMEMBERED = 1000


class What(StrEnum):
    SEARCH = "search"
    PAYMENT = "payment"


class Reason(StrEnum):
    """Why there was nothing to pay with. Where a card's status says it, that is the reason."""

    NO_CODE = "too short or too long for a code"
    NOT_FOUND = "no card has this code"
    TOO_MANY = "too many wrong codes in an hour"
    NOT_THEIRS = "the card was issued for somebody else"
    EMPTY = "nothing is left on it"
    RESERVED = "all of it is reserved for orders"
    TOO_LITTLE = "too little is left on it"
    NO_CARD = "there is no such card, or it is somebody else's"
    UNUSABLE = "the card cannot be used for this"
    CONFLICT = "the request came before with other contents"
    NO_ANSWER = "the backend did not answer, or had no time"
    UNKNOWN = "no clear answer: it may still go through, or be undone"
    MOVED = "the provider has another account or currency now"


# The first that fits an error. Where Redis is at fault, nothing can be written either.
REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (mapper.InsufficientFunds, Reason.TOO_LITTLE),
    (mapper.CardNotFound, Reason.NO_CARD),
    (mapper.CardUnusable, Reason.UNUSABLE),
    (mapper.Unsupported, Reason.UNUSABLE),
    (mapper.Conflict, Reason.CONFLICT),
    (errors.RequestConflict, Reason.CONFLICT),
    (mapper.BackendUnavailable, Reason.NO_ANSWER),
    (mapper.OutcomeUnknown, Reason.UNKNOWN),
    (errors.Unresolved, Reason.UNKNOWN),
    (errors.OtherBackend, Reason.MOVED),
)


class Refusals:
    """Writes down what was refused: no code but masked, and nothing of a customer. Methods raise nothing."""

    def __init__(self, documents: Documents, clock: Callable[[], float] = time.monotonic) -> None:
        self._documents = documents
        self._clock = clock
        self._lock = threading.Lock()
        self._written: dict[int, float] = {}

    def search(self, provider: Provider, query: Query, reason: Reason | CardStatus, card: Card | None = None) -> None:
        """A search by a code found nothing that can pay; `card` is what it found all the same."""
        # Whoever guesses is one line, whatever the codes are.
        guesser = query.address or tuple(customers.names(query.customer))
        subject = guesser if reason is Reason.TOO_MANY else (query.code, query.pin)
        found = {"card": card.id} if card is not None and card.status is not CardStatus.ID_TELLS_CODE else {}
        line = {"reason": reason, "code": mask_code(query.code) if query.code else None, **found}
        self._write(provider.id, What.SEARCH, line, subject)

    def payment(self, new: NewTransaction, error: MapperError | LedgerError) -> None:
        """The transaction of a payment was not authorized."""
        reason = next((reason for kind, reason in REASONS if isinstance(error, kind)), None)
        if reason is None or new.operation is not Operation.DEBIT:
            return
        line = {
            "reason": reason,
            "card": new.card_id,
            "order": new.memo.order_id,
            "transaction": new.id,
            "amount": new.amount,
            "currency": new.backend.currency.code,
        }
        self._write(new.provider_id, What.PAYMENT, line, new.id)

    def _write(self, provider_id: str, what: What, line: dict[str, Any], subject: Hashable) -> None:
        if self._is_repeated(hash((provider_id, what, line["reason"], subject))):
            return
        try:
            self._documents.log(
                log_of(provider_id, what), {"date": milliseconds(datetime.now(UTC)), "what": what, **line}, LOG_KEEPS
            )
        except LedgerUnavailable:
            log.warning("what was refused was not noted: Redis cannot be reached")

    def _is_repeated(self, subject: int) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._written.get(subject, now):
                return True
            self._written.pop(subject, None)  # the newest last
            self._written[subject] = now + REPEATED_WITHIN_SECONDS
            if len(self._written) > MOST_REMEMBERED:
                del self._written[next(iter(self._written))]
            return False


def log_of(provider_id: str, what: What) -> str:
    """Return the name of the log of what a provider's shoppers were refused."""
    return f"refused-{what}:{provider_id}"


def why_nothing(found: Sequence[Card], allowed: Sequence[Card]) -> Reason | CardStatus:
    """Return why there is nothing to pay with in what a code found; `allowed` are those of this customer."""
    if not found:
        return Reason.NOT_FOUND
    if not allowed:
        return Reason.NOT_THEIRS
    card = allowed[0]
    if card.status is not CardStatus.ACTIVE:
        return card.status
    return Reason.RESERVED if card.balance > 0 else Reason.EMPTY

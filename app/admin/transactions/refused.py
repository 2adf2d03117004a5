"""The use case of a store admin who hears that a gift card did not work: what shoppers were refused, and why."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from app.admin.transactions.views import currency_of, provider_named
from app.ledger.milliseconds import moment
from app.ledger.refusals import LOG_KEEPS, What, log_of
from app.parts import Parts


@dataclass(frozen=True, slots=True)
class Attempt:
    """A search by a code, or a payment, that came to nothing. A search has the code, masked, and the card it found all
    the same; a payment has its card, transaction and amount in major units, and its order if VTEX named it."""

    date: datetime
    provider: str
    what: What
    reason: str
    code_mask: str | None
    card: str | None
    order_id: str | None
    transaction: str | None
    amount: Decimal | None
    currency: str | None


def newest(
    parts: Parts, count: int, skip: int = 0, provider_id: str | None = None, card_id: str | None = None
) -> list[Attempt]:
    """Return up to `count` attempts, the newest first: of every provider, of one, or of one of its cards.

    Raises TransactionNotFound (there is no such provider), LedgerUnavailable.
    """
    providers = [provider_named(parts, provider_id)] if provider_id else parts.registry.all()
    read = LOG_KEEPS if card_id else skip + count
    names = [(one.id, log_of(one.id, what)) for one in providers for what in What]
    logs = [[(provider, line) for line in parts.documents.newest(log, read)] for provider, log in names]
    merged = heapq.merge(*logs, key=lambda found: found[1]["date"], reverse=True)
    found = (line for line in merged if card_id in (None, line[1].get("card")))
    return [_attempt(parts, provider, line) for provider, line in islice(found, skip, skip + count)]


def _attempt(parts: Parts, provider_id: str, line: dict[str, Any]) -> Attempt:
    amount, code = line.get("amount"), line.get("currency")
    return Attempt(
        date=moment(line["date"]),
        provider=provider_id,
        what=What(line["what"]),
        reason=line["reason"],
        code_mask=line.get("code"),
        card=line.get("card"),
        order_id=line.get("order"),
        transaction=line.get("transaction"),
        amount=currency_of(parts, provider_id, code).to_decimal(amount) if code and amount is not None else None,
        currency=code,
    )

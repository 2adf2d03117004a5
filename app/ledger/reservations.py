"""Money that the ledger holds is reserved against the backend's balance, which may move while it is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.ledger.storage.answers import RecordAnswer, Result, Standing
from app.ledger.storage.storage import Storage
from app.ledger.transaction import ActRecord, Operation, Transaction
from mappers.base import (
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Holds,
    InsufficientFunds,
    Mapper,
    Memo,
)
from mappers.deadline import Deadline

# A card is issued from this moment on by the sender's clock, and gets its value at once.
CLOCKS_DIFFER = timedelta(minutes=5)

# A balance that moved while it was read is read again, less often while money of the card stays on its way.
FIRST_REREAD_SECONDS = 0.01
LONGEST_REREAD_SECONDS = 0.5


def is_reserved_here(record: Transaction, act: ActRecord) -> bool:
    """Tell whether `act` reserves money in the ledger."""
    return record.holds is Holds.LEDGER and act.opens and record.operation is Operation.DEBIT


def is_upfront(record: Transaction, act: ActRecord) -> bool:
    """Tell whether `act` takes the money before anything is settled."""
    return record.holds is Holds.UPFRONT and act.opens and record.operation is Operation.DEBIT


def must_be_taken_at_once(record: Transaction, card: Card, mapper: Mapper) -> bool:
    """Tell whether what the ledger would hold may not be had any more when it is settled.

    That is so where the card ends before the hold would, at a backend that can give it at once; and where the backend
    counts the card's uses, since it knows of no use that the ledger holds, and each settlement would be another one.
    Raises CardUnusable where that backend cannot give it at once.
    """
    at_once = Holds.UPFRONT in mapper.supported_holds
    if card.uses is not None and not at_once:
        raise CardUnusable("the card may be used a limited number of times, which cannot be reserved at its backend")
    held_until = datetime.now(UTC) + (record.authorization_ttl or timedelta())
    ends = card.expiring_date is not None and card.expiring_date < held_until
    return at_once and (ends or card.uses is not None)


def reserve(
    write: Callable[[int, Card], Result[RecordAnswer]],
    read_card: Callable[[], Card],
    epoch: int,
    deadline: Deadline,
    sleep: Callable[[float], None],
) -> Result[RecordAnswer]:
    """Reserve against a balance that did not move: `write` is given the card's epoch and the card read after it.

    Raises InsufficientFunds; BackendUnavailable where the balance kept changing, and what `read_card` raises.
    """
    pause = FIRST_REREAD_SECONDS
    while True:
        result = write(epoch, read_card())
        if result.answer is RecordAnswer.SHORT:
            raise InsufficientFunds("the card does not hold enough")
        if result.answer is not RecordAnswer.MOVED:
            return result
        if deadline.remaining_seconds() <= pause:
            raise BackendUnavailable("the card's balance kept changing; repeat the request")
        sleep(pause)
        pause = min(2 * pause, LONGEST_REREAD_SECONDS)
        epoch = result.standing.epoch


def spendable_card(mapper: Mapper, card_id: str, memo: Memo, deadline: Deadline) -> Card:
    """Return a card that can pay for the purchase in `memo`. Raises CardUnusable, and what card_for raises."""
    return _spendable(mapper.card_for(card_id, memo, deadline))


def spendable_balance(mapper: Mapper, card_id: str, deadline: Deadline) -> int:
    """Return the balance, in minor units, of a card that can pay. Raises CardUnusable, and what get_card raises."""
    return _spendable(mapper.get_card(card_id, deadline)).balance


def _spendable(card: Card) -> Card:
    if card.status is not CardStatus.ACTIVE:
        raise CardUnusable(f"the card is {card.status}")
    return card


def expect_worth_adding_to(mapper: Mapper, record: Transaction, act: ActRecord, deadline: Deadline) -> None:
    """Make sure that the card could pay before value is added to it: on another it may be lost, or be other money.

    Backends do not all look. Raises CardUnusable, and what get_card raises; of a card that the backend does not show,
    perhaps not yet, it tells itself whether it is there.
    """
    if not (act.opens and record.operation is Operation.CREDIT):
        return
    try:
        card = mapper.get_card(record.card_id, deadline)
    except CardNotFound:
        return
    soon = datetime.now(UTC) + CLOCKS_DIFFER
    if card.status is CardStatus.NOT_STARTED and card.emission_date is not None and card.emission_date <= soon:
        return
    _spendable(card)


def expect_unreserved(
    storage: Storage, mapper: Mapper, record: Transaction, act: ActRecord, standing: Standing, deadline: Deadline
) -> None:
    """Make sure that what is taken from the card is not what the ledger keeps for others; it is set aside itself.

    `standing` is the card's since then. Raises InsufficientFunds; BackendUnavailable where it may be possible in a
    moment, and what `spendable_balance` raises.
    """
    if Holds.LEDGER not in mapper.supported_holds or record.holds is Holds.NATIVE:
        return
    if record.operation is Operation.CREDIT and not act.opens:
        own = act.voided + act.refunded
    elif is_upfront(record, act) and standing.reserved > standing.upfront:
        own = act.amount
    else:
        return
    while True:
        standing = storage.standing(record.backend.account, record.card_id)
        lacking = standing.reserved - spendable_balance(mapper, record.card_id, deadline)
        if storage.standing(record.backend.account, record.card_id).epoch == standing.epoch:
            break
        if deadline.passed():
            raise BackendUnavailable("the card's balance kept changing; repeat the request")
    if lacking > standing.taking - own:
        raise InsufficientFunds("what the card holds is reserved for other orders")
    if lacking + standing.lagging > 0:
        raise BackendUnavailable("the card is being used at this moment; repeat the request")

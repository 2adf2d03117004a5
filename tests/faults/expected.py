"""What the fault matrix expects of each cell: how its operation ends, and where the money is then."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from mappers.base import Holds, Verb
from tests.faults.matrix import Backend, Cell, Fault, Operation, Point, Recovery


class Outcome(StrEnum):
    """How an operation ends."""

    DONE = "done"
    NOT_DONE = "not done"
    UNDONE = "undone"


def expected_outcome(cell: Cell) -> Outcome:
    """Return how a cell's operation must end."""
    if cell.recovery in (Recovery.RETRY, Recovery.LATE):
        return Outcome.DONE
    if not _intended(cell):
        return Outcome.NOT_DONE
    if not cell.operation.opens or _answered(cell):
        return Outcome.DONE
    return Outcome.UNDONE if _committed(cell) else Outcome.NOT_DONE


def _intended(cell: Cell) -> bool:
    """Whether the operation came onto disk: at once, or when a Redis that hung had come back."""
    return cell.point is not Point.BEFORE_INTENT or cell.fault is Fault.REDIS_HANGS


def _answered(cell: Cell) -> bool:
    """Whether an authorization's result came onto disk, and with it that somebody was given its id."""
    if cell.point is Point.AFTER_RESULT and cell.last:
        return True
    # The command that ends it was the next one for a Redis that hung.
    return cell.fault is Fault.REDIS_HANGS and _last_result_is_next(cell)


def _committed(cell: Cell) -> bool:
    """Whether the money of an authorization moved at the backend."""
    if not cell.steps:
        return False  # the ledger reserves nothing before the result is on disk
    if cell.point is Point.AFTER_COMMIT or (cell.point is Point.BEFORE_RESULT and cell.last):
        return True
    if cell.fault is Fault.TIMEOUT:
        return cell.verb is not Verb.LOOK
    # Without Redis the process goes on until it wants to write.
    return cell.fault is Fault.REDIS_KILLED and _last_result_is_next(cell)


def _last_result_is_next(cell: Cell) -> bool:
    """Whether the next thing the process tells Redis is the operation's result."""
    if cell.point is Point.BEFORE_INTENT:
        return False
    if cell.point is Point.AFTER_INTENT:
        return len(cell.steps) <= 1
    return cell.last or (cell.point is Point.AFTER_RESULT and cell.step == len(cell.steps) - 1)


# The money that a cell moves, in major units: what is on a new card, and what an operation moves.
START = Decimal(100)
AUTHORIZED = Decimal(40)
PART = Decimal(15)


@dataclass(frozen=True)
class Money:
    """Where the money of a card is: what a shopper can spend, and what is held, and by whom."""

    spendable: Decimal
    held: Decimal = Decimal(0)  # at a backend that holds natively
    reserved: Decimal = Decimal(0)  # by the ledger
    redeemed: Decimal = Decimal(0)  # at Vauchar, in redemptions that stand


def expected_money(operation: Operation, backend: Backend, *, done: bool) -> Money:
    """Return where a card's money must be, before or after an operation."""
    spent, all_of_it = START - AUTHORIZED, AUTHORIZED if backend.is_vauchar else Decimal(0)
    authorized = {
        Holds.NATIVE: Money(spent, held=AUTHORIZED),
        Holds.LEDGER: Money(spent, reserved=AUTHORIZED),
        Holds.UPFRONT: Money(spent, redeemed=all_of_it),
    }[backend.holds]
    settled = Money(spent, redeemed=all_of_it)
    refunded = Money(spent + PART, redeemed=AUTHORIZED - PART if backend.is_vauchar else Decimal(0))
    partly_canceled = {
        # Only VTEX's holds can shrink: of another one all is taken, and a part given back.
        Holds.NATIVE: Money(spent + PART, held=AUTHORIZED - PART if backend is Backend.VTEX else Decimal(0)),
        Holds.LEDGER: Money(spent + PART, reserved=AUTHORIZED - PART),
        Holds.UPFRONT: refunded,
    }[backend.holds]
    before, after = {
        Operation.AUTHORIZE: (Money(START), authorized),
        Operation.CREDIT: (Money(START), Money(START + AUTHORIZED)),
        Operation.SETTLE: (authorized, settled),
        Operation.CANCEL: (authorized, Money(START)),
        Operation.CANCEL_PART: (authorized, partly_canceled),
        Operation.REFUND: (settled, Money(START)),
        Operation.REFUND_PART: (settled, refunded),
        Operation.CANCEL_CREDIT: (Money(START + AUTHORIZED), Money(START)),
    }[operation]
    return after if done else before

"""The fault matrix: which operation meets which fault at which point, and the state it must end in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import product

from mappers.base import Verb


class Operation(StrEnum):
    """What VTEX asks for."""

    AUTHORISE = "authorise"
    CREDIT = "credit"
    SETTLE = "settle"
    CANCEL = "cancel"
    CANCEL_PART = "cancel in part"
    REFUND_PART = "refund in part"

    @property
    def opens(self) -> bool:
        return self in (Operation.AUTHORISE, Operation.CREDIT)


class Backend(StrEnum):
    """Who holds the money: a provider of the stage."""

    NATIVE = "native"  # Lightrail V2
    LEDGER = "ledger"  # Vauchar, reserved by us
    UPFRONT = "upfront"  # Vauchar, taken at once


class Point(StrEnum):
    """Where in an operation the fault strikes, in the order of time."""

    BEFORE_INTENT = "before the intent"
    AFTER_INTENT = "after the intent"
    BEFORE_SEND = "before the send"
    AFTER_COMMIT = "after the backend's commit"
    BEFORE_RESULT = "before the result's write"
    AFTER_RESULT = "after the result's write"


class Fault(StrEnum):
    """What goes wrong. From a network fault on, the backend cannot be reached any more until the call has ended."""

    SIGKILL = "SIGKILL"  # of the service's process
    STORE_KILLED = "store killed"  # and started again on the same files
    STORE_HANGS = "store hangs"  # and works off afterwards what it was told meanwhile
    TIMEOUT = "timeout"  # before the send: the request arrives late
    RESET = "reset"
    ERROR = "500"
    LIMITED = "429"
    JUNK = "junk"
    SLOW_BODY = "slow body"


class Recovery(StrEnum):
    """Who comes back afterwards."""

    RETRY = "retry"  # VTEX repeats the request
    READ = "read"  # VTEX reads the list
    SWEEP = "sweep"  # nobody: the sweeper alone
    LATE = "late"  # VTEX repeats the request of an authorisation after the sweeper was there


class Word(StrEnum):
    """How an operation ends."""

    DONE = "done"
    NOT_DONE = "not done"
    UNDONE = "undone"


BACKEND_FAULTS = (Fault.TIMEOUT, Fault.RESET, Fault.ERROR, Fault.LIMITED, Fault.JUNK, Fault.SLOW_BODY)
SLOW = (Fault.STORE_KILLED, Fault.STORE_HANGS, Fault.TIMEOUT, Fault.SLOW_BODY)
IN_A_CALL = (Point.BEFORE_SEND, Point.AFTER_COMMIT)

_GIVE_A_PART_BACK = (Verb.LOOK, Verb.REFUND, Verb.LOOK, Verb.DEBIT)

# The backend calls of each operation. Where there are none the ledger does it alone.
STEPS: dict[tuple[Operation, Backend], tuple[Verb, ...]] = {
    (Operation.AUTHORISE, Backend.NATIVE): (Verb.HOLD,),
    (Operation.AUTHORISE, Backend.LEDGER): (),
    (Operation.AUTHORISE, Backend.UPFRONT): (Verb.LOOK, Verb.DEBIT),
    (Operation.CREDIT, Backend.NATIVE): (Verb.CREDIT,),
    (Operation.SETTLE, Backend.NATIVE): (Verb.CAPTURE,),
    (Operation.SETTLE, Backend.LEDGER): (Verb.LOOK, Verb.DEBIT),
    (Operation.SETTLE, Backend.UPFRONT): (),
    (Operation.CANCEL, Backend.NATIVE): (Verb.RELEASE,),
    (Operation.CANCEL, Backend.LEDGER): (),
    (Operation.CANCEL, Backend.UPFRONT): (Verb.LOOK, Verb.REFUND),
    (Operation.CANCEL_PART, Backend.NATIVE): (Verb.CAPTURE, Verb.REFUND),
    (Operation.CANCEL_PART, Backend.LEDGER): (),
    (Operation.CANCEL_PART, Backend.UPFRONT): _GIVE_A_PART_BACK,
    (Operation.REFUND_PART, Backend.NATIVE): (Verb.REFUND,),
    (Operation.REFUND_PART, Backend.LEDGER): _GIVE_A_PART_BACK,
    (Operation.REFUND_PART, Backend.UPFRONT): _GIVE_A_PART_BACK,
}


@dataclass(frozen=True)
class Cell:
    """One cell. `step` counts the operation's backend calls from 1; it is 0 outside of them."""

    operation: Operation
    backend: Backend
    point: Point
    step: int
    fault: Fault
    recovery: Recovery

    def __str__(self) -> str:
        step = f" of step {self.step}" if self.step else ""
        return f"{self.operation}, {self.backend}: {self.fault} {self.point}{step}; {self.recovery}"

    @property
    def steps(self) -> tuple[Verb, ...]:
        return STEPS.get((self.operation, self.backend), ())

    @property
    def verb(self) -> Verb | None:
        """What the step does; None outside of steps."""
        return self.steps[self.step - 1] if self.step else None

    @property
    def reads_a_balance(self) -> bool:
        """Whether the operation reserves in the ledger, which has no step but reads the card's balance."""
        return (self.operation, self.backend) == (Operation.AUTHORISE, Backend.LEDGER)

    @property
    def last(self) -> bool:
        return self.step == len(self.steps)

    @property
    def in_an_act(self) -> bool:
        """Whether the point lies after the intent's."""
        return self.point not in (Point.BEFORE_INTENT, Point.AFTER_INTENT)


# What makes a combination impossible. A cell that breaks no rule is in the matrix.
IMPOSSIBLE: dict[str, Callable[[Cell], bool]] = {
    "Vauchar cannot add value to a card": lambda cell: (cell.operation, cell.backend) not in STEPS,
    "the intent comes before all steps": lambda cell: not cell.in_an_act and cell.step > 0,
    "an operation with steps fails in one of them": lambda cell: cell.in_an_act and cell.step == 0 and bool(cell.steps),
    "an operation without a call sends nothing": lambda cell: (
        cell.point in IN_A_CALL and not cell.step and not cell.reads_a_balance
    ),
    "a call that only reads commits nothing": lambda cell: (
        cell.point is Point.AFTER_COMMIT and cell.verb in (Verb.LOOK, None)
    ),
    "a backend can only fail in a call": lambda cell: cell.fault in BACKEND_FAULTS and cell.point not in IN_A_CALL,
    "a 429 says that nothing was done": lambda cell: cell.fault is Fault.LIMITED and cell.point is Point.AFTER_COMMIT,
    "before the send there is no answer to be slow with": lambda cell: (
        cell.fault is Fault.SLOW_BODY and cell.point is Point.BEFORE_SEND
    ),
    "Vauchar's answer to a deletion has no body": lambda cell: (
        cell.fault is Fault.SLOW_BODY and cell.verb is Verb.REFUND and cell.backend is not Backend.NATIVE
    ),
    "after its last answer a store may hang": lambda cell: (
        cell.fault is Fault.STORE_HANGS and cell.point is Point.AFTER_RESULT and cell.last
    ),
    "VTEX cannot read an authorisation whose id it was not told": lambda cell: (
        cell.recovery is Recovery.READ and cell.operation.opens
    ),
    "the sweeper undoes authorisations only": lambda cell: cell.recovery is Recovery.LATE and not cell.operation.opens,
}


def cells() -> Iterator[Cell]:
    """Yield the whole matrix."""
    longest = max(len(steps) for steps in STEPS.values())
    for operation, backend, point, fault, recovery in product(Operation, Backend, Point, Fault, Recovery):
        steps = len(STEPS.get((operation, backend), ()))
        for step in range(min(steps, longest) + 1):
            cell = Cell(operation, backend, point, step, fault, recovery)
            if not any(rule(cell) for rule in IMPOSSIBLE.values()):
                yield cell


def short_form() -> list[Cell]:
    """Return a covering part of the matrix.

    A SIGKILL at every point of every step, once left to the sweeper and once not; of the other faults at each of them
    one recovery, in turn; and where a fault takes its time, one backend and step for each operation and point.
    """
    families: dict[Cell, list[Cell]] = {}
    for cell in cells():
        families.setdefault(replace(cell, recovery=Recovery.SWEEP), []).append(cell)
    chosen: list[Cell] = []
    once: set[tuple[object, ...]] = set()
    for number, (swept, family) in enumerate(families.items()):
        cell = family[number % len(family)]
        if cell.fault is Fault.SIGKILL:
            others = [one for one in family if one != swept]
            chosen += [swept, others[number % len(others)]]
            continue
        key = (cell.operation, cell.point, cell.fault) if cell.fault in SLOW else (swept,)
        if key not in once:
            once.add(key)
            chosen.append(cell)
    return chosen


def promised(cell: Cell) -> Word:
    """Return the state in which a cell must end."""
    if cell.recovery in (Recovery.RETRY, Recovery.LATE):
        return Word.DONE
    if not _intended(cell):
        return Word.NOT_DONE
    if not cell.operation.opens or _answered(cell):
        return Word.DONE
    return Word.UNDONE if _committed(cell) else Word.NOT_DONE


def _intended(cell: Cell) -> bool:
    """Whether the operation came onto disk: at once, or when a store that hung had come back."""
    return cell.point is not Point.BEFORE_INTENT or cell.fault is Fault.STORE_HANGS


def _answered(cell: Cell) -> bool:
    """Whether an authorisation's result came onto disk, and with it that somebody was given its id."""
    if cell.point is Point.AFTER_RESULT and cell.last:
        return True
    # The command that ends it was the next one for a store that hung.
    return cell.fault is Fault.STORE_HANGS and _last_result_is_next(cell)


def _committed(cell: Cell) -> bool:
    """Whether the money of an authorisation moved at the backend."""
    if not cell.steps:
        return False  # the ledger reserves nothing before the result is on disk
    if cell.point is Point.AFTER_COMMIT or (cell.point is Point.BEFORE_RESULT and cell.last):
        return True
    if cell.fault is Fault.TIMEOUT:
        return cell.verb is not Verb.LOOK
    # Without the store the process goes on until it wants to write.
    return cell.fault is Fault.STORE_KILLED and _last_result_is_next(cell)


def _last_result_is_next(cell: Cell) -> bool:
    """Whether the next thing the process tells the store is the operation's result."""
    if cell.point is Point.BEFORE_INTENT:
        return False
    if cell.point is Point.AFTER_INTENT:
        return len(cell.steps) <= 1
    return cell.last or (cell.point is Point.AFTER_RESULT and cell.step == len(cell.steps) - 1)


# The money of the stage, in major units: what is on a new card, and what an operation moves.
START = Decimal(100)
AUTHORISED = Decimal(40)
PART = Decimal(15)


@dataclass(frozen=True)
class Money:
    """Where the money of a card is: what a shopper can spend, and what is held for the store, by whom."""

    spendable: Decimal
    held: Decimal = Decimal(0)  # at a backend that holds natively
    reserved: Decimal = Decimal(0)  # by the ledger
    redeemed: Decimal = Decimal(0)  # in redemptions that stand


def money(operation: Operation, backend: Backend, *, done: bool) -> Money:
    """Return where a card's money must be, before or after an operation."""
    authorised = {
        Backend.NATIVE: Money(START - AUTHORISED, held=AUTHORISED),
        Backend.LEDGER: Money(START - AUTHORISED, reserved=AUTHORISED),
        Backend.UPFRONT: Money(START - AUTHORISED, redeemed=AUTHORISED),
    }[backend]
    redeems = backend is not Backend.NATIVE
    settled = Money(START - AUTHORISED, redeemed=AUTHORISED if redeems else Decimal(0))
    refunded = Money(START - AUTHORISED + PART, redeemed=AUTHORISED - PART if redeems else Decimal(0))
    partly_cancelled = {
        Backend.NATIVE: Money(START - AUTHORISED + PART),  # holds cannot shrink: it takes all and gives a part back
        Backend.LEDGER: Money(START - AUTHORISED + PART, reserved=AUTHORISED - PART),
        Backend.UPFRONT: refunded,
    }[backend]
    before, after = {
        Operation.AUTHORISE: (Money(START), authorised),
        Operation.CREDIT: (Money(START), Money(START + AUTHORISED)),
        Operation.SETTLE: (authorised, settled),
        Operation.CANCEL: (authorised, Money(START)),
        Operation.CANCEL_PART: (authorised, partly_cancelled),
        Operation.REFUND_PART: (settled, refunded),
    }[operation]
    return after if done else before

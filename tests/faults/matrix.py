"""The fault matrix: which operation meets which fault at which point, at which backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import product

from mappers.base import Holds, Verb


class Operation(StrEnum):
    """What VTEX asks for."""

    AUTHORIZE = "authorize"
    CREDIT = "credit"
    SETTLE = "settle"
    CANCEL = "cancel"
    CANCEL_PART = "cancel in part"
    REFUND = "refund"
    REFUND_PART = "refund in part"
    CANCEL_CREDIT = "cancel a credit"

    @property
    def opens(self) -> bool:
        return self in (Operation.AUTHORIZE, Operation.CREDIT)


class Backend(StrEnum):
    """Who holds the money: a provider of the harness."""

    NATIVE = "native"  # Lightrail V2
    LEDGER = "ledger"  # Vauchar, reserved by us
    UPFRONT = "upfront"  # Vauchar, taken at once
    V1 = "v1"  # Lightrail V1, which holds
    LIGHTRAIL_DRAFT = "lightrail-draft"  # Lightrail's early V2 draft, which holds
    V2_UPFRONT = "v2-upfront"  # Lightrail V2, taken at once
    VOUCHERIFY = "voucherify"  # Voucherify, reserved by us
    VTEX = "vtex"  # another VTEX account, which holds and gives back in any part

    @property
    def holds(self) -> Holds:
        if self in (Backend.LEDGER, Backend.VOUCHERIFY):
            return Holds.LEDGER
        return Holds.UPFRONT if self in (Backend.UPFRONT, Backend.V2_UPFRONT) else Holds.NATIVE

    @property
    def is_vauchar(self) -> bool:
        return self in (Backend.LEDGER, Backend.UPFRONT)


# One for each kind of hold.
IN_DETAIL = (Backend.NATIVE, Backend.LEDGER, Backend.UPFRONT)


class Point(StrEnum):
    """Where in an operation the fault happens, in the order of time."""

    BEFORE_INTENT = "before the intent"
    AFTER_INTENT = "after the intent"
    BEFORE_SEND = "before the send"
    AFTER_COMMIT = "after the backend's commit"
    BEFORE_RESULT = "before the result's write"
    AFTER_RESULT = "after the result's write"


class Fault(StrEnum):
    """What goes wrong. From a network fault on, the backend cannot be reached any more until the call has ended."""

    SIGKILL = "SIGKILL"  # of the service's process
    REDIS_KILLED = "Redis killed"  # and started again on the same files
    REDIS_HANGS = "Redis hangs"  # and carries out afterwards what it was sent meanwhile
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
    LATE = "late"  # VTEX repeats the request of an authorization after the sweeper was there


BACKEND_FAULTS = (Fault.TIMEOUT, Fault.RESET, Fault.ERROR, Fault.LIMITED, Fault.JUNK, Fault.SLOW_BODY)
SLOW = (Fault.REDIS_KILLED, Fault.REDIS_HANGS, Fault.TIMEOUT, Fault.SLOW_BODY)
IN_A_CALL = (Point.BEFORE_SEND, Point.AFTER_COMMIT)

# Vauchar gives back whole redemptions only: what is kept of one is redeemed before.
_LOOK_AND_TAKE, _GIVE_ALL_BACK = (Verb.LOOK, Verb.DEBIT), (Verb.LOOK, Verb.REFUND)
_VAUCHAR = {Operation.REFUND: _GIVE_ALL_BACK, Operation.REFUND_PART: (*_LOOK_AND_TAKE, *_GIVE_ALL_BACK)}
_ADDS_VALUE = {
    Operation.CREDIT: (Verb.CREDIT,),
    Operation.CANCEL_CREDIT: (Verb.DEBIT,),
    Operation.REFUND: (Verb.REFUND,),
    Operation.REFUND_PART: (Verb.REFUND,),
}
_LIGHTRAIL_HOLDS = _ADDS_VALUE | {
    Operation.AUTHORIZE: (Verb.HOLD,),
    Operation.SETTLE: (Verb.CAPTURE,),
    Operation.CANCEL: (Verb.VOID,),
    Operation.CANCEL_PART: (Verb.CAPTURE, Verb.REFUND),
}

# The backend calls of each operation. Where there are none the ledger does it alone.
_CALLS: dict[Backend, dict[Operation, tuple[Verb, ...]]] = {
    Backend.NATIVE: _LIGHTRAIL_HOLDS,
    Backend.LEDGER: _VAUCHAR
    | {
        Operation.AUTHORIZE: (),
        Operation.SETTLE: _LOOK_AND_TAKE,
        Operation.CANCEL: (),
        Operation.CANCEL_PART: (),
    },
    Backend.UPFRONT: _VAUCHAR
    | {
        Operation.AUTHORIZE: _LOOK_AND_TAKE,
        Operation.SETTLE: (),
        Operation.CANCEL: _GIVE_ALL_BACK,
        Operation.CANCEL_PART: _VAUCHAR[Operation.REFUND_PART],
    },
    Backend.V1: _LIGHTRAIL_HOLDS,
    Backend.LIGHTRAIL_DRAFT: _LIGHTRAIL_HOLDS,
    Backend.V2_UPFRONT: _ADDS_VALUE
    | {
        Operation.AUTHORIZE: (Verb.DEBIT,),
        Operation.SETTLE: (),
        Operation.CANCEL: (Verb.REFUND,),
        Operation.CANCEL_PART: (Verb.REFUND,),
    },
    Backend.VOUCHERIFY: _ADDS_VALUE
    | {
        Operation.AUTHORIZE: (),
        Operation.SETTLE: (Verb.DEBIT,),
        Operation.CANCEL: (),
        Operation.CANCEL_PART: (),
    },
    Backend.VTEX: _ADDS_VALUE
    | {
        Operation.AUTHORIZE: (Verb.HOLD,),
        Operation.SETTLE: (Verb.CAPTURE,),
        Operation.CANCEL: (Verb.VOID,),
        Operation.CANCEL_PART: (Verb.VOID,),
        Operation.CANCEL_CREDIT: (Verb.DEBIT, Verb.CAPTURE),
    },
}
STEPS = {(operation, backend): calls[operation] for backend, calls in _CALLS.items() for operation in calls}


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
        return self.operation is Operation.AUTHORIZE and self.backend.holds is Holds.LEDGER

    @property
    def in_detail(self) -> bool:
        """Whether the short form has it at every point, too; of the others it has the calls only."""
        return self.backend in IN_DETAIL and self.operation not in (Operation.REFUND, Operation.CANCEL_CREDIT)

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
        cell.fault is Fault.SLOW_BODY and cell.verb is Verb.REFUND and cell.backend.is_vauchar
    ),
    "after its last answer a Redis may hang": lambda cell: (
        cell.fault is Fault.REDIS_HANGS and cell.point is Point.AFTER_RESULT and cell.last
    ),
    "VTEX cannot read an authorization whose id it was not told": lambda cell: (
        cell.recovery is Recovery.READ and cell.operation.opens
    ),
    "the sweeper undoes authorizations only": lambda cell: cell.recovery is Recovery.LATE and not cell.operation.opens,
}


@cache
def cells() -> Sequence[Cell]:
    """Return the whole matrix."""
    return list(_possible_cells())


def _possible_cells() -> Iterator[Cell]:
    longest = max(len(steps) for steps in STEPS.values())
    for operation, backend, point, fault, recovery in product(Operation, Backend, Point, Fault, Recovery):
        steps = len(STEPS.get((operation, backend), ()))
        for step in range(min(steps, longest) + 1):
            cell = Cell(operation, backend, point, step, fault, recovery)
            if not any(rule(cell) for rule in IMPOSSIBLE.values()):
                yield cell


def short_form() -> list[Cell]:
    """Return a covering part of the matrix.

    A SIGKILL at every point of every step, with the recoveries in turn; of what the backend itself may do wrong one
    fault at each of them, and one recovery; where that takes its time, one backend and step for each operation and
    point; of Redis's faults, one at each point, with and without calls. Around every other call a SIGKILL.
    """
    families: dict[Cell, list[Cell]] = {}
    for cell in cells():
        families.setdefault(replace(cell, recovery=Recovery.SWEEP), []).append(cell)
    chosen: list[Cell] = []
    rivals: dict[tuple[object, ...], list[Cell]] = {}
    for number, family in enumerate(families.values()):
        cell = family[number % len(family)]
        if cell.fault is Fault.SIGKILL and (cell.in_detail or cell.point in IN_A_CALL):
            chosen.append(cell)
        elif not cell.in_detail or cell.fault is Fault.SIGKILL:
            continue
        elif cell.fault in (Fault.REDIS_KILLED, Fault.REDIS_HANGS):
            # Redis is sent the same for every operation.
            rivals.setdefault((cell.operation.opens, bool(cell.steps), cell.point, cell.fault), []).append(cell)
        elif cell.fault in SLOW:
            rivals.setdefault((cell.operation, cell.point, cell.fault), []).append(cell)
        else:
            rivals.setdefault((cell.operation, cell.backend, cell.point, cell.step), []).append(cell)
    return chosen + [candidates[number % len(candidates)] for number, candidates in enumerate(rivals.values())]

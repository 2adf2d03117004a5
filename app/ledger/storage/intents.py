"""What is written before anything is sent: a new transaction, a new act, and how long things last."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from app.ledger import names
from app.ledger.caller import Caller
from app.ledger.transaction import ASKED_FOR, Operation, Part, PlannedStep, Reason
from mappers.base import ActKind, Holds, Memo
from providers.provider import Backend


@dataclass(frozen=True, slots=True)
class LedgerTimes:
    """How long things last in the ledger; each is a setting."""

    lease: timedelta = timedelta(seconds=30)
    abandon_after: timedelta = timedelta(minutes=15)
    retention: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class NewTransaction:
    """A transaction to be opened. `amount` is in minor units."""

    provider_id: str
    card_id: str
    operation: Operation
    request_id: str
    amount: int
    backend: Backend
    holds: Holds
    memo: Memo
    authorization_ttl: timedelta
    one_step_at_a_time: bool
    payers: tuple[str, ...] = ()  # digests of the names of who pays
    can_be_rebuilt: bool = False  # by what the backend tells of it
    caller: Caller = field(default_factory=Caller.vtex)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        own_id = names.transaction_id(self.provider_id, self.card_id, self.operation, self.request_id)
        object.__setattr__(self, "id", own_id)

    @property
    def kind(self) -> ActKind:
        return ActKind.DEBIT if self.operation is Operation.DEBIT else ActKind.CREDIT


@dataclass(frozen=True, slots=True)
class NewAct:
    """A settlement or cancellation to be added to a transaction. `amount` is in minor units.

    `request_id` names what VTEX or a person asked for. What the ledger does by itself has none, and an `own_oid`: a new
    one, or that of the refused one it is again. `done` are steps that happened already: nothing is sent for them.
    `due_by`: only where the transaction was due by then. `after_attempt`: only where nobody has attempted anything
    since that attempt, and nothing is unresolved.
    """

    kind: ActKind
    amount: int
    one_step_at_a_time: bool
    request_id: str = ""
    reason: Reason = Reason.REQUEST
    own_oid: str = ""
    accept: bool = False
    due_by: int | None = None
    only: Part | None = None
    done: tuple[PlannedStep, ...] = ()
    after_attempt: int | None = None
    caller: Caller = field(default_factory=Caller.vtex)

    @property
    def asked_for(self) -> bool:
        """Tell whether VTEX or a person asked for it."""
        return self.reason in ASKED_FOR

    def oid(self, transaction_id: str) -> str:
        return names.act_id(transaction_id, self.kind, self.request_id) if self.asked_for else self.own_oid

"""What the backend shows of a transaction where Redis may have forgotten changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.ledger.names import opening_number, step_key
from app.ledger.storage.history import Doubt
from app.ledger.transaction import ActRecord, Transaction
from mappers.base import ActKind, CardNotFound, Mapper, Origin, Unsupported, Verb
from mappers.capabilities import keeps_statement
from mappers.deadline import Deadline

# What tells a step from all others: its key and its verb. Planned anew, a step of the same number may be another one.
StepName = tuple[str, Verb]


def is_taken_at_once(verb: Verb, origin: Origin | None) -> bool:
    """Tell whether a step opened a transaction upfront: no backend knows what was settled of it."""
    return verb is Verb.DEBIT and origin is not None and origin.act is ActKind.DEBIT


@dataclass(frozen=True, slots=True)
class Shown:
    """The steps of one transaction that the backend shows, with their notes; none where nothing is in doubt."""

    transaction_id: str
    origins: Mapping[StepName, Origin | None] = field(default_factory=dict)

    def __contains__(self, name: StepName) -> bool:
        return name in self.origins

    @property
    def can_be_rebuilt(self) -> bool:
        """Tell whether the transaction is there, and is found by its notes: not what was taken at once."""
        at_once = any(is_taken_at_once(verb, origin) for (_, verb), origin in self.origins.items())
        return bool(self.origins) and all(self.origins.values()) and not at_once

    def is_opened_after(self, oid: str) -> bool:
        """Tell whether it was opened again after what has this oid opened it."""
        opened = self._opening(oid)
        return any(self._opening(key.rpartition("-")[0]) > opened for key, _ in self.origins)

    def unknown_to(self, acts: Iterable[ActRecord]) -> dict[str, Origin | None]:
        """Return what none of these acts has done or is about to do, by key."""
        known = {(step_key(act.oid, step), done.verb) for act in acts for step, done in enumerate(act.steps, start=1)}
        return {key: origin for (key, verb), origin in self.origins.items() if (key, verb) not in known}

    def _opening(self, oid: str) -> int:
        number = opening_number(self.transaction_id, oid)
        return 0 if number is None else number


def shown(mapper: Mapper, record: Transaction, doubts: Callable[[], Sequence[Doubt]], deadline: Deadline) -> Shown:
    """Read what the backend shows of a transaction that is older than a doubt. Raises BackendUnavailable."""
    nothing = Shown(record.id)
    if not keeps_statement(type(mapper)) or not any(record.date < doubt.noticed_at for doubt in doubts()):
        return nothing
    try:
        lines = list(mapper.statement(deadline.remaining_seconds(), record.card_id))
    except (Unsupported, CardNotFound):
        return nothing
    return Shown(
        record.id,
        {(line.key, line.verb): line.origin for line in lines if line.key and _is_of(record, line.key, line.origin)},
    )


def _is_of(record: Transaction, key: str, origin: Origin | None) -> bool:
    """Tell whether an entry of a statement is this transaction's.

    Where the backend keeps no notes, its key names the act, or begins with the transaction that it opened.
    """
    if origin:
        return origin.transaction_id == record.id
    oid = key.rpartition("-")[0]
    return oid.startswith(record.id) or record.act_named(oid) is not None

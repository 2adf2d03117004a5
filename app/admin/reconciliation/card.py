"""The comparison of one card: its transactions in the ledger beside its statement at the backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from app.admin.reconciliation.run import Difference, Kind, Run, words
from app.ledger.caller import Caller
from app.ledger.errors import LedgerError, LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.answers import Lease
from app.ledger.storage.intents import NewAct
from app.ledger.transaction import KNOWN_TO_VTEX, Part, Reason, State, Transaction, done_steps
from mappers.base import ActKind, CardNotFound, DoneStep, MapperError, StatementLine, Verb
from mappers.deadline import Deadline
from providers.provider import Provider

CALLER = Caller.background("reconcile")

NOTHING = "nothing"
NO_CARD = "no such card"

# Read from Redis at a time.
ROWS = 500


class CardComparison:
    """A card and the transactions that are to be compared: `unresolved`, then `ask`, then `differences`."""

    def __init__(self, run: Run, provider: Provider, card_id: str, ids: Sequence[str]) -> None:
        self._run = run
        self._provider = provider
        self._card_id = card_id
        self._ids = ids
        self._records = self._read(ids)
        self._gone = False
        self._told: dict[str, StatementLine] = {}
        self._by_itself: list[StatementLine] = []

    def unresolved(self, *, repair: bool) -> Iterator[Difference]:
        """Yield what the ledger does not know, unless somebody is likely to be at it. `repair` resolves it."""
        repaired = False
        for record in self._records:
            act = record.unresolved_act
            if act is None or self._run.is_for_the_next(self._provider, act.date):
                continue
            found = self._difference("unresolved", record.id, act.oid, f"{act.kind} is {act.state}", "not compared")
            resolved = repair and self._resolve(record)
            repaired |= resolved
            yield replace(found, repaired=resolved)
        if repaired:
            self._records = self._read(self._ids)

    def ask(self) -> None:
        """Ask the backend for the card's statement.

        Raises Unsupported, BackendUnavailable; CardNotFound only where the card's end leaves nothing to be compared.
        """
        try:
            entries = list(self._provider.mapper.statement(self._run.seconds, self._card_id))
        except CardNotFound:
            if not self._expected(self._records) and any(map(_matters, self._records)):
                raise
            self._gone, entries = True, []
        self._told = {entry.key: entry for entry in entries if entry.key}
        # What the backend did by itself may be what one of our steps wanted: a hold it let run out before we voided it.
        self._by_itself = [entry for entry in entries if not entry.key]

    def differences(self) -> Iterator[Difference]:
        """Yield the differences between the ledger and the statement, each repaired where it may be."""
        found = list(self._found(self._records))
        if not found:
            return
        # The ledger went on while the backend was asked: only what differs from before and from after does differ.
        records = {record.id: record for record in self._read(self._concerned())}
        still = set(self._found(records.values()))
        for one in found:
            record = records.get(one.transaction or "")
            entry = self._entry(one, record)
            if one in still and self._counts(one, entry, record):
                yield from self._told_of(one, entry, record)

    def not_compared(self, reason: str) -> Difference:
        return self._difference("not compared", None, None, f"transactions: {len(self._ids)}", reason)

    # What differs.

    def _found(self, records: Iterable[Transaction]) -> Iterator[Difference]:
        """Yield what differs between these records and the statement."""
        records = list(records)
        expected = self._expected(records)
        ended = {(entry.verb, entry.receipt.reference): entry for entry in self._by_itself}
        for key, (record, step) in expected.items():
            entry = self._told.get(key) or ended.get((step.verb, step.receipt.reference))
            if entry is None:
                nothing = NO_CARD if self._gone else NOTHING
                yield self._difference("missing", record.id, key, self._words(step), nothing)
            elif (entry.verb, entry.amount) != (step.verb, step.amount):
                yield self._difference("amount", record.id, key, self._words(step), self._words(entry))
        explained = expected.keys() | _keys_of_unresolved(records)
        pending = {act.oid for record in records for act in record.acts if act.unresolved}
        for key, entry in self._told.items():
            if key not in explained and _oid(key) not in pending:
                name = entry.origin.transaction_id if entry.origin else None
                yield self._difference("extra", name, key, NOTHING, self._words(entry))
        for record in records:
            held = record.state is State.AUTHORIZED and not record.captured and record.unresolved is None
            if held and self._void_of(record):
                yield self._difference("state", record.id, None, str(record.state), "voided by itself")

    def _expected(self, records: Iterable[Transaction]) -> dict[str, tuple[Transaction, DoneStep]]:
        """Return the steps that the statement must show, by key.

        What is unresolved may be changing what is shown of the transaction's earlier steps: it waits until it is not.
        """
        return {
            step.key: (record, step)
            for record in records
            if record.unresolved is None
            for step in self._provider.mapper.on_record([step for act in record.acts for step in done_steps(act)])
        }

    def _concerned(self) -> list[str]:
        """Return the ids of all transactions that the statement may tell of.

        Older ones are left out of the comparison, others were opened while the backend was asked.
        """
        of_card = self._run.parts.index.of_card(self._provider.id, self._card_id)
        noted = [entry.origin.transaction_id for entry in self._told.values() if entry.origin]
        opened = [_oid(key).partition("-r")[0] for key in self._told]  # an opening's key begins with its transaction
        return list(dict.fromkeys([*self._ids, *of_card, *noted, *opened]))

    def _entry(self, found: Difference, record: Transaction | None) -> StatementLine | None:
        """Return what the statement tells of it, if anything."""
        if found.key is not None:
            return self._told.get(found.key)
        return self._void_of(record) if record else None

    def _void_of(self, record: Transaction) -> StatementLine | None:
        """Return what tells that the backend let a hold run out: that of the act which opens the transaction now."""
        oid = record.acts[record.opened_by].oid
        voided = (entry for entry in self._by_itself if entry.verb is Verb.VOID)
        return next((entry for entry in voided if entry.origin and entry.origin.oid == oid), None)

    def _counts(self, found: Difference, entry: StatementLine | None, record: Transaction | None) -> bool:
        """Tell whether a difference is one of those that this run is about."""
        moments = [milliseconds(entry.date)] if entry else []
        if found.kind == "extra" and not self._run.includes(record.date if record else moments[0]):
            return False
        if record is not None and found.key is not None:
            events = self._run.parts.storage.events(record.id)
            moments += [event["at"] for event in events if event.get("act") == _oid(found.key)]
        return not any(self._run.is_for_the_next(self._provider, moment) for moment in moments)

    def _told_of(
        self, found: Difference, entry: StatementLine | None, record: Transaction | None
    ) -> Iterator[Difference]:
        if found.kind == "extra" and entry is not None and entry.origin is not None and record is None:
            if lost := self._run.lost(self._provider, entry):
                yield lost
        elif found.kind == "state" and record is not None:
            yield replace(found, repaired=self._run.repair and self._expire(record))
        else:
            yield found

    # What is provably right.

    def _resolve(self, record: Transaction, lease: Lease | None = None) -> bool:
        try:
            deadline = Deadline.after(self._run.seconds)
            resolved = self._run.parts.executor.resolve(self._provider, record, deadline, CALLER, lease)
        except LedgerUnavailable:
            raise
        except (MapperError, LedgerError):
            return False
        return resolved.unresolved is None

    def _expire(self, record: Transaction) -> bool:
        """Void in the ledger what the backend has voided; tell whether it is done."""
        self._provider.require_mapper()
        new = NewAct(
            kind=ActKind.REVERSAL,
            amount=record.rest,
            number=len(record.acts),
            caller=CALLER,
            one_step_at_a_time=self._provider.mapper.one_step_at_a_time,
            reason=Reason.EXPIRED,
            only=Part.RESERVED,  # what was settled in this very moment is not to be given back
        )
        result = self._run.parts.storage.append(record.address, self._provider.backend, new)
        # Without a lease nothing was written, or somebody else is at it.
        return result.lease is not None and self._resolve(result.transaction, result.lease)

    # In words.

    def _difference(
        self, kind: Kind, transaction: str | None, key: str | None, ledger: str, backend: str
    ) -> Difference:
        return Difference(self._provider.id, self._card_id, transaction, key, kind, ledger, backend)

    def _words(self, what: DoneStep | StatementLine) -> str:
        return words(self._provider, what)

    def _read(self, ids: Sequence[str]) -> list[Transaction]:
        storage = self._run.parts.storage
        return [record for start in range(0, len(ids), ROWS) for record in storage.load_many(ids[start : start + ROWS])]


def _matters(record: Transaction) -> bool:
    """Tell whether VTEX knows of it: what was refused, on a card that never was, has nothing to be compared."""
    return record.state in KNOWN_TO_VTEX


def _keys_of_unresolved(records: Iterable[Transaction]) -> set[str]:
    unresolved = (record for record in records if record.unresolved is not None)
    return {step.key for record in unresolved for act in record.acts for step in done_steps(act)}


def _oid(key: str) -> str:
    """Return the act that a step's key belongs to."""
    return key.rpartition("-")[0]

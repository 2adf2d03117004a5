"""The comparison of one card: its transactions in the ledger beside its statement at the backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from app.admin.reconciliation import meaning
from app.admin.reconciliation.run import LOST, Difference, Kind, Run
from app.ledger.caller import Caller
from app.ledger.errors import LedgerError, LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.answers import Lease
from app.ledger.storage.intents import NewAct
from app.ledger.transaction import (
    KNOWN_TO_VTEX,
    ActState,
    Part,
    PlannedStep,
    Reason,
    State,
    Transaction,
    done_steps,
)
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
        """`ids`: those to be compared; none where only what the ledger does not know is looked for."""
        self._run = run
        self._provider = provider
        self._card_id = card_id
        self._ids = ids
        self._records = self._read(ids)
        self._gone = False
        self._told: dict[str, list[StatementLine]] = {}
        # What others did, the backend itself among them, may be what one of our steps wanted: a hold it let run out
        # before we voided it.
        self._by_others: list[StatementLine] = []
        self._of: dict[str, list[StatementLine]] = {}  # of which transaction, where the backend keeps our notes
        # References: of what we made, and of what others took back.
        self._made: set[str] = set()
        self._undone: set[str] = set()

    def unresolved(self, *, repair: bool) -> Iterator[Difference]:
        """Yield what the ledger does not know, unless somebody is likely to be at it. `repair` resolves it."""
        repaired = False
        for record in self._records:
            act = record.unresolved_act
            if act is None or self._run.is_for_the_next(self._provider, act.date):
                continue
            parked = act.state is ActState.PARKED
            remedy = f"giftbridge transactions resolve {record.id}" if parked else "giftbridge reconcile --repair"
            ledger, backend = f"{act.kind} is {act.state}", "not compared"
            found = self._difference("unresolved", record.id, act.oid, ledger, backend, (meaning.UNRESOLVED, remedy))
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
        self._by_others = [entry for entry in entries if not entry.key]
        for entry in entries:
            if entry.key:
                self._told.setdefault(entry.key, []).append(entry)
                self._made.add(entry.receipt.reference)
            elif entry.verb is not Verb.CAPTURE and entry.reference:
                self._undone.add(entry.reference)
            if entry.origin:
                self._of.setdefault(entry.origin.transaction_id, []).append(entry)

    def differences(self) -> Iterator[Difference]:
        """Yield the differences between the ledger and the statement, each repaired where it may be."""
        found = dict(self._found(self._records))
        if not found:
            return
        # The ledger went on while the backend was asked: only what differs from before and from after does differ.
        records = {record.id: record for record in self._read(self._concerned())}
        still = dict(self._found(records.values()))
        for one, entry in found.items():
            record = records.get(one.transaction or "")
            if one in still and self._counts(one, entry, record):
                for told in self._told_of(one, entry, record):
                    if told.repaired and record is not None:
                        records |= {again.id: again for again in self._read([record.id])}
                    yield told

    def not_compared(self, reason: str) -> Difference:
        ledger = f"transactions: {len(self._ids)}" if self._ids else LOST
        return self._difference("not compared", None, None, ledger, reason)

    # What differs.

    def _found(self, records: Iterable[Transaction]) -> Iterator[tuple[Difference, StatementLine | None]]:
        """Yield what differs between these records and the statement, with the entry that tells of it."""
        records = list(records)
        expected = self._expected(records)
        ended = {(entry.verb, entry.receipt.reference): entry for entry in self._by_others}
        confirmed = self._confirmed(expected.values())
        for key, (record, step) in expected.items():
            told = self._told.get(key, [])
            own = _own(told, step) or ended.get((step.verb, step.receipt.reference)) or confirmed.get(key)
            if own is None:
                means = meaning.missing(self._provider, step), meaning.LOOK
                nothing = NO_CARD if self._gone else NOTHING
                yield self._difference("missing", record.id, key, self._words(step), nothing, means), None
            elif (own.verb, own.amount) != (step.verb, step.amount):
                means = meaning.other_amount(self._provider, step, own), meaning.LOOK
                yield self._difference("amount", record.id, key, self._words(step), self._words(own), means), own
            yield from self._doubled(record.id, key, own, told)
        explained = expected.keys() | _keys_of_unresolved(records)
        pending = {act.oid for record in records for act in record.acts if act.unresolved}
        for key, told in self._told.items():
            if key not in explained and _oid(key) not in pending:
                name = told[0].origin.transaction_id if told[0].origin else None
                means = meaning.unknown(self._provider, told[0]), meaning.LOOK
                yield self._difference("extra", name, key, NOTHING, self._words(told[0]), means), told[0]
                yield from self._doubled(name, key, told[0], told)
        for record in records:
            if record.unresolved is None:
                yield from self._by_others_of(record, list(confirmed.values()))

    def _confirmed(self, expected: Iterable[tuple[Transaction, DoneStep]]) -> dict[str, StatementLine]:
        """Return the entries that show no key and are what a person confirmed without naming it, by the step's key.

        They did the same, of the same amount, to the same payment, and no receipt names them: each is one step's.
        """
        steps = [step for _, step in expected]
        named = {(step.verb, step.receipt.reference) for step in steps}
        left = [entry for entry in self._by_others if (entry.verb, entry.receipt.reference) not in named]
        found: dict[str, StatementLine] = {}
        for step in steps:
            if step.receipt.reference or not step.reference or step.key in self._told:
                continue
            for position, entry in enumerate(left):
                if (entry.verb, entry.amount, entry.reference) == (step.verb, step.amount, step.reference):
                    found[step.key] = left.pop(position)
                    break
        return found

    def _doubled(
        self, transaction: str | None, key: str, own: StatementLine | None, told: list[StatementLine]
    ) -> Iterator[tuple[Difference, StatementLine | None]]:
        """Yield what was done again under the key of `own`, and was not undone since."""
        again = [entry for entry in told if entry is not own and entry.receipt.reference not in self._undone]
        if own is not None and again:
            references = ", ".join(entry.receipt.reference for entry in (own, *again))
            backend = f"{self._words(own)}, {1 + len(again)} times: {references}"
            means = meaning.double(self._provider, again)
            yield self._difference("double", transaction, key, self._words(own), backend, means), again[-1]

    def _by_others_of(
        self, record: Transaction, confirmed: Sequence[StatementLine]
    ) -> Iterator[tuple[Difference, StatementLine]]:
        """Yield what others did to what a transaction holds, has taken or has added, and the ledger does not know."""
        done = {(step.verb, step.receipt.reference) for act in record.acts for step in done_steps(act)}
        known = {reference for _, reference in done}
        # Where the backend keeps no notes, what they ended is known by its reference.
        unnoted = (entry for entry in self._by_others if entry.origin is None and entry.reference in known)
        for entry in (*self._of.get(record.id, ()), *unnoted):
            if entry.key or (entry.verb, entry.receipt.reference) in done or entry in confirmed:
                continue
            if entry.verb is Verb.VOID and (entry.origin or entry.amount == record.rest):
                held = record.state is State.AUTHORIZED
                if held and _ends_the_hold(record, entry):
                    means = meaning.voided(self._provider, entry.amount), meaning.REPAIR
                    ledger, backend = str(record.state), "voided by itself"
                    yield self._difference("state", record.id, None, ledger, backend, means), entry
            elif entry.receipt.reference in self._undone:
                pass  # they took it back again
            elif entry.reference in self._made and entry.reference not in known:
                pass  # they undid what was done twice
            else:
                yield self._elsewhere(record, entry), entry

    def _elsewhere(self, record: Transaction, entry: StatementLine) -> Difference:
        backend = f"{self._words(entry)} by others: {entry.receipt.reference}"
        if entry.verb is Verb.CAPTURE:
            ledger = f"{Verb.HOLD} {meaning.money(self._provider, record.rest)}"
            means = meaning.captured_elsewhere(self._provider, entry, record.id)
        elif entry.verb is Verb.REFUND:
            ledger, right = NOTHING, self._provable(record, entry) > 0
            means = meaning.given_back_elsewhere(self._provider, entry, record.id, right=right, rest=record.rest)
        else:
            ledger, means = NOTHING, (meaning.unknown(self._provider, entry), meaning.LOOK)
        return self._difference("elsewhere", record.id, None, ledger, backend, means)

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

        Older ones are left out of the comparison, others were opened while the backend was asked. Another provider on
        the same account has its own on the card.
        """
        parts = self._run.parts
        of_card = [
            name for provider in parts.registry.all() for name in parts.index.of_card(provider.id, self._card_id)
        ]
        opened = [_oid(key).partition("-r")[0] for key in self._told]  # an opening's key begins with its transaction
        return list(dict.fromkeys([*self._ids, *of_card, *self._of, *opened]))

    def _counts(self, found: Difference, entry: StatementLine | None, record: Transaction | None) -> bool:
        """Tell whether a difference is one of those that this run is about."""
        moments = [milliseconds(entry.date)] if entry else []
        if found.kind in ("extra", "double"):
            if not self._run.includes(record.date if record else moments[0]):
                return False
            if record is None and self._run.may_be_forgotten(self._last_of(found.transaction, moments[0])):
                return False
        if record is not None and found.key is not None:
            events = self._run.parts.storage.events(record.id)
            moments += [event["at"] for event in events if event.get("act") == _oid(found.key)]
        return not any(self._run.is_for_the_next(self._provider, moment) for moment in moments)

    def _last_of(self, transaction: str | None, moment: int) -> int:
        """Return when the backend last did one of our steps for a transaction; `moment` where it does not say."""
        own = (entry for entry in self._of.get(transaction or "", ()) if entry.key)
        return max((milliseconds(entry.date) for entry in own), default=moment)

    def _told_of(
        self, found: Difference, entry: StatementLine | None, record: Transaction | None
    ) -> Iterator[Difference]:
        nothing = record is None or record.came_to_nothing
        if found.kind == "extra" and entry is not None and entry.origin is not None and nothing:
            if lost := self._run.lost(self._provider, entry, self._of[entry.origin.transaction_id]):
                yield replace(lost, ledger=str(record.state)) if record else lost
        elif found.kind == "state" and record is not None:
            yield replace(found, repaired=self._run.repair and self._expire(record))
        elif found.kind == "elsewhere" and record is not None and entry is not None:
            repaired = self._run.repair and self._write_down(record, entry)
            yield replace(found, repaired=repaired)
            if repaired:
                yield from (one for one, _ in self._found(self._read([record.id])) if one.kind == "amount")
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
            own_oid=record.next_own_act(Reason.EXPIRED),
            caller=CALLER,
            one_step_at_a_time=self._provider.mapper.one_step_at_a_time,
            reason=Reason.EXPIRED,
            only=Part.RESERVED,  # what was settled in this very moment is not to be given back
        )
        result = self._run.parts.storage.append(record.address, self._provider.backend, new)
        # Without a lease nothing was written, or somebody else is at it.
        return result.lease is not None and self._resolve(result.transaction, result.lease)

    def _provable(self, record: Transaction, entry: StatementLine) -> int:
        """Return how much of what others gave back can be written down as a reversal.

        A reversal gives back what is reserved before what was settled: beside a part that is reserved, only all of it
        can be. Where the same was taken twice, what they gave back may be what was too much.
        """
        taken_twice = any(
            len(told) > 1 and any(one.receipt.reference == entry.reference for one in told)
            for told in self._told.values()
        )
        if entry.verb is not Verb.REFUND or taken_twice:
            return 0
        standing = record.amount - record.voided - record.refunded
        amount = min(entry.amount, standing)
        return amount if amount == standing or not record.rest else 0

    def _write_down(self, record: Transaction, entry: StatementLine) -> bool:
        """Write down as a reversal what others gave back; tell whether it is done. Nothing is sent for it."""
        amount = self._provable(record, entry)
        if not amount:
            return False
        self._provider.require_mapper()
        new = NewAct(
            kind=ActKind.REVERSAL,
            amount=amount,
            own_oid=record.next_own_act(Reason.ELSEWHERE),
            caller=CALLER,
            one_step_at_a_time=self._provider.mapper.one_step_at_a_time,
            reason=Reason.ELSEWHERE,
            done=(PlannedStep(entry.verb, amount, entry.reference, receipt=entry.receipt),),
            after_attempt=record.attempt,
        )
        result = self._run.parts.storage.append(record.address, self._provider.backend, new)
        return result.lease is not None and self._resolve(result.transaction, result.lease)

    # In words.

    def _difference(
        self,
        kind: Kind,
        transaction: str | None,
        key: str | None,
        ledger: str,
        backend: str,
        means: tuple[str, str] = ("", ""),
    ) -> Difference:
        """`means`: what it comes to in money, and what mends it."""
        return Difference(self._provider.id, self._card_id, transaction, key, kind, ledger, backend, False, *means)

    def _words(self, what: DoneStep | StatementLine) -> str:
        return meaning.words(self._provider, what)

    def _read(self, ids: Sequence[str]) -> list[Transaction]:
        storage = self._run.parts.storage
        return [record for start in range(0, len(ids), ROWS) for record in storage.load_many(ids[start : start + ROWS])]


def _ends_the_hold(record: Transaction, entry: StatementLine) -> bool:
    """Tell whether what others did ended what the transaction was opened with."""
    opening = record.acts[record.opened_by]
    if entry.origin:
        return entry.origin.oid == opening.oid
    return entry.reference in {step.receipt.reference for step in done_steps(opening)}


def _matters(record: Transaction) -> bool:
    """Tell whether VTEX knows of it: what was refused, on a card that never was, has nothing to be compared."""
    return record.state in KNOWN_TO_VTEX


def _keys_of_unresolved(records: Iterable[Transaction]) -> set[str]:
    unresolved = (record for record in records if record.unresolved is not None)
    return {step.key for record in unresolved for act in record.acts for step in done_steps(act)}


def _own(told: Sequence[StatementLine], step: DoneStep) -> StatementLine | None:
    """Return which of the entries under a step's key is the step's own; the first where none has its reference."""
    return next((entry for entry in told if entry.receipt.reference == step.receipt.reference), next(iter(told), None))


def _oid(key: str) -> str:
    """Return the act that a step's key belongs to."""
    return key.rpartition("-")[0]

"""Redis knows how records lie in Redis, and changes each in one atomic script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib import resources
from typing import Any, cast

from redis.client import Pipeline

from app.ledger import names
from app.ledger.storage import keys
from app.ledger.storage.commands import Change, Lease, LedgerTimes, Opening, Outcome
from app.ledger.storage.connection import Connection
from app.ledger.storage.records import (
    dump_act,
    dump_decision,
    dump_error,
    dump_memo,
    dump_record,
    dump_steps,
    load_record,
    steps_done,
)
from app.ledger.transaction import ActRecord, Address, Decision, PlannedStep, Reason, Record
from mappers.base import ActKind, MapperError

_SCRIPTS = ("open", "append", "lease", "record", "forget", "restore")


class Storage:
    """Transactions in Redis. Every method raises LedgerUnavailable when Redis cannot be reached in time."""

    def __init__(self, connection: Connection, times: LedgerTimes) -> None:
        self._connection = connection
        self._times = times
        folder = resources.files("app.ledger.storage") / "lua"
        prelude = (folder / "prelude.lua").read_text()
        self._scripts = {name: connection.script(prelude + (folder / f"{name}.lua").read_text()) for name in _SCRIPTS}

    @property
    def lease_seconds(self) -> float:
        return self._times.lease.total_seconds()

    # Money: one script each.

    def open(self, opening: Opening) -> Outcome:
        """Find or open a transaction: `found`, `conflict`, `card busy` or `opened` (then with a lease)."""
        oid = opening.id
        return self._run(
            "open",
            Address(opening.provider_id, opening.card_id, opening.id),
            kind=opening.kind,
            amount=opening.amount,
            holds=opening.holds,
            one_step_at_a_time=opening.one_step_at_a_time,
            oid=oid,
            act=dump_act(opening.kind, oid, opening.amount, opening.request_id, Reason.REQUEST, opening.actor),
            by=opening.actor,
            correlation=opening.correlation_id,
            index=keys.index_entries(opening.id, opening.request_id, opening.memo.order_id),
            fields={
                "provider": opening.provider_id,
                "card": opening.card_id,
                "operation": opening.operation,
                "request": opening.request_id,
                "amount": str(opening.amount),
                "currency": opening.currency,
                "holds": opening.holds,
                "memo": dump_memo(opening.memo),
                "ttl": str(_milliseconds(opening.authorization_ttl)),
            },
        )

    def append(self, address: Address, change: Change) -> Outcome:
        """Add a settlement or cancellation.

        Nothing was written: `missing`, `not due`, `found`, `conflict`, `busy`, `closed`, `exceeded`, `other part`,
        `card busy`.
        It was: `accepted`, `queued`, or `opened` (then with a lease).
        """
        oid = change.oid(address.id)
        return self._run(
            "append",
            address,
            kind=change.kind,
            amount=change.amount,
            one_step_at_a_time=change.one_step_at_a_time,
            accept=change.accept,
            only_if_due=change.only_if_due,
            only=change.only,
            by_caller=change.reason in (Reason.REQUEST, Reason.BY_HAND),
            oid=oid,
            act=dump_act(change.kind, oid, change.amount, change.request_id, change.reason, change.actor),
            by=change.actor or (None if change.reason is Reason.REQUEST else change.reason),
            correlation=change.correlation_id,
        )

    def take_lease(
        self,
        record: Record,
        *,
        one_step_at_a_time: bool,
        by: str | None = None,
        correlation_id: str | None = None,
        decision: Decision | None = None,
    ) -> Outcome:
        """Take over the first unresolved act: `missing`, `nothing`, `held`, `card busy`, `leased` (with a lease).

        `decision` is what a person found about a parked act; it is open again then.
        """
        return self._run(
            "lease",
            record.address,
            one_step_at_a_time=one_step_at_a_time,
            by=by,
            correlation=correlation_id,
            unpark=decision is not None,
            decided=decision and dump_decision(decision),
            detail=decision and str(decision),
        )

    def progress(self, record: Record, act: ActRecord, lease: Lease, steps: Sequence[PlannedStep]) -> Outcome:
        """Write that a step is done and the next is about to run: `ok`, or `stale` (another attempt took over)."""
        return self._record("progress", record, act, lease, steps)

    def finish(
        self,
        record: Record,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        *,
        remainder_ttl: timedelta,
        read_lag: timedelta,
        waited_for: bool,
        epoch: int = 0,
        balance: int = 0,
    ) -> Outcome:
        """Write that an act happened: `ok`, `late` (it had been refused), `stale`.

        For an authorization that the ledger itself holds, `balance` (minor units) was read at the backend after the
        card's `epoch` was: `moved` asks to read both again, `short` says the card cannot pay. What was taken less than
        `read_lag` ago may not show in it yet.
        """
        undo_oid = names.act_id(record.id, ActKind.REVERSAL, f"{Reason.LATE}-{act.number}")
        return self._record(
            "done",
            record,
            act,
            lease,
            steps,
            epoch=epoch,
            balance=balance,
            waited_for=waited_for,
            closed_as=record.closed_as,
            authorization_ttl=_milliseconds(record.authorization_ttl or timedelta()),
            remainder_ttl=_milliseconds(remainder_ttl),
            read_lag=_milliseconds(read_lag),
            undo=dump_act(ActKind.REVERSAL, undo_oid, record.amount, f"{Reason.LATE}-{act.number}", Reason.LATE, None),
            undo_oid=undo_oid,
        )

    def refuse(
        self,
        record: Record,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        error: MapperError,
        *,
        abandoned: bool = False,
    ) -> Outcome:
        """Write that an act certainly did not happen: `ok` or `stale`."""
        return self._record(
            "refused", record, act, lease, steps, error=dump_error(error), abandoned=abandoned, detail=str(error)
        )

    def park(
        self,
        record: Record,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        error: MapperError,
        retry: timedelta,
        *,
        clean: bool,
    ) -> Outcome:
        """Leave an act for a person, with the evidence: `ok` or `stale`.

        `clean`: certainly nothing was sent for its open step.
        """
        return self._record(
            "parked",
            record,
            act,
            lease,
            steps,
            error=dump_error(error),
            retry=_milliseconds(retry),
            clean=clean,
            detail=str(error),
        )

    def leave_unknown(
        self,
        record: Record,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        *,
        retry: timedelta,
        quiet_in: timedelta | None,
        clean: bool,
        wait_for_quiet: bool,
        detail: str,
    ) -> Outcome:
        """Give the lease back without an outcome: `ok` or `stale`.

        `quiet_in`: when nothing of ours can arrive any more, counted from now; None keeps the lease's own estimate.
        """
        return self._record(
            "unknown",
            record,
            act,
            lease,
            steps,
            retry=_milliseconds(retry),
            quiet_in=None if quiet_in is None else _milliseconds(quiet_in),
            quiet_was=lease.quiet_was,
            clean=clean,
            wait_for_quiet=wait_for_quiet,
            detail=detail,
        )

    # Reading.

    def load(self, transaction_id: str) -> Record | None:
        """Return a transaction, or None when Redis has none of that id."""
        key = keys.of_transaction(transaction_id)
        if key is None:
            return None
        fields = self._connection.call(lambda client: client.hgetall(key))
        return load_record(transaction_id, cast("Mapping[str, str]", fields)) if fields else None

    def load_many(self, transaction_ids: Sequence[str]) -> list[Record]:
        """Return those of the transactions that Redis has, in one round trip."""
        found = [(name, key) for name in transaction_ids if (key := keys.of_transaction(name))]

        def fill(pipeline: Pipeline) -> None:
            for _, key in found:
                pipeline.hgetall(key)

        rows = self._connection.pipeline(fill) if found else []
        return [load_record(name, fields) for (name, _), fields in zip(found, rows, strict=True) if fields]

    def events(self, transaction_id: str) -> list[dict[str, Any]]:
        """Return what happened to a transaction, oldest first: `{at, what, by, correlation, act, attempt, detail}`."""
        key = keys.of_transaction(transaction_id, "ev")
        if key is None:
            return []
        rows = cast("list[str]", self._connection.call(lambda client: client.lrange(key, 0, -1)))
        return [json.loads(row) for row in rows]

    def reserved(self, provider_id: str, card_id: str) -> int:
        """Return how much of the card the ledger itself holds, in minor units."""
        return self.standing(provider_id, card_id)[0]

    def standing(self, provider_id: str, card_id: str) -> tuple[int, int]:
        """Return how much of the card the ledger holds, and how much of that may be gone already, in minor units."""
        key = keys.of_card(provider_id, card_id)
        fields = self._connection.call(lambda client: client.hmget(key, "reserved", "taking"))
        reserved, taking = (int(field or 0) for field in cast("list[str | None]", fields))
        return reserved, taking

    def forget(self, record: Record) -> bool:
        """Delete a transaction that has been over for longer than the retention; tell whether it was."""
        return self._run("forget", record.address, index=_index(record)).word == "forgotten"

    def restore(self, record: Record) -> Record:
        """Write a transaction Redis has lost, and return it as it stands now; it may have come back by itself."""
        fields = dump_record(record)
        return self._run("restore", record.address, fields=fields, index=_index(record)).the_record()

    # Inside.

    def _run(self, script: str, address: Address, **arguments: Any) -> Outcome:
        times = self._times
        arguments |= {
            "id": address.id,
            "card": address.card_id,
            "lease": _milliseconds(times.lease),
            "abandon_after": _milliseconds(times.abandon_after),
            "retention": _milliseconds(times.retention),
        }
        payload = json.dumps({name: value for name, value in arguments.items() if value is not None})
        answer = self._scripts[script](keys.for_scripts(address), payload)
        return _outcome(address.id, answer, arguments.get("by"), arguments.get("correlation"))

    def _record(
        self, outcome: str, record: Record, act: ActRecord, lease: Lease, steps: Sequence[PlannedStep], **more: Any
    ) -> Outcome:
        return self._run(
            "record",
            record.address,
            outcome=outcome,
            number=act.number,
            oid=act.oid,
            attempt=lease.attempt,
            by=lease.by,
            correlation=lease.correlation_id,
            steps=dump_steps(steps) if steps else None,
            steps_done=steps_done(steps),
            **more,
        )


def _index(record: Record) -> list[str]:
    return keys.index_entries(record.id, record.request_id, record.memo.order_id)


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def _outcome(transaction_id: str, answer: list[Any], by: str | None, correlation_id: str | None) -> Outcome:
    word, now, flat, (epoch, _reserved, busy) = answer[:4]
    fields = dict(zip(flat[::2], flat[1::2], strict=True)) if isinstance(flat, list) else flat
    record = load_record(transaction_id, fields) if fields else None
    lease = None
    if record is not None and word in ("opened", "leased"):
        quiet_was, clean = answer[4:6]
        lease = Lease(
            attempt=record.attempt,
            conclusive=quiet_was <= now,
            clean=clean == "1",
            quiet_was=quiet_was,
            epoch=int(epoch),
            by=by,
            correlation_id=correlation_id,
        )
    taken_by = busy.rpartition(":tx:")[2] if busy else None
    return Outcome(word, record, lease, int(epoch), taken_by)

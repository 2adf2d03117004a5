"""Transactions in Redis, each changed in one atomic script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from importlib import resources
from typing import Any, TypeVar, cast

import structlog
from redis.client import Pipeline

from app.ledger import names
from app.ledger.caller import Caller
from app.ledger.errors import LedgerUnavailable, OtherBackend, OtherFormat
from app.ledger.milliseconds import milliseconds
from app.ledger.storage import keys, packing
from app.ledger.storage.answers import (
    AppendAnswer,
    ForgetAnswer,
    Lease,
    LeaseAnswer,
    MigrateAnswer,
    OpenAnswer,
    PackAnswer,
    RearmAnswer,
    RecordAnswer,
    RestoreAnswer,
    Result,
    Standing,
)
from app.ledger.storage.connection import Command, Connection
from app.ledger.storage.intents import LedgerTimes, NewAct, NewTransaction
from app.ledger.storage.json_text import compact
from app.ledger.storage.pace import Pace
from app.ledger.storage.packing import Unpacked, is_packed
from app.ledger.storage.records import (
    dump_act,
    dump_decision,
    dump_error,
    dump_memo,
    dump_steps,
    dump_transaction,
    load_transaction,
    other_format,
    steps_done,
    unpack,
)
from app.ledger.storage.stored import Stored, is_text, read_stored
from app.ledger.storage.terms import TermsStorage
from app.ledger.transaction import ActRecord, Address, Decision, PlannedStep, Reason, Transaction
from mappers.base import ActKind, MapperError, Memo
from mappers.deadline import steady_seconds
from providers.provider import Backend

log = structlog.get_logger()

# Which words each script may answer.
ANSWERS = {
    "open": OpenAnswer,
    "append": AppendAnswer,
    "lease": LeaseAnswer,
    "record": RecordAnswer,
    "forget": ForgetAnswer,
    "restore": RestoreAnswer,
    "migrate": MigrateAnswer,
    "rearm": RearmAnswer,
}

# Of a card; see FORMAT.md.
STANDING_FIELDS = (
    "epoch",
    "reserved",
    "taking",
    "upfront",
    "lagging",
    "lagging_until",
    "lagging_before",
    "lagging_before_until",
)

# Much longer than any read lag: until when something may be unseen stands in its key, which ends by itself after this.
UNSEEN_KEPT = timedelta(hours=1)

# What every script answers, before it changes anything, where another version wrote the transaction.
OTHER_FORMAT = "other format"

# The same, where the provider speaks to another backend than the transaction was opened at.
OTHER_BACKEND = "other backend"

# The same, where the transaction is packed: with it comes what is to be unpacked.
PACKED = "packed"

# How often a script is told what it found packed: somebody else may change it, and pack it again, meanwhile.
UNPACKINGS = 5

A = TypeVar(
    "A", OpenAnswer, AppendAnswer, LeaseAnswer, RecordAnswer, ForgetAnswer, RestoreAnswer, MigrateAnswer, RearmAnswer
)


class Storage:
    """Transactions in Redis. Every method raises LedgerUnavailable when Redis cannot be reached in time.

    What a script was told and what its answers mean stands in its first lines.
    """

    def __init__(self, connection: Connection, times: LedgerTimes) -> None:
        self._connection = connection
        self._times = times
        self._paces: dict[str, Pace] = {}  # of each server
        self.terms = TermsStorage(connection)
        folder = resources.files("app.ledger.storage") / "lua"
        prelude = (folder / "prelude.lua").read_text()
        self._scripts = {
            name: connection.script(prelude + (folder / f"{name}.lua").read_text(), name) for name in ANSWERS
        }
        self._pack_script = connection.script((folder / "pack.lua").read_text(), "pack")

    @property
    def lease_seconds(self) -> float:
        return self._times.lease.total_seconds()

    @property
    def retention(self) -> timedelta:
        return self._times.retention

    # Money: one script each.

    def open(self, new: NewTransaction, *, looked: bool = False) -> Result[OpenAnswer]:
        """Find or open a transaction; `looked`: the backend was asked for what Redis may have forgotten."""
        oid = new.id
        return self._run(
            OpenAnswer,
            "open",
            Address(new.provider_id, new.card_id, new.id),
            new.backend,
            new.caller,
            kind=new.kind,
            amount=new.amount,
            holds=new.holds,
            one_step_at_a_time=new.one_step_at_a_time,
            oid=oid,
            looked=looked,
            list=keys.completeness(new.provider_id, new.card_id)[1] if new.can_be_rebuilt else None,
            payers=new.payers,
            act=dump_act(new.kind, oid, new.amount, new.request_id, Reason.REQUEST, new.caller.name),
            index=_with_scores(keys.index_entries(new.id, new.request_id, new.memo.order_id)),
            memo=new.memo,
            fields={
                "provider": new.provider_id,
                "card": new.card_id,
                "operation": new.operation,
                "request_id": new.request_id,
                "amount": new.amount,
                "backend": str(new.backend),
                "holds": new.holds,
                "authorization_ttl": milliseconds(new.authorization_ttl),
            },
        )

    def append(self, address: Address, backend: Backend, new: NewAct) -> Result[AppendAnswer]:
        """Add a settlement or cancellation, or find it. Raises OtherBackend."""
        oid = new.oid(address.id)
        actor = new.caller.name if new.asked_for else None
        return self._run(
            AppendAnswer,
            "append",
            address,
            backend,
            new.caller,
            kind=new.kind,
            amount=new.amount,
            one_step_at_a_time=new.one_step_at_a_time,
            accept=new.accept,
            due_by=new.due_by,
            only=new.only,
            after_attempt=new.after_attempt,
            steps=dump_steps(new.done) if new.done else None,
            steps_done=len(new.done),
            by_caller=new.asked_for,
            oid=oid,
            act=dump_act(new.kind, oid, new.amount, new.request_id, new.reason, actor),
        )

    def take_lease(
        self, record: Transaction, caller: Caller, *, one_step_at_a_time: bool, decision: Decision | None = None
    ) -> Result[LeaseAnswer]:
        """Take the lease of the first unresolved act.

        `decision` is what a person found about a parked act; it is pending again then.
        """
        return self._run(
            LeaseAnswer,
            "lease",
            record.address,
            record.backend,
            caller,
            one_step_at_a_time=one_step_at_a_time,
            wanted=caller.starts_it,
            unpark=decision is not None,
            number=decision and decision.act,
            step=decision and decision.step,
            decision=decision and dump_decision(decision),
            detail=decision and str(decision),
        )

    def see_to(self, record: Transaction, act: ActRecord, caller: Caller) -> bool:
        """Note that somebody has seen to a refused act; tell whether it is one."""
        result = self._run(
            LeaseAnswer, "lease", record.address, record.backend, caller, seen_to=act.number, oid=act.oid
        )
        return result.answer is LeaseAnswer.SEEN_TO

    def progress(
        self, record: Transaction, act: ActRecord, lease: Lease, steps: Sequence[PlannedStep]
    ) -> Result[RecordAnswer]:
        """Write that a step is done and the next is about to run."""
        return self._record("progress", record, act, lease, steps)

    def take_at_once(
        self,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        *,
        one_step_at_a_time: bool,
        epoch: int,
        balance: int,
    ) -> Result[RecordAnswer]:
        """Write that an authorization which the ledger would hold is to be taken at once; its money is set aside.

        `balance` and `epoch` are those of `finish`.
        """
        more = {"one_step_at_a_time": one_step_at_a_time, "epoch": epoch, "balance": balance}
        return self._record("upfront", record, act, lease, (), **more)

    def finish(
        self,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        *,
        wanted: bool,
        remainder_ttl: timedelta,
        read_lag: timedelta,
        epoch: int = 0,
        balance: int = 0,
    ) -> Result[RecordAnswer]:
        """Write that an act happened. `wanted`: VTEX gets, or may have got, the id of what it opened.

        For an authorization that the ledger itself holds, `balance` (minor units) was read at the backend after the
        card's `epoch` was. What was taken less than `read_lag` ago may not show in it yet.
        """
        opened = names.opening_number(record.id, act.oid)
        undo_oid = names.own_act_id(record.id, Reason.LATE, act.number if opened is None else opened)
        return self._record(
            "done",
            record,
            act,
            lease,
            steps,
            epoch=epoch,
            balance=balance,
            wanted=wanted,
            closed_as=record.closed_as,
            authorization_ttl=milliseconds(record.authorization_ttl or timedelta()),
            remainder_ttl=milliseconds(remainder_ttl),
            read_lag=milliseconds(read_lag),
            unseen_kept=milliseconds(UNSEEN_KEPT),
            undo=dump_act(ActKind.REVERSAL, undo_oid, record.amount, "", Reason.LATE, None),
            undo_oid=undo_oid,
        )

    def refuse(
        self,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        error: MapperError,
        *,
        abandoned: bool = False,
        retry: timedelta | None = None,
    ) -> Result[RecordAnswer]:
        """Write that an act certainly did not happen. `retry`: the sweeper tries it again after that."""
        return self._record(
            "refused",
            record,
            act,
            lease,
            steps,
            error=dump_error(error),
            abandoned=abandoned,
            retry=None if retry is None else milliseconds(retry),
            detail=str(error),
        )

    def park(
        self,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        error: MapperError,
        retry: timedelta,
        *,
        nothing_sent: bool,
    ) -> Result[RecordAnswer]:
        """Leave an act for a person, with the evidence. `nothing_sent`: certainly nothing, for its open step."""
        return self._record(
            "parked",
            record,
            act,
            lease,
            steps,
            error=dump_error(error),
            retry=milliseconds(retry),
            nothing_sent=nothing_sent,
            detail=str(error),
        )

    def leave_unknown(
        self,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        *,
        retry: timedelta,
        in_flight: timedelta | None,
        nothing_sent: bool,
        detail: str,
    ) -> Result[RecordAnswer]:
        """Give the lease back without an outcome.

        `in_flight`: nothing that was sent arrives later than this from now; None keeps the lease's own estimate.
        """
        return self._record(
            "unknown",
            record,
            act,
            lease,
            steps,
            retry=milliseconds(retry),
            in_flight=None if in_flight is None else milliseconds(in_flight),
            in_flight_before=lease.in_flight_until,
            nothing_sent=nothing_sent,
            detail=detail,
        )

    def write(self, commands: Sequence[Command]) -> None:
        """Send these commands in one round trip; none of it is money."""
        if commands:
            self._connection.send(commands)

    # Reading.

    def load(self, transaction_id: str) -> Transaction | None:
        """Return a transaction, or None where Redis has none of that id."""
        key = keys.of_transaction(transaction_id)
        if key is None:
            return None
        (stored,) = read_stored(self._connection, [key])
        return load_transaction(transaction_id, stored) if stored else None

    def load_many(
        self, transaction_ids: Sequence[str], likely: Callable[[str], bool] | None = None
    ) -> list[Transaction]:
        """Return those of the transactions that Redis has; what another version wrote is left out.

        Of very many, only those that are `likely` to be wanted, by their text, are decoded.
        """
        found = [(name, key) for name in transaction_ids if (key := keys.of_transaction(name))]
        rows = read_stored(self._connection, [key for _, key in found])
        kept = ((name, stored) for (name, _), stored in zip(found, rows, strict=True) if stored)
        return list(_readable(kept, likely))

    def events(self, transaction_id: str) -> list[dict[str, Any]]:
        """Return what happened to a transaction, oldest first: `{at, what, by, correlation, act, attempt, detail}`."""
        if keys.of_transaction(transaction_id) is None:
            return []
        for _ in range(UNPACKINGS):
            ((stored, rows),) = self._with_events([transaction_id])
            if isinstance(stored, str) and is_packed(stored):
                rows = unpack(transaction_id, stored).events
            if rows or not stored:  # else it was packed until now
                break
        return [json.loads(row) for row in rows]

    def _with_events(self, transaction_ids: Sequence[str]) -> list[tuple[object, Sequence[str]]]:
        """Return what is stored of each transaction, a hash as the error that it is, and its history beside it."""

        def fill(pipeline: Pipeline) -> None:
            for name in transaction_ids:
                pipeline.lrange(keys.of_transaction(name, "ev") or "", 0, -1)
                pipeline.get(keys.of_transaction(name) or "")

        answers = self._connection.pipeline(fill, raise_on_error=False)
        return list(zip(answers[1::2], answers[::2], strict=True))

    def standing(self, account: str, card_id: str) -> Standing:
        """Return how a card of this account stands, for all providers that share it."""
        key = keys.standing_of_card(account, card_id)
        fields = self._connection.call(lambda client: client.hmget(key, *STANDING_FIELDS))
        epoch, reserved, taking, upfront, *windows = (int(field or 0) for field in cast("list[str | None]", fields))
        lagging = 0
        if any(windows):
            left = self._clock_for(key)
            lagging = sum(amount for amount, until in zip(windows[::2], windows[1::2], strict=True) if left(until))
        return Standing(epoch, reserved, taking, upfront, lagging)

    def card_made(self, account: str, card_id: str, read_lag: timedelta) -> None:
        """Note that a card was made just now: for `read_lag` the backend may not know it."""
        until = self._connection.now_milliseconds() + milliseconds(read_lag)
        key = keys.just_made(account, card_id)
        self._connection.call(lambda client: client.set(key, until, px=milliseconds(UNSEEN_KEPT)))

    def new_for(self, account: str, card_id: str) -> int:
        """Return for how many milliseconds yet the backend may not know a card, as it was made just now; mostly 0."""
        key = keys.just_made(account, card_id)
        until = self._connection.call(lambda client: client.get(key))
        return 0 if until is None else self._clock_for(key)(int(cast("str", until)))

    def _clock_for(self, key: str) -> Callable[[int], int]:
        """Return what tells for how long yet the backend may not show something: not until a day that only a clock
        knew which was ahead."""
        latest = self._pace_of(key).latest()
        now = self.now_milliseconds()
        passed = now if latest is None else min(now, latest)
        return lambda until: 0 if until > now + milliseconds(UNSEEN_KEPT) else max(0, until - passed)

    def forget(self, record: Transaction, *, due_by: int) -> bool:
        """Delete a transaction that by `due_by` has been over for longer than the retention; tell whether it was."""
        result = self._run(
            ForgetAnswer,
            "forget",
            record.address,
            record.backend,
            due_by=due_by,
            index=_index(record),
            names=[(key, field.hex()) for key, field in _names_of_packed(record)],
        )
        return result.answer is ForgetAnswer.FORGOTTEN

    def pack(self, transaction_ids: Sequence[str]) -> int:
        """Pack those of the transactions that are over; return how many they were."""
        found = self._with_events(transaction_ids) if transaction_ids else []
        packed = 0
        for name, (stored, events) in zip(transaction_ids, found, strict=True):
            if isinstance(stored, Exception):
                self.migrate([name])  # a hash: it is packed the next time
            elif isinstance(stored, str) and not is_packed(stored):
                packed += self._pack(name, stored, events)
        return packed

    def _pack(self, transaction_id: str, text: str, events: Sequence[str]) -> bool:
        value = packing.pack(transaction_id, text, events)
        if value is None:
            return False
        record = load_transaction(transaction_id, text)
        rows = keys.index_entries(record.id, record.request_id, record.memo.order_id)
        told = compact({"id": record.id, "text": packing.digest(text), "events": len(events)})
        answer = self._pack_script(
            keys.for_scripts(record.address, record.backend.account),
            told,
            value,
            keys.short(record.id),
            keys.packed_row(record.id, Unpacked(text, tuple(events)).last_changed),
            *(part for name, row in zip(_names_of_packed(record), rows, strict=True) for part in (*name, row)),
        )
        return PackAnswer(str(answer)) is PackAnswer.PACKED

    def restore(
        self, record: Transaction, *, in_totals: bool, over: Transaction | None = None, too_late: Sequence[str] = ()
    ) -> Transaction:
        """Write a transaction Redis has lost, or what it has lost of one that was abandoned before: `over` that.

        Return it as it stands now; it may have come back by itself.

        `too_late`: the oids of what opened it too late to count, which a person must see to. `in_totals`: the totals
        have lost it, too. Those of what was forgotten after the retention have it still.
        """
        return self._run(
            RestoreAnswer,
            "restore",
            record.address,
            record.backend,
            memo=record.memo,
            fields=dump_transaction(record),
            index=_with_scores(_index(record)),
            after_attempt=over.attempt if over else None,
            too_late=list(too_late),
            in_totals=in_totals,
        ).transaction

    def now_milliseconds(self) -> int:
        """Return Redis's time, and remember it: who has been idle knows nevertheless when it jumps."""
        asked_at = steady_seconds()
        now = self._connection.now_milliseconds()
        if not self._connection.is_cluster:  # there it is anybody's
            self._pace_of("").saw(now, asked_at)
        return now

    @property
    def clock_was_set_back(self) -> bool:
        """Tell whether Redis's clock was ahead, and something may be dated by it; until `clock_is_seen_to`."""
        return any(pace.was_set_back for pace in self._paces.values())

    def clock_is_seen_to(self) -> None:
        for pace in self._paces.values():
            pace.was_set_back = False

    def rearm(self, record: Transaction, longest: timedelta | None = None) -> None:
        """Let somebody look at a transaction when it is due, and not when a clock that was ahead said so.

        `longest`: the policy gives back no later what is left of it; None leaves that time as it is.
        """
        at_most = None if longest is None else milliseconds(longest)
        self._run(RearmAnswer, "rearm", record.address, record.backend, longest=at_most)

    def migrate(self, transaction_ids: Sequence[str]) -> int:
        """Write those of the transactions that format 2 wrote last in this format; return how many they were."""
        found = [(name, key) for name in transaction_ids if (key := keys.of_transaction(name))]
        rows = read_stored(self._connection, [key for _, key in found])
        old = [(name, stored) for (name, _), stored in zip(found, rows, strict=True) if stored and not is_text(stored)]
        migrated = 0
        for record in _readable(old):
            result = self._run(MigrateAnswer, "migrate", record.address, record.backend)
            migrated += result.answer is MigrateAnswer.MIGRATED
        return migrated

    def list_is_complete(self, provider_id: str, card_id: str) -> None:
        """Note that a card's list lacks nothing that the backend knows."""
        marks, mark = keys.completeness(provider_id, card_id)
        self._connection.call(lambda client: client.sadd(marks, mark))

    # Inside.

    def _run(
        self,
        answers: type[A],
        script: str,
        address: Address,
        backend: Backend,
        caller: Caller | None = None,
        memo: Memo | None = None,
        *,
        knows_memo: bool = False,
        **arguments: Any,
    ) -> Result[A]:
        """Run a script; `memo` is that of a new transaction, or, where it `knows_memo`, of the one at hand."""
        caller = caller or Caller.vtex()
        script_keys = keys.for_scripts(address, backend.account)
        pace = self._pace_of(script_keys[0])
        latest = pace.latest()
        arguments |= {
            "id": address.id,
            "provider": address.provider_id,
            "card": address.card_id,
            "backend": str(backend),
            "lease": milliseconds(self._times.lease),
            "abandon_after": milliseconds(self._times.abandon_after),
            "retention": milliseconds(self._times.retention),
            "by": caller.name,
            "correlation": caller.correlation_id,
            "knows_memo": knows_memo or None,
            "latest": latest,
        }
        new_memo = "" if memo is None or knows_memo else dump_memo(memo)
        reply, asked_at = self._reply(script, script_keys, arguments, new_memo)
        if reply[0] == OTHER_FORMAT:
            raise other_format(address.id, reply[1])
        if reply[0] == OTHER_BACKEND:
            raise other_backend(address, Backend.parse(reply[1]), backend)
        pace.saw(reply[1], asked_at)
        passed = reply[1] if latest is None else min(reply[1], latest)
        return _result(answers(reply[0]), address.id, reply, caller, memo, passed, doubted=pace.is_doubted)

    def _pace_of(self, key: str) -> Pace:
        return self._paces.setdefault(self._connection.server_of(key), Pace(self._times.lease))

    def _reply(
        self, script: str, script_keys: Sequence[str], arguments: dict[str, Any], new_memo: str
    ) -> tuple[list[Any], float]:
        """Return what a script answers, and when it was asked; it is told again, unpacked, what it finds packed."""
        run, told = self._scripts[script], {name: value for name, value in arguments.items() if value is not None}
        unpacked: tuple[str | bytes, ...] = ()
        for _ in range(1 + UNPACKINGS):
            asked_at = steady_seconds()
            reply = run(script_keys, compact(told), new_memo, *unpacked)
            if reply[0] != PACKED:
                return reply, asked_at
            whole = unpack(arguments["id"], reply[1])
            told |= {"unpacked": packing.digest(reply[1]), "over_since": whole.last_changed}
            row = keys.packed_row(arguments["id"], whole.last_changed)
            unpacked = (whole.text, "\n".join(whole.events), row)
        raise LedgerUnavailable("the transaction changes all the time: try again")

    def _record(
        self,
        outcome: str,
        record: Transaction,
        act: ActRecord,
        lease: Lease,
        steps: Sequence[PlannedStep],
        **more: Any,
    ) -> Result[RecordAnswer]:
        return self._run(
            RecordAnswer,
            "record",
            record.address,
            record.backend,
            lease.caller,
            record.memo,
            knows_memo=True,
            outcome=outcome,
            number=act.number,
            oid=act.oid,
            attempt=lease.attempt,
            steps=dump_steps(steps) if steps else None,
            steps_done=steps_done(steps),
            **more,
        )


def other_backend(address: Address, opened_at: Backend, backend: Backend) -> OtherBackend:
    return OtherBackend(
        f"transaction {address.id} was opened at {opened_at}, and provider {address.provider_id} is at {backend} now: "
        "put that back into providers.toml until its transactions are over"
    )


def _text(transaction_id: str, stored: Stored) -> str:
    """Return the text of a transaction; of a hash, what stands for it. Raises OtherFormat."""
    if not isinstance(stored, str):
        return json.dumps(dict(stored))
    return unpack(transaction_id, stored).text if is_packed(stored) else stored


def _readable(rows: Iterable[tuple[str, Stored]], likely: Callable[[str], bool] | None = None) -> Iterator[Transaction]:
    for name, stored in rows:
        try:
            if likely is None or likely(_text(name, stored)):
                yield load_transaction(name, stored)
        except OtherFormat as error:
            log.error("left out", transaction=name, reason=str(error))  # noqa: TRY400


def _index(record: Transaction) -> list[str]:
    return keys.index_entries(record.id, record.request_id, record.memo.order_id)


def _names_of_packed(record: Transaction) -> list[tuple[str, bytes]]:
    """Return the keys and fields under which it is found while it is packed, in the order of its rows in the index."""
    bucket = names.bucket_of_card(record.card_id)
    told = [("request", record.request_id), *([("order", order)] if (order := record.memo.order_id) else [])]
    found = (keys.name_of_packed(kind, value) for kind, value in told)
    return [(keys.in_bucket(bucket, name), field) for name, field in found]


def _with_scores(rows: Iterable[str]) -> list[str | int]:
    return [part for row in rows for part in (0, row)]


def _result(
    answer: A, transaction_id: str, reply: list[Any], caller: Caller, memo: Memo | None, passed: int, *, doubted: bool
) -> Result[A]:
    """Return what a reply says; `memo` is the transaction's where the reply has none. What lies before `passed` is
    certainly over; `doubted`: Redis's clock was set ahead lately."""
    _, _, head, written, standing, busy, *given = reply
    found = load_transaction(transaction_id, f"{head}\n{written}", memo) if head else None
    lease = None
    if found is not None and given:
        in_flight_until, nothing_sent, allowed, in_doubt = given
        lease = Lease(
            attempt=found.attempt,
            nothing_sent=nothing_sent == "1",
            silence_is_final=in_flight_until <= passed,
            in_flight_until=in_flight_until,
            standing=Standing(*map(int, standing)),
            caller=caller,
            date=passed,
            doubted=doubted or in_doubt == "1",
            allowed=allowed == "1",
        )
    return Result(answer, found, lease, Standing(*map(int, standing)), busy.rpartition(":tx:")[2] if busy else None)

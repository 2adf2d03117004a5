"""The store knows how records lie in Redis, and changes each in one atomic script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from app.ledger import names
from app.ledger.errors import StoreUnavailable
from app.ledger.records import dump_error, dump_memo, dump_steps, load_record, steps_done
from app.ledger.transaction import ActRecord, Operation, PlannedStep, Reason, Record
from mappers.base import ActKind, Holds, MapperError, Memo

_SCRIPTS = ("open", "append", "claim", "record", "forget")


@dataclass(frozen=True, slots=True)
class StoreTimes:
    """How long things last in the store; each is a setting."""

    lease: timedelta = timedelta(seconds=30)
    abandon_after: timedelta = timedelta(minutes=15)
    retention: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is needed to open a transaction."""

    provider_id: str
    card_id: str
    operation: Operation
    request_id: str
    amount: int
    currency: str
    holds: Holds
    memo: Memo
    authorization_ttl: timedelta
    one_step_at_a_time: bool
    actor: str | None = None
    correlation_id: str | None = None

    @property
    def id(self) -> str:
        return names.transaction_id(self.provider_id, self.card_id, self.operation, self.request_id)

    @property
    def kind(self) -> ActKind:
        return ActKind.DEBIT if self.operation is Operation.DEBIT else ActKind.CREDIT


@dataclass(frozen=True, slots=True)
class Change:
    """What is needed to add a settlement or cancellation."""

    kind: ActKind
    amount: int
    request_id: str
    one_step_at_a_time: bool
    reason: Reason = Reason.REQUEST
    accept: bool = False
    only_if_due: bool = False
    actor: str | None = None
    correlation_id: str | None = None

    def oid(self, transaction_id: str) -> str:
        return names.act_id(transaction_id, self.kind, self.request_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a transaction's first unresolved act until its lease is over.

    `conclusive`: nothing sent before can still arrive, so that "no trace of it" means it did not happen.
    `clean`: nothing was ever sent for the act's next step.
    """

    attempt: int
    conclusive: bool
    clean: bool
    quiet_was: int
    epoch: int  # of the card, before anything else is read


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script answered: its word, the transaction after it (None if there is none), and the card's standing."""

    word: str
    record: Record | None
    claim: Claim | None
    epoch: int
    card_taken_by: str | None

    def the_record(self) -> Record:
        if self.record is None:
            raise LookupError(f"the store answered {self.word!r} without a record")
        return self.record


def connect(url: str, timeout_seconds: float, connections: int) -> redis.Redis:
    """Return the one client, made on purpose: no retries of its own, as most commands must not repeat blindly."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        max_connections=connections,
        health_check_interval=0,
    )


class Store:
    """Transactions in Redis. Every method raises StoreUnavailable when the store cannot be reached in time."""

    def __init__(self, client: redis.Redis, times: StoreTimes) -> None:
        self._redis = client
        self._times = times
        folder = resources.files("app.ledger") / "lua"
        prelude = (folder / "prelude.lua").read_text()
        self._scripts: dict[str, Script] = {
            name: client.register_script(prelude + (folder / f"{name}.lua").read_text()) for name in _SCRIPTS
        }

    @property
    def lease_seconds(self) -> float:
        return self._times.lease.total_seconds()

    # Money: one script each.

    def open(self, opening: Opening) -> Outcome:
        """Find or open a transaction: `found`, `conflict`, `card busy` or `opened` (then with a claim)."""
        oid = opening.id
        return self._run(
            "open",
            opening.id,
            opening.provider_id,
            opening.card_id,
            kind=opening.kind,
            amount=opening.amount,
            holds=opening.holds,
            one_step_at_a_time=opening.one_step_at_a_time,
            oid=oid,
            act=_act(opening.kind, oid, opening.amount, opening.request_id, Reason.REQUEST, opening.actor),
            by=opening.actor,
            correlation=opening.correlation_id,
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

    def append(self, record: Record, change: Change) -> Outcome:
        """Add a settlement or cancellation.

        Nothing was written: `missing`, `not due`, `found`, `conflict`, `busy`, `closed`, `exceeded`, `card busy`.
        It was: `accepted`, `queued`, or `opened` (then with a claim).
        """
        oid = change.oid(record.id)
        return self._run(
            "append",
            record.id,
            record.provider_id,
            record.card_id,
            kind=change.kind,
            amount=change.amount,
            one_step_at_a_time=change.one_step_at_a_time,
            accept=change.accept,
            only_if_due=change.only_if_due,
            by_caller=change.reason in (Reason.REQUEST, Reason.BY_HAND),
            oid=oid,
            act=_act(change.kind, oid, change.amount, change.request_id, change.reason, change.actor),
            by=change.actor or (None if change.reason is Reason.REQUEST else change.reason),
            correlation=change.correlation_id,
        )

    def claim(self, record: Record, *, one_step_at_a_time: bool, by: str | None = None) -> Outcome:
        """Take over the first unresolved act: `missing`, `nothing`, `leased`, `card busy`, `claimed` (with a claim)."""
        return self._run(
            "claim", record.id, record.provider_id, record.card_id, one_step_at_a_time=one_step_at_a_time, by=by
        )

    def progress(self, record: Record, act: ActRecord, claim: Claim, steps: Sequence[PlannedStep]) -> Outcome:
        """Write that a step is done and the next is about to run: `ok`, or `stale` (another attempt took over)."""
        return self._record("progress", record, act, claim, steps)

    def finish(
        self,
        record: Record,
        act: ActRecord,
        claim: Claim,
        steps: Sequence[PlannedStep],
        *,
        remainder_ttl: timedelta,
        waited_for: bool,
        epoch: int = 0,
        balance: int = 0,
    ) -> Outcome:
        """Write that an act happened: `ok`, `late` (it had been refused), `stale`.

        For an authorisation that the ledger itself holds, `balance` (minor units) was read at the backend after the
        card's `epoch` was: `moved` asks to read both again, `short` says the card cannot pay.
        """
        undo_oid = names.act_id(record.id, ActKind.RELEASE, f"{Reason.LATE}-{act.number}")
        return self._record(
            "done",
            record,
            act,
            claim,
            steps,
            epoch=epoch,
            balance=balance,
            waited_for=waited_for,
            closed_as=record.closed_as,
            authorization_ttl=_milliseconds(record.authorization_ttl or timedelta()),
            remainder_ttl=_milliseconds(remainder_ttl),
            undo=_act(ActKind.RELEASE, undo_oid, record.amount, f"{Reason.LATE}-{act.number}", Reason.LATE, None),
            undo_oid=undo_oid,
        )

    def refuse(
        self,
        record: Record,
        act: ActRecord,
        claim: Claim,
        steps: Sequence[PlannedStep],
        error: MapperError,
        *,
        abandoned: bool = False,
    ) -> Outcome:
        """Write that an act certainly did not happen: `ok` or `stale`."""
        return self._record("refused", record, act, claim, steps, error=dump_error(error), abandoned=abandoned)

    def park(
        self,
        record: Record,
        act: ActRecord,
        claim: Claim,
        steps: Sequence[PlannedStep],
        error: MapperError,
        retry: timedelta,
    ) -> Outcome:
        """Leave an act for a person, with the evidence: `ok` or `stale`."""
        return self._record(
            "parked", record, act, claim, steps, error=dump_error(error), retry=_milliseconds(retry), detail=str(error)
        )

    def leave_unknown(
        self,
        record: Record,
        act: ActRecord,
        claim: Claim,
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
            claim,
            steps,
            retry=_milliseconds(retry),
            quiet_in=None if quiet_in is None else _milliseconds(quiet_in),
            quiet_was=claim.quiet_was,
            clean=clean,
            wait_for_quiet=wait_for_quiet,
            detail=detail,
        )

    # Reading.

    def load(self, transaction_id: str) -> Record | None:
        """Return a transaction, or None when the store has none of that id."""
        bucket = names.bucket_of_transaction(transaction_id)
        if bucket is None:
            return None
        fields = self._call(lambda: self._redis.hgetall(f"gb:{{b{bucket:03d}}}:tx:{transaction_id}"))
        return load_record(transaction_id, cast("Mapping[str, str]", fields)) if fields else None

    def events(self, transaction_id: str) -> list[dict[str, Any]]:
        """Return what happened to a transaction, oldest first: `{at, what, by, correlation, act, attempt, detail}`."""
        bucket = names.bucket_of_transaction(transaction_id)
        if bucket is None:
            return []
        key = f"gb:{{b{bucket:03d}}}:ev:{transaction_id}"
        return [json.loads(row) for row in cast("list[str]", self._call(lambda: self._redis.lrange(key, 0, -1)))]

    def transactions_of_card(self, provider_id: str, card_id: str) -> list[str]:
        """Return the ids of a card's authorised transactions, oldest first."""
        key = _card_keys(provider_id, card_id)["of_card"]
        return cast("list[str]", self._call(lambda: self._redis.zrange(key, 0, -1)))

    def reserved(self, provider_id: str, card_id: str) -> int:
        """Return how much of the card the ledger itself holds, in minor units."""
        key = _card_keys(provider_id, card_id)["card"]
        return int(cast("str | None", self._call(lambda: self._redis.hget(key, "reserved"))) or 0)

    # The due queue.

    def due(self, limit: int) -> Iterator[str]:
        """Yield the ids of transactions somebody must look at now, at most `limit` from each bucket."""
        now = self.now_milliseconds()

        def ask() -> list[list[str]]:
            with self._redis.pipeline(transaction=False) as pipeline:
                for bucket in range(names.BUCKETS):
                    pipeline.zrangebyscore(f"gb:{{b{bucket:03d}}}:due", "-inf", now, start=0, num=limit)
                return cast("list[list[str]]", pipeline.execute())

        for found in self._call(ask):
            yield from found

    def postpone(self, record: Record, delay: timedelta) -> None:
        """Look at a transaction again later; for what cannot be worked on now."""
        key = _keys(record.id, record.provider_id, record.card_id)[2]
        at = self.now_milliseconds() + _milliseconds(delay)
        self._call(lambda: self._redis.zadd(key, {record.id: at}, gt=True))

    def forget(self, record: Record) -> bool:
        """Delete a transaction that has been over for longer than the retention; tell whether it was."""
        return self._run("forget", record.id, record.provider_id, record.card_id).word == "forgotten"

    def now_milliseconds(self) -> int:
        seconds, microseconds = cast("tuple[int, int]", self._call(self._redis.time))
        return seconds * 1000 + microseconds // 1000

    # Counters and locks that hold no money.

    def lead(self, name: str, token: str, for_seconds: float) -> bool:
        """Become, or stay, the only process of the fleet that does `name`, for a while."""
        key = f"gb:lead:{name}"

        def attempt() -> bool:
            if self._redis.set(key, token, nx=True, px=int(for_seconds * 1000)):
                return True
            if self._redis.get(key) != token:
                return False
            return bool(self._redis.pexpire(key, int(for_seconds * 1000)))

        return bool(self._call(attempt))

    def misses(self, *counters: str) -> list[int]:
        """Return how often each counter was raised in its window."""
        rows = self._call(lambda: self._redis.mget([f"gb:{{misses}}:{name}" for name in counters]))
        return [int(row or 0) for row in cast("list[str | None]", rows)]

    def count_miss(self, window: timedelta, *counters: str) -> None:
        def attempt() -> None:
            with self._redis.pipeline(transaction=True) as pipeline:
                for name in counters:
                    pipeline.incr(f"gb:{{misses}}:{name}")
                    pipeline.expire(f"gb:{{misses}}:{name}", window, nx=True)
                pipeline.execute()

        self._call(attempt)

    # Whether it can be trusted with money.

    def complaints(self) -> list[str]:
        """Return why this store must not hold money, each with its remedy; empty when it may."""
        persistence = cast("dict[str, Any]", self._call(lambda: self._redis.info("persistence")))
        memory = cast("dict[str, Any]", self._call(lambda: self._redis.info("memory")))
        found = []
        if not int(persistence.get("aof_enabled", 0)):
            found.append("it keeps no append-only file and forgets reservations at a restart: set appendonly yes")
        if persistence.get("aof_last_write_status", "ok") != "ok":
            found.append("its append-only file cannot be written: look at its disk")
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            found.append(f"it may evict reservations (maxmemory-policy {policy}): set maxmemory-policy noeviction")
        return found

    # Inside.

    def _run(self, script: str, transaction_id: str, provider_id: str, card_id: str, **arguments: Any) -> Outcome:
        times = self._times
        arguments |= {
            "id": transaction_id,
            "lease": _milliseconds(times.lease),
            "abandon_after": _milliseconds(times.abandon_after),
            "retention": _milliseconds(times.retention),
        }
        payload = json.dumps({name: value for name, value in arguments.items() if value is not None})
        keys = _keys(transaction_id, provider_id, card_id)
        answer = cast("list[Any]", self._call(lambda: self._scripts[script](keys=keys, args=[payload])))
        return _outcome(transaction_id, answer)

    def _record(
        self, outcome: str, record: Record, act: ActRecord, claim: Claim, steps: Sequence[PlannedStep], **more: Any
    ) -> Outcome:
        return self._run(
            "record",
            record.id,
            record.provider_id,
            record.card_id,
            outcome=outcome,
            number=act.number,
            oid=act.oid,
            attempt=claim.attempt,
            steps=dump_steps(steps) if steps else None,
            steps_done=steps_done(steps),
            **more,
        )

    @staticmethod
    def _call(command: Any) -> Any:
        try:
            return command()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise StoreUnavailable("the store cannot be reached; nothing was started: try again") from error
        except redis.ResponseError as error:
            raise StoreUnavailable(f"the store refuses to work: {error}") from error


def _act(kind: ActKind, oid: str, amount: int, request_id: str, reason: Reason, actor: str | None) -> str:
    return json.dumps(
        {"kind": kind, "oid": oid, "amount": amount, "request": request_id, "reason": reason, "actor": actor}
    )


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def _card_keys(provider_id: str, card_id: str) -> dict[str, str]:
    tag = f"gb:{{b{names.bucket_of_card(provider_id, card_id):03d}}}"
    card = names.card_digest(provider_id, card_id)
    return {"tag": tag, "card": f"{tag}:card:{card}", "of_card": f"{tag}:of:{card}"}


def _keys(transaction_id: str, provider_id: str, card_id: str) -> list[str]:
    """Return the keys of a transaction in the order the scripts unpack them."""
    card = _card_keys(provider_id, card_id)
    tag = card["tag"]
    return [
        f"{tag}:tx:{transaction_id}",
        card["card"],
        f"{tag}:due",
        f"{tag}:ev:{transaction_id}",
        card["of_card"],
        f"{tag}:all",
        f"{tag}:parked",
    ]


def _outcome(transaction_id: str, answer: list[Any]) -> Outcome:
    word, now, flat, (epoch, _reserved, busy) = answer[:4]
    fields = dict(zip(flat[::2], flat[1::2], strict=True)) if isinstance(flat, list) else flat
    record = load_record(transaction_id, fields) if fields else None
    claim = None
    if record is not None and word in ("opened", "claimed"):
        act = record.open_act
        quiet_was = int(answer[4]) if len(answer) > 4 else 0
        fresh = word == "opened"
        claim = Claim(
            attempt=record.attempt,
            conclusive=fresh or quiet_was <= now,
            clean=(fresh and not (act and act.steps)) or bool(act and act.clean),
            quiet_was=quiet_was,
            epoch=int(epoch),
        )
    taken_by = busy.rpartition(":tx:")[2] if busy else None
    return Outcome(word, record, claim, int(epoch), taken_by)

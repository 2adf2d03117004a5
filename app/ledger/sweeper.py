"""Finishes what nobody came back for: unresolved acts, holds past their time, rests never settled."""

from __future__ import annotations

import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog

from app.ledger.caller import Caller
from app.ledger.clock import ClockWatch, Reading
from app.ledger.errors import LedgerError, LedgerUnavailable, OtherFormat
from app.ledger.executor import Executor, expect_same_backend
from app.ledger.storage.answers import Lease
from app.ledger.storage.connection import Fleet
from app.ledger.storage.history import History
from app.ledger.storage.index import Due, Index
from app.ledger.storage.intents import NewAct
from app.ledger.storage.storage import Storage
from app.ledger.transaction import ActState, Operation, Part, Reason, State, Transaction
from app.ledger.watch import Watch
from mappers import confidential
from mappers.base import ActKind, BackendUnavailable, MapperError, OutcomeUnknown
from mappers.deadline import Deadline
from providers.provider import Provider
from providers.registry import Registry

log = structlog.get_logger()

CALLER = Caller.background("sweeper")

# A transaction that is not over waits for somebody to put its provider back into providers.toml.
ORPHAN_DELAY = timedelta(hours=1)

# What may have been settled without Redis knowing it any more waits for a person; see history.py.
DOUBT_DELAY = timedelta(hours=1)

# The lead is renewed each pass and lost after this many missed ones.
LEAD_PASSES = 4

# What of a fleet one process does at a time.
LEAD = "sweeper"

# Providers that are worked off at a time. Each mostly waits for its backend, and shares the processor with shoppers.
TURNS_AT_A_TIME = 4

# Then others that wait for their turn have one; the next pass goes on with what is left.
TURN_SECONDS = 10.0

# Expired, abandoned or forgotten in a pass, of all providers: 36,000 an hour, which is more than stores need. Where the
# clocks are wrong from the start on, which nothing shows, it takes hours to end everything, and not one pass.
ENDINGS_PER_PASS = 50

# What has been over for so long is packed: by then VTEX has asked again for whatever it had no answer to.
PACK_AFTER = timedelta(hours=1)

# Packed in a pass, and between two looks at whether to go on: packing uses the processor, which shoppers need.
PACKED_PER_PASS = 200
PACKED_AT_A_TIME = 20

# The turn that is no provider's.
PACKING = ""

TOUCHED = "touched meanwhile"
IN_DOUBT = "in doubt"

MakePool = Callable[[int], futures.Executor]


@dataclass(slots=True)
class Pass:
    """What one pass did: how many transactions ended how."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items())) or "nothing was due"


class _NothingMayEnd(Exception):
    """Whatever is due by its time waits for another pass."""


@dataclass(frozen=True, slots=True)
class Endings:
    """What one pass may do by time alone: there is no way back."""

    reading: Reading
    left: threading.Semaphore

    def take(self) -> None:
        """Raises _NothingMayEnd where the clock is in doubt, or the pass has ended enough."""
        if self.reading.doubt:
            raise _NothingMayEnd("kept, since the clock is in doubt")
        if not self.left.acquire(blocking=False):
            raise _NothingMayEnd("left for the next pass")

    def put_back(self) -> None:
        self.left.release()


class Sweeper:
    """Works off the due queue, in threads of its own. Of all sweepers on one Redis, one leads at a time.

    What is due of one provider is one turn. Turns run side by side, and a pass does not wait for those of an earlier
    one. Providers whose backend was silent in their last turn wait for each other only.
    """

    def __init__(
        self,
        storage: Storage,
        index: Index,
        fleet: Fleet,
        clock: ClockWatch,
        executor: Executor,
        registry: Registry,
        history: History | None = None,
        *,
        interval_seconds: float,
        deadline_seconds: float,
        make_pool: MakePool = futures.ThreadPoolExecutor,
        watch: Watch | None = None,
    ) -> None:
        self._storage = storage
        self._index = index
        self._fleet = fleet
        self._clock = clock
        self._executor = executor
        self._registry = registry
        self._history = history
        self._watch = watch or Watch()
        self._interval_seconds = interval_seconds
        self._deadline_seconds = deadline_seconds
        self._lead_lasts = timedelta(seconds=LEAD_PASSES * interval_seconds + deadline_seconds)
        self._lead: Deadline | None = None  # none is needed to sweep once
        self._token = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool, self._pool_of_silent = make_pool(TURNS_AT_A_TIME), make_pool(TURNS_AT_A_TIME)
        self._turns: dict[str, futures.Future[Counter[str]]] = {}
        self._silent: set[str] = set()
        self._rearmed_in_doubt = False
        self._next = 0  # where the next pass looks for what is due
        self._next_over = 0  # and for what is to be packed

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep_sweeping, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the transactions at hand."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self._deadline_seconds)
        for pool in (self._pool, self._pool_of_silent):
            pool.shutdown()
        with suppress(LedgerUnavailable):
            if self._history is not None:
                self._history.stop()
            self._fleet.leave(LEAD, self._token)

    def _keep_sweeping(self) -> None:
        while not self._stopping.wait(self._interval_seconds):
            try:
                # All of them watch the clock, so that who leads next knows of a jump, too.
                reading = self._clock.look()
                if self._leads():
                    for turn in self._begin(reading):
                        turn.add_done_callback(self._turn_ended)
                    self._watch.pass_began()
            except LedgerUnavailable as error:
                log.warning("sweep failed", reason=str(error))
            except Exception:
                log.exception("sweep failed")

    def _turn_ended(self, turn: futures.Future[Counter[str]]) -> None:
        if (error := turn.exception()) is not None:
            log.warning("sweep failed", reason=str(error))
        else:
            self._watch.turn_ended(turn.result())

    def _leads(self) -> bool:
        """Become the leader, or stay it."""
        lead = Deadline.after(self._lead_lasts.total_seconds())
        leads = self._fleet.lead(LEAD, self._token, self._lead_lasts)
        self._lead = lead if leads else Deadline.after(0)
        return leads

    def sweep_once(self) -> Pass:
        """Look once at everything that is due, and return when that is done. Raises LedgerUnavailable."""
        done = Pass()
        turns = list(self._begin(self._clock.look()))
        try:
            futures.wait(turns)
        except KeyboardInterrupt:
            self._stopping.set()  # who gives up waits for the transactions at hand, not for all that is due
            raise
        for turn in turns:
            done.counts += turn.result()
        return done

    def _begin(self, reading: Reading) -> Iterator[futures.Future[Counter[str]]]:
        """Begin a turn of each provider of which something is due, and that is not at it already."""
        self._see_to_dates(reading)
        found: defaultdict[str, list[Due]] = defaultdict(list)
        rows_of_all, self._next = self._index.due(reading.now, self._next)
        to_pack, to_forget = self._index.over(reading.now, self._storage.retention, PACK_AFTER, self._next_over)
        for due in (*rows_of_all, *to_forget):
            found[due.provider_id].append(due)
        if self._history is not None:
            self._history.look()
        endings = Endings(reading, threading.Semaphore(ENDINGS_PER_PASS))
        if self._is_free(PACKING) and not reading.doubt and (to_pack or self._next_over):
            self._turns[PACKING] = turn = self._pool.submit(self._pack, to_pack[:PACKED_PER_PASS])
            yield turn
        for provider_id, rows in found.items():
            if not self._is_free(provider_id):
                continue
            pool = self._pool_of_silent if provider_id in self._silent else self._pool
            self._turns[provider_id] = turn = pool.submit(self._turn, provider_id, sorted(rows), endings)
            yield turn

    def _see_to_dates(self, reading: Reading) -> None:
        """Let nothing wait for a moment that was written while Redis's clock was ahead.

        While the clock is in doubt only what is unresolved is seen to: it may be behind, and what ends by its time
        would end too early.
        """
        ahead = self._history.dated_ahead() if self._history else None
        wanted = bool(self._storage.clock_was_set_back or ahead)
        if wanted and not (reading.doubt and self._rearmed_in_doubt):
            self._rearm(reading)
        self._rearmed_in_doubt = wanted and reading.doubt is not None
        if wanted and not reading.doubt:
            self._storage.clock_is_seen_to()
            if self._history and ahead:
                self._history.is_seen_to(ahead)

    def _rearm(self, reading: Reading) -> None:
        for page in self._index.due_after(reading.now):
            for record in self._storage.load_many(page):
                provider = self._registry.get(record.provider_id)
                rest_ttl = provider.policy.remainder_ttl if provider else timedelta()
                longest = max(record.authorization_ttl or timedelta(), rest_ttl)
                if not reading.doubt:
                    self._storage.rearm(record, longest)
                elif record.unresolved is not None:
                    self._storage.rearm(record)

    def _is_free(self, whose: str) -> bool:
        return whose not in self._turns or self._turns[whose].done()

    def _pack(self, ids: Sequence[str]) -> Counter[str]:
        """Pack what has been over for a while; the next pass goes on."""
        packed = 0
        for start in range(0, len(ids), PACKED_AT_A_TIME):
            if self._must_stop():
                break
            packed += self._storage.pack(ids[start : start + PACKED_AT_A_TIME])
        # What cannot be packed does not stand in the way of the rest.
        self._next_over = self._next_over + 1 if packed < len(ids) else 0
        return Counter({"packed": packed} if packed else {})

    def _turn(self, provider_id: str, rows: Sequence[Due], endings: Endings) -> Counter[str]:
        """Work off what is due of a provider, until its backend is silent, its time is over or nothing more may end."""
        counts: Counter[str] = Counter()
        time = Deadline.after(TURN_SECONDS)
        for position, due in enumerate(rows):
            if self._must_stop():
                break
            try:
                counts[self._sweep_one(due, endings)] += 1
            except _NothingMayEnd as reason:
                # Nor may what follows: acts that are unresolved came first.
                counts[str(reason)] += len(rows) - position
                log.warning("not ended", provider=provider_id, transactions=len(rows) - position, reason=str(reason))
                break
            except LedgerUnavailable:
                raise
            except (MapperError, LedgerError) as error:
                counts["left for later"] += 1
                log.warning("left for later", transaction=due.id, provider=provider_id, reason=str(error))
                if _is_silence(error):
                    self._silent.add(provider_id)
                    return counts
            except Exception:
                # One that nobody thought of must not keep the others waiting.
                counts["failed"] += 1
                log.exception("sweep failed", transaction=due.id)
            if time.passed():
                break
        self._silent.discard(provider_id)
        return counts

    def _must_stop(self) -> bool:
        # What is begun now is over before the lead is.
        lost = self._lead is not None and self._lead.remaining_seconds() <= self._deadline_seconds
        return lost or self._stopping.is_set()

    def _sweep_one(self, due: Due, endings: Endings) -> str:
        confidential.forget()
        try:
            record = self._storage.load(due.id)
        except OtherFormat as error:
            log.error("in another format", transaction=due.id, reason=str(error))  # noqa: TRY400
            self._index.postpone(due.id, ORPHAN_DELAY)
            return "in another format"
        if record is None or (record.unresolved is None and not due.resolved):
            return TOUCHED
        return self._sweep(record, endings)

    def _sweep(self, record: Transaction, endings: Endings) -> str:
        reason = _why_voided(record)
        if record.unresolved is None and reason is None:
            return self._end(endings, partial(self._forget, record, endings))  # whatever became of its provider
        provider = self._registry.get(record.provider_id)
        if provider is None:
            log.error("no such provider", provider=record.provider_id, transaction=record.id)
            self._index.postpone(record.id, ORPHAN_DELAY)
            return "without a provider"
        deadline = Deadline.after(self._deadline_seconds)
        if reason is None or record.unresolved is not None:
            resolved = self._resolve(provider, record, deadline)
            return "abandoned" if resolved.state is State.ABANDONED else "resolved"
        provider.require_mapper()
        expect_same_backend(provider, record)  # before it counts: else those left behind use up each pass
        return self._end(endings, partial(self._give_back, provider, record, reason, endings, deadline))

    @staticmethod
    def _end(endings: Endings, end: Callable[[], str]) -> str:
        endings.take()
        ended = end()
        if ended in (TOUCHED, IN_DOUBT):
            endings.put_back()
        return ended

    # What ends by its time: the pass's own time is compared, whatever Redis's clock says by now.

    def _forget(self, record: Transaction, endings: Endings) -> str:
        return "forgotten" if self._storage.forget(record, due_by=endings.reading.now) else TOUCHED

    def _give_back(
        self, provider: Provider, record: Transaction, reason: Reason, endings: Endings, deadline: Deadline
    ) -> str:
        """Give back what its time is over for."""
        # Not by the pass's own look: the transaction may be what another server has, that took over since.
        doubts = self._history.recent() if self._history else ()
        if any(doubt.concerns(record) for doubt in doubts):
            log.error("not given back: Redis may have forgotten a settlement", transaction=record.id)
            self._index.postpone(record.id, DOUBT_DELAY)
            return IN_DOUBT
        amount = record.amount if reason is Reason.LATE else record.rest
        before = record.refused_before(reason, amount)
        new = NewAct(
            kind=ActKind.REVERSAL,
            amount=amount,
            one_step_at_a_time=provider.mapper.one_step_at_a_time,
            reason=reason,
            own_oid=before.oid if before else record.next_own_act(reason),
            due_by=endings.reading.now,
            only=Part.RESERVED,  # whatever was settled while this process stood still
            caller=CALLER,
        )
        result = self._storage.append(record.address, provider.backend, new)
        if result.lease is None:
            return TOUCHED
        resolved = self._resolve(provider, result.transaction, deadline, result.lease)
        act = resolved.act_named(new.oid(record.id))
        return "refused" if act is None or act.state is ActState.REFUSED else str(reason)

    def _resolve(
        self, provider: Provider, record: Transaction, deadline: Deadline, lease: Lease | None = None
    ) -> Transaction:
        return self._executor.resolve(provider, record, deadline, CALLER, lease)


def _why_voided(record: Transaction) -> Reason | None:
    """Return why the ledger would give back now what is left, None where it would not."""
    if record.not_undone is not None:
        return Reason.LATE
    if record.state is not State.AUTHORIZED or (record.operation is Operation.CREDIT and record.acknowledged):
        return None
    if not record.acknowledged:
        return Reason.ABANDONED
    return Reason.REMAINDER if record.captured else Reason.EXPIRED


def _is_silence(error: MapperError | LedgerError) -> bool:
    """Tell whether the next question would most likely wait in vain, too."""
    return isinstance(error, BackendUnavailable) or (isinstance(error, OutcomeUnknown) and not error.answered)

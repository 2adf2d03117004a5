"""Plays every interleaving of a scope on one kind of backend: depth first, each state once."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest import mock

from app.ledger import lost_answers
from app.ledger.errors import LedgerUnavailable
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage import keys
from app.ledger.storage.records import load_transaction
from app.ledger.transaction import ActState, Transaction
from app.ledger.transaction import Operation as Direction
from app.ledger.transaction import State as TransactionState
from mappers.deadline import Deadline
from tests.explorer.picture import BackendPicture, Camera, RedisPicture
from tests.explorer.scopes import Request, Scope
from tests.explorer.world import (
    FAULTS,
    MONEY_DEADLINE_MS,
    Kind,
    Message,
    Outcome,
    Place,
    Player,
    State,
)
from tests.simulation import kinds
from tests.simulation.backend_model import CARDS
from tests.simulation.faults import LATEST_ARRIVAL_MS, LEASE_SECONDS, READ_LAG_MS, PlannedFault, PlannedFaultInjector
from tests.simulation.invariant_checker import standing
from tests.simulation.invariants import ALWAYS, AT_THE_END, WHEN_RESOLVED, Snapshot, broken
from tests.simulation.runner import running_redis
from tests.simulation.safeties import Safety
from tests.simulation.system import MAXIMUM_PASSES, SWEEP_INTERVAL_MS, System, build_system
from tests.simulation.workload import REFUSALS, RETRYABLE, UNANSWERED, Answer

CARD = CARDS[0]
SWEEPER = 2  # the place after those of the two workers

# Whoever waits looks again this often: at the end of it at the latest it finds what the other left.
PAUSE_SECONDS = 5.0

# What has been over for longer is forgotten.
HORIZON_MS = 30 * 86_400_000

# How late something may arrive where the backend does not keep its bounds.
MUCH_TOO_LATE_MS = 4 * LEASE_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class Move:
    """What may happen next: an actor moves, a message arrives, or time passes."""

    actor: int | None = None
    outcome: Outcome = Outcome.DONE
    message: Message | None = None


@dataclass
class Found:
    """What an exploration came to."""

    states: int = 0
    moves: int = 0
    ends: int = 0
    broken: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    complete: bool = False

    def __str__(self) -> str:
        return "\n".join([*self.story, *(f"BROKEN {what}" for what in self.broken)])


class _Faults(PlannedFaultInjector):
    """None but those of the budget: the models ask it only how far their reads lag."""

    def __init__(self, *, lag_ms: int) -> None:
        super().__init__(PlannedFault())
        self._lag_ms = lag_ms

    def lag(self) -> int:
        return self._lag_ms


class Explorer:
    """One scope on one system."""

    def __init__(self, system: System, scope: Scope) -> None:
        self._system = system
        self._scope = scope
        self._environment = system.environment
        self._camera = Camera(system.client, system.environment)
        self._player = Player(system.environment, latest_ms=LATEST_ARRIVAL_MS if scope.bounded else MUCH_TOO_LATE_MS)
        self._redis: RedisPicture | None = None  # what Redis holds now
        self._backend: BackendPicture | None = None
        self._sweeper = dict(vars(system.sweepers[0]))
        for parts in system.processes:
            parts.executor._doubts = tuple  # Redis forgets nothing here: to ask whether it did would be moves more

    def explore(self, most_states: int) -> Found:
        """Visit every state, at most so many; stop at the first that breaks something."""
        found = Found()
        with self._player.instead_of_the_scheduler(), quick_waits(self._system):
            first = self._begin()
            visited, ended = {first.key()}, set[bytes]()
            stack: list[tuple[State, Iterator[Move]]] = [(first, self._moves(first))]
            found.states = 1
            while stack:
                state, moves = stack[-1]
                move = next(moves, None)
                if move is None:
                    stack.pop()
                    continue
                found.moves += 1
                after = self._after(state, move)
                key = after.key()
                if key in visited:
                    continue
                visited.add(key)
                found.states += 1
                wrong = self._wrong_now(after)
                if not wrong and self._may_end(after) and (end := after.end_key()) not in ended:
                    ended.add(end)
                    found.ends += 1
                    wrong = self._wrong_in_the_end(after)
                if wrong:
                    found.broken, found.story = wrong, after.story()
                    return found
                if found.states >= most_states:
                    return found
                stack.append((after, self._moves(after)))
        found.complete = True
        return found

    # Where it begins.

    def _begin(self) -> State:
        system, scope = self._system, self._scope
        system.reset(0)
        self._environment.faults = _Faults(lag_ms=READ_LAG_MS if scope.lags else 0)
        self._environment.after_script = lambda _keys, _answer: None
        object.__setattr__(system.provider.policy, "settle", "accept" if scope.accept else "capture")
        answers: list[Answer] = []
        for request in scope.before:
            answers.append(self._ask(request, tuple(answers), 0)())
        assert all(answer.outcome == "done" for answer in answers)
        if scope.packed:
            over, _ = system.parts.index.over(system.scheduler.now, system.storage.retention, timedelta())
            assert over
            assert system.storage.pack(over) == len(over)
        places = (Place(), Place(), Place())
        self._redis, self._backend = self._camera.of_redis(), self._camera.of_backend(system.backend)
        now = system.scheduler.now
        return State(now, 1, self._redis, self._backend, places, (), tuple(answers), scope.budget, None, "begins")

    # What may happen.

    def _moves(self, state: State) -> Iterator[Move]:
        budget = state.budget
        for actor, place in enumerate(state.places):
            if not self._may_move(state, actor):
                continue
            yield Move(actor)
            if budget.faults:
                yield from (Move(actor, outcome) for outcome in FAULTS[place.next.kind])
            if budget.crashes and place.given:
                yield Move(actor, Outcome.CRASH)
                if place.next.kind is Kind.WRITE:
                    yield Move(actor, Outcome.CRASH_UNDER_WAY)
        for message in state.under_way:
            yield Move(message=message)
        if self._next_moment(state) is not None:
            yield Move()

    def _may_move(self, state: State, actor: int) -> bool:
        place = state.places[actor]
        if place.next.kind is Kind.SLEEP and place.next.wake > state.now:
            return False
        if actor == SWEEPER and not place.given:
            return bool(state.budget.passes) and any(
                moment <= state.now for moment in state.redis.queue("due").values()
            )
        return actor == SWEEPER or not self._is_over(state, actor)

    def _next_moment(self, state: State) -> int | None:
        """Return when something happens by itself next, None where time may not pass before something else happens."""
        if len(self._would_stall(state)) > state.budget.stalls:
            return None
        moments = [place.next.wake for place in state.places if place.next.kind is Kind.SLEEP]
        moments += [message.latest for message in state.under_way]
        if state.budget.passes and not state.places[SWEEPER].given:
            moments += state.redis.queue("due").values()
        if any(self._may_move(state, actor) for actor in range(len(state.places))):
            # Whoever could move may do so after any moment that is written anywhere.
            moments += (*state.redis.form.moments, *state.backend.form.moments)
        if any(message.latest <= state.now for message in state.under_way):
            return None
        return min((moment for moment in moments if state.now < moment < state.now + HORIZON_MS), default=None)

    def _would_stall(self, state: State) -> list[int]:
        """Return who could move, or begin, and is not known to stall yet."""
        return [actor for actor, place in enumerate(state.places) if not place.stalls and self._may_move(state, actor)]

    def _after(self, state: State, move: Move) -> State:
        if move.message is not None:
            return self._arrive(state, move.message)
        if move.actor is None:
            return self._pass_time(state)
        if move.outcome is Outcome.CRASH:
            return self._crash(state, move.actor)
        return self._play(state, move.actor, move.outcome)

    def _pass_time(self, state: State) -> State:
        moment = self._next_moment(state)
        assert moment is not None
        fresh = self._would_stall(state)
        places = tuple(
            replace(place, stalls=True) if actor in fresh else place for actor, place in enumerate(state.places)
        )
        budget = replace(state.budget, stalls=state.budget.stalls - len(fresh))
        how = f"{(moment - state.now) / 1000} s pass" + "".join(f", {self._name(state, one)} stalls" for one in fresh)
        return replace(state, now=moment, places=places, budget=budget, parent=state, how=how)

    def _arrive(self, state: State, message: Message) -> State:
        self._show_backend(state)
        self._system.scheduler.now = state.now
        message.effect()
        left = tuple(one for one in state.under_way if one is not message)
        self._backend = self._camera.of_backend(self._system.backend)
        how = f"arrives: {message.label}"
        return replace(state, backend=self._backend, under_way=left, parent=state, how=how, moves=state.moves + 1)

    def _crash(self, state: State, actor: int) -> State:
        how = f"{self._name(state, actor)} crashes before {state.places[actor].next.label}"
        budget = replace(state.budget, crashes=state.budget.crashes - 1)
        places = self._placed(state, actor, self._next_request(state.places[actor], None))
        answers = (*state.answers, *self._answered(state, actor, None))
        return replace(
            state, places=places, answers=answers, budget=budget, parent=state, how=how, moves=state.moves + 1
        )

    def _answered(self, state: State, actor: int, answer: Answer | None) -> list[Answer]:
        """Return what became of a request: one that crashed may be done all the same, and VTEX knows that it asked."""
        if answer is not None:
            answer.answered_at = state.moves
            return [answer]
        if actor == SWEEPER:
            return []
        place = state.places[actor]
        request = self._request(place, actor)
        mine = "" if request.what == "authorize" else _known(state.answers, request.order)
        return [Answer(request.what, mine, request.request_id, request.amount, place.asked)]

    def _play(self, state: State, actor: int, outcome: Outcome) -> State:
        place, name = state.places[actor], self._name(state, actor)
        if not place.given:
            place = replace(place, began_at=state.now, asked=state.moves)
        redis = self._camera.around(None if self._redis is state.redis else state.redis)
        if place.next.kind is Kind.REDIS:
            self._redis = None
        else:
            self._show_backend(state)
        body = self._sweep if actor == SWEEPER else self._ask(self._request(place, actor), state.answers, place.asked)
        moved = self._player.move(body, state, place, outcome, name, redis)
        answers = state.answers
        if moved.over:
            place = self._next_request(place, moved.answer)
            answers = (*answers, *self._answered(state, actor, moved.answer))
        else:
            place = replace(place, given=moved.given, next=moved.next, stalls=False)
        budget = state.budget
        if outcome is Outcome.CRASH_UNDER_WAY:
            budget = replace(budget, crashes=budget.crashes - 1)
        elif outcome is not Outcome.DONE:
            budget = replace(budget, faults=budget.faults - 1)
        if actor == SWEEPER and not state.places[actor].given:
            budget = replace(budget, passes=budget.passes - 1)
        how = f"{name}: {moved.did}" + (f" ({outcome})" if outcome is not Outcome.DONE else "")
        if moved.over and moved.answer is not None:
            how += f" -> {moved.answer}"
        changed: dict[str, Any] = {}
        if state.places[actor].next.kind is Kind.REDIS:
            self._redis = changed["redis"] = redis.picture
        elif state.places[actor].next.kind is not Kind.SLEEP:
            self._backend = changed["backend"] = self._camera.of_backend(self._system.backend)
        return replace(
            state,
            **changed,
            places=self._placed(state, actor, place),
            under_way=(*state.under_way, *moved.sent),
            answers=answers,
            budget=budget,
            parent=state,
            how=how,
            moves=state.moves + 1,
        )

    def _show_redis(self, state: State) -> None:
        if self._redis is not state.redis:
            self._camera.show_redis(state.redis)
        self._redis = None  # it is about to change

    def _show_backend(self, state: State) -> None:
        if self._backend is not state.backend:
            self._system.server.backend = self._camera.backend(state.backend)
        self._backend = None

    # Actors.

    @staticmethod
    def _placed(state: State, actor: int, place: Place) -> tuple[Place, ...]:
        return (*state.places[:actor], place, *state.places[actor + 1 :])

    def _next_request(self, place: Place, answer: Answer | None) -> Place:
        """Return where a worker begins again: with the same request, where that had no clear answer."""
        unclear = answer is None or answer.outcome == "retry"
        if unclear and place.tries + 1 < self._scope.tries:
            return Place(place.request, place.tries + 1)
        return Place(place.request + 1)

    def _request(self, place: Place, actor: int) -> Request:
        return self._scope.workers[actor][place.request]

    def _name(self, state: State, actor: int) -> str:
        if actor == SWEEPER:
            return "sweeper"
        place = state.places[actor]
        return f"worker {actor + 1}, {self._request(place, actor).what}"

    def _sweep(self) -> None:
        # Another process's: it remembers nothing of other passes.
        vars(self._system.sweepers[0]).update({name: copy.copy(value) for name, value in self._sweeper.items()})
        with suppress(LedgerUnavailable):
            self._system.sweepers[0].sweep_once()

    def _ask(self, request: Request, answers: tuple[Answer, ...], asked: int) -> Callable[[], Answer]:
        """Return the request to a worker; what it is about is what an authorization was answered."""
        transaction = _known(answers, request.order)
        system = self._system
        ledger, provider = system.ledger, system.provider
        mine = "" if request.what == "authorize" else transaction
        answer = Answer(request.what, mine, request.request_id, request.amount, asked)

        def use_case(deadline: Deadline) -> Any:
            change = ChangeRequest(CARD, transaction, request.amount, request.request_id)
            match request.what:
                case "authorize":
                    wanted = AuthorizationRequest(CARD, Direction.DEBIT, request.amount, request.request_id)
                    return ledger.authorize(provider, wanted, deadline)
                case "settle":
                    return ledger.settle(provider, change, deadline)
                case "cancel":
                    return ledger.cancel(provider, change, deadline)
                case "settlements":
                    return ledger.settlements(provider, CARD, transaction, deadline)
            return ledger.cancellations(provider, CARD, transaction, deadline)

        def ask() -> Answer:
            try:
                answer.value = use_case(Deadline.after(MONEY_DEADLINE_MS / 1000))
                answer.outcome = "done"
            except REFUSALS as error:
                answer.outcome, answer.error = "refused", error
            except RETRYABLE as error:
                answer.outcome, answer.error = "retry", error
            return answer

        return ask

    # What must be true.

    def _wrong_now(self, state: State) -> list[str]:
        before = state.parent
        if before is not None and state.redis is before.redis and state.backend is before.backend:
            return []
        if self._backend is not state.backend:
            self._show_backend(state)
            self._backend = state.backend
        return broken(ALWAYS, self._snapshot(state.redis, state))

    def _snapshot(self, picture: RedisPicture, state: State) -> Snapshot:
        system = self._system
        account = system.provider.backend.account
        names = {keys.standing_of_card(account, card).rpartition(":")[2]: card for card in CARDS}
        cards: dict[str, Counter[str]] = {card: Counter() for card in CARDS}
        for digest, fields in picture.hashes(":card:").items():
            cards[names[digest]].update(standing(fields))
        return Snapshot(
            system.kind,
            _records(picture),
            picture.queue("due", "over") | picture.packed(),
            cards,
            system.backend,
            [answer for answer in state.answers if answer.outcome != UNANSWERED],
            asked=state.answers,
            totals={field: int(value) for field, value in picture.hashes(":totals").get("", {}).items()},
        )

    def _may_end(self, state: State) -> bool:
        """Tell whether all that VTEX asked for is over, and nothing is on its way."""
        over = all(self._is_over(state, actor) for actor in range(SWEEPER))
        return over and not state.under_way and not state.places[SWEEPER].given

    def _is_over(self, state: State, actor: int) -> bool:
        """Tell whether VTEX asks a worker for nothing more, or for nothing that it can, as things stand."""
        place = state.places[actor]
        if place.request >= len(self._scope.workers[actor]):
            return True
        request = self._request(place, actor)
        return not place.given and request.what != "authorize" and not _known(state.answers, request.order)

    def _wrong_in_the_end(self, state: State) -> list[str]:
        """Let everything be resolved, and then expire, as the simulation does at the end of a schedule."""
        self._show_redis(state)
        self._show_backend(state)
        self._system.scheduler.now = state.now
        found = []
        for waits, rules in ((_unfinished, WHEN_RESOLVED), (_not_over, AT_THE_END)):
            picture = self._sweep_while(waits)
            if any(waits(record) for record in _records(picture)):
                found.append(f"{waits.__name__.strip('_').replace('_', ' ')}: it stays so")
            found += broken(rules, self._snapshot(picture, state))
        return list(dict.fromkeys(found))

    def _sweep_while(self, waits: Callable[[Transaction], bool]) -> RedisPicture:
        """Sweep until nothing waits any more, or in vain; return what Redis holds then."""
        system = self._system
        for _ in range(MAXIMUM_PASSES):
            picture = self._camera.of_redis()
            due = picture.queue("due")
            moments = [due[record.id] for record in _records(picture) if waits(record) and record.id in due]
            if not moments:
                break
            system.scheduler.now = max(system.scheduler.now + SWEEP_INTERVAL_MS, min(moments))
            system.backend.catch_up()
            self._sweep()
        return picture


def _records(picture: RedisPicture) -> list[Transaction]:
    return [load_transaction(name, text) for name, text in picture.texts(":tx:").items()]


def _unfinished(record: Transaction) -> bool:
    """Tell whether the sweeper still has to see to it soon."""
    act = record.unresolved_act
    if act is not None:
        return act.state is not ActState.PARKED
    return record.state is TransactionState.AUTHORIZED and not record.acknowledged


def _not_over(record: Transaction) -> bool:
    """Tell whether it is unfinished, or holds what the policy gives back."""
    return _unfinished(record) or (record.unresolved is None and record.state is TransactionState.AUTHORIZED)


def _known(answers: Sequence[Answer], order: str) -> str:
    """Return the id of an order's transaction as VTEX was told it, "" where it was not."""
    told = (one for one in answers if (one.what, one.request_id, one.outcome) == ("authorize", order, "done"))
    return next((one.value for one in told), "")


@contextmanager
def quick_waits(system: System) -> Iterator[None]:
    """Let whoever waits wait long: all it could see in between, it can see at the end of it, too."""
    waits = system.ledger._executor.resolve.__func__.__globals__  # type: ignore[attr-defined]
    with (
        mock.patch.dict(waits, FIRST_PAUSE_SECONDS=PAUSE_SECONDS, LONGEST_PAUSE_SECONDS=PAUSE_SECONDS),
        mock.patch.object(lost_answers, "PAUSES_SECONDS", (PAUSE_SECONDS / 2,)),
    ):
        yield


def explore(kind: str, scope: Scope, url: str, most_states: int, without: Safety | None = None) -> Found:
    """Explore one scope on one kind of backend, of all of the system or of what is left without one safety."""
    with build_system(kinds.KINDS[kind], url, without, bounded=scope.bounded) as system:
        return Explorer(system, scope).explore(most_states)


# A kind, a scope, and how many states at most.
Job = tuple[str, Scope, int]


def explore_alone(job: Job) -> tuple[Job, Found]:
    """Explore on a Redis of its own."""
    kind, scope, most_states = job
    with running_redis() as url:
        return job, explore(kind, scope, url, most_states)

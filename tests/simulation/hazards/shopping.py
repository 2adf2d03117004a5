"""Cards are searched for, issued and shown, with right and wrong codes, while others pay with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from app.ledger.errors import LedgerUnavailable
from app.ledger.guesses import Rations
from app.ledger.storage.connection import Command
from app.ledger.storage.guesses import Counted, Guess, Verdict
from mappers.base import Card, Holds, NewCard, Query
from mappers.deadline import Deadline
from providers.provider import Provider
from tests.simulation.backend_model import CARDS, FIRST_BALANCE
from tests.simulation.card_watch import WHEN_ANSWERED, WHEN_RESOLVED, CardWatch, a_card_for_one_payment_makes_one
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.shoppers import ANA, BRUNO, Asked, Hour, Shopping
from tests.simulation.system import PROVIDER

RATIONS = Rations(per_customer=2, per_address=3, per_provider=5)


class Shoppers(Hazard):
    """Shoppers type right and wrong codes and pay with what they find; VTEX searches again and again, and issues cards.

    Expected: nobody is told more wrong codes than the ration, a right code is found, no more is told of a card than it
    can spend, a card is made once, and pays for its owner alone where it was made so.
    """

    name = "shoppers"
    settings: ClassVar[Mapping[str, Any]] = {
        "code_misses_per_customer": RATIONS.per_customer,
        "code_misses_per_address": RATIONS.per_address,
        "code_misses_per_provider": RATIONS.per_provider,
    }

    def prepare(self) -> None:
        system = self.system
        seconds = self.rng.choice((0, 0, 5))
        system.change_policy(search_cache=timedelta(seconds=seconds))
        services = [parts.cards for parts in system.processes]
        self._shopping = Shopping(system.workload, services, PROVIDER)
        self._shopping.known = [*CARDS]
        self._shopping.answered = self._judge
        self._watch = CardWatch(self._shopping, system.backend, RATIONS, seconds * 1000, self._is_counted)
        self._history = system.environment.history
        self._issued_before()
        self._listen()

    def _issued_before(self) -> None:
        """Let two cards be there already: one of Ana's alone, and one for one payment."""
        mapper = type(self.system.mapper)
        if not mapper.keeps_terms:
            return
        faults, backend = self.system.environment.faults, self.system.backend
        read_lag, faults.read_lag = faults.read_lag, 0
        for new in (
            NewCard("key-hers", "hers-", customer=ANA, restricted_to_owner=True),
            NewCard("key-once", "once-", customer=ANA, multiple_redemptions=False),
        ):
            self._watch.wanted[str(new.relation_name)] = new
            issued = self.system.parts.cards.issue(self.system.provider, new, Deadline.after(10))
            backend.balance[issued.card.id] = backend.first_balance[issued.card.id] = FIRST_BALANCE
            self._watch.owned[issued.card.id] = new
            self._shopping.known.append(issued.card.id)
        faults.read_lag = read_lag

    def start(self) -> None:
        workload, spawn = self.system.workload, self.scheduler.spawn
        for number in range(self.rng.randrange(1, 5)):
            spawn(f"shopper {number}", self._shopping.shop, workload.gap(), may_crash=False)
        for number in range(self.rng.randrange(3)):
            new = self._new(number)
            self._watch.wanted[str(new.relation_name)] = new
            spawn(f"VTEX issues {number}", partial(self._shopping.issue, new), workload.gap(), may_crash=False)
            if self.rng.random() < 0.3:
                spawn(f"VTEX issues {number} too", partial(self._shopping.issue, new), may_crash=False)
        if self.rng.random() < 0.5:
            self.scheduler.at(self.sometime(), self._end_hour)

    def _new(self, number: int) -> NewCard:
        keeps = type(self.system.mapper).keeps_terms
        return NewCard(
            f"key-{number}",
            f"club-{number}-",
            customer=self.rng.choice((ANA, BRUNO)),
            restricted_to_owner=keeps and self.rng.random() < 0.5,
            multiple_redemptions=not keeps or self.rng.random() < 0.7,
        )

    def _end_hour(self) -> None:
        """Let Redis forget the counters: it has no virtual time to do so by itself."""
        self._watch.hour = Hour()
        redis = self.system.redis
        counters = [key for key in redis.keys("gb:{guesses:*") if ":found:" not in key]
        if counters:
            redis.delete(*counters)

    # What is seen, and judged.

    def _judge(self, asked: Asked) -> None:
        if asked.issued and asked.new:
            self._watch.owned[asked.issued.card.id] = asked.new
        self._hour()
        for rule in WHEN_ANSWERED:
            for what in rule(self._watch, asked):
                self._tell(rule, what)

    def aftermath(self) -> None:
        self.system.resolve_everything()
        for rule in WHEN_RESOLVED:
            if rule is a_card_for_one_payment_makes_one and self._redis_forgot:
                continue
            for what in rule(self._watch, self.system.snapshot()):
                self._tell(rule, what)

    def _tell(self, rule: Callable[..., Any], what: str) -> None:
        violation = f"{rule.__name__.replace('_', ' ')}: {what}"
        self.scheduler.note("VIOLATES", violation)
        self.broken.append(violation)

    def _is_counted(self, query: Query) -> bool:
        guess = self.system.parts.cards._guesses._guess(self.system.provider, query)
        with self.system.harness():
            return any(self.system.redis.hexists(counter, guess.code) for counter in guess.counters)

    # Listening to what the service does inside.

    def _listen(self) -> None:
        environment, backend = self.system.environment, self.system.backend
        for name in ("answer", "spend_elsewhere", "suspend"):
            _around(backend, name, self._then_note_standings)
        check = environment.after_script
        environment.after_script = lambda keys, answer: self._then_note_standings(check, keys, answer)
        self._note_standings()
        for parts in self.system.processes:
            cards: Any = parts.cards
            _around(cards._guesses._storage, "count", self._count)
            _around(cards._guesses._storage, "take_back", self._take_back)
            _around(cards._searches, "find", self._find)
            _around(parts.storage, "write", self._write)
            _around(parts.storage, "card_made", self._note_made)
            vars(cards._searches).update(_clock=environment.monotonic, _kept={})
            vars(cards._notes).update(_written={})  # each schedule begins at the same moment

    def _then_note_standings(self, act: Callable[..., Any], *arguments: Any) -> Any:
        done = act(*arguments)
        self._note_standings()
        return done

    def _note_standings(self) -> None:
        in_the_ledger = Holds.LEDGER in self.system.mapper.supported_holds
        reserved = self.system.checker.reserved() if in_the_ledger else Counter[str]()
        self._watch.note_standings(reserved)

    def _asking(self) -> Asked:
        return self._shopping.of_actor[self.scheduler.current]

    def _count(self, count: Callable[[Guess], Counted], guess: Guess) -> Counted:
        asked, hour = self._asking(), self._hour()
        asked.limits = self._watch.limits(asked.query, hour.told)
        self._may_be_counted(asked)
        refused = False
        try:
            counted = count(guess)
            refused = counted.verdict is Verdict.REFUSED
        except LedgerUnavailable:
            asked.uncounted = True
            raise
        finally:
            self._may_be_counted(asked)  # a new hour may have begun
            for counter, limit in asked.limits.items() if not refused else ():
                name = counter, asked.query.code or ""
                hour.allowed[name] = max(hour.allowed[name], limit)
        asked.hour = hour if hour is self._hour() else None
        asked.verdict = counted.verdict
        return counted

    def _hour(self) -> Hour:
        """Return the hour that counters are in; another Redis has others."""
        if self._history != self.system.environment.history:
            self._history = self.system.environment.history
            self._watch.hour = Hour()
            self._watch.unnoted.update(self._watch.backend.issued)
        return self._watch.hour

    @property
    def _redis_forgot(self) -> bool:
        return self.system.environment.history > 0

    def _may_be_counted(self, asked: Asked) -> None:
        for counter in asked.limits:
            self._hour().counted[counter].add(asked.query.code or "")
        # What a backup has counted nobody knows.
        asked.spent |= self._watch.is_spent(asked.query) or self._redis_forgot

    def _take_back(self, take_back: Callable[[Guess], None], guess: Guess) -> None:
        asked = self._asking()
        try:
            take_back(guess)
        finally:
            if asked.hour is not self._hour():  # the hour ended meanwhile, and the next one has one try more
                for told in self._watch.hour.told.values():
                    told.discard(asked.query.code or "")

    def _find(self, find: Callable[..., Sequence[Card]], provider: Provider, query: Query, deadline: Deadline) -> Any:
        found = find(provider, query, deadline)
        self._asking().told = True
        return found

    def _write(self, write: Callable[..., None], commands: Sequence[Command]) -> None:
        try:
            write(commands)
        except LedgerUnavailable:
            self._asking().unwritten = True
            raise

    def _note_made(self, note_made: Callable[..., None], account: str, card_id: str, read_lag: timedelta) -> None:
        try:
            note_made(account, card_id, read_lag)
        except LedgerUnavailable:
            self._watch.unnoted.add(card_id)
            raise


def _around(owner: object, name: str, listen: Callable[..., Any]) -> None:
    """Let `listen` be called instead of a method, with that method first: of this one object, in this schedule."""
    vars(owner)[name] = partial(listen, getattr(type(owner), name).__get__(owner))

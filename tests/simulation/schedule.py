"""A schedule is a seed: play it, let everything come to rest, and compare the books."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.ledger.storage import keys
from tests.simulation.house import PROVIDER, House, house
from tests.simulation.invariants import AT_REST, AT_THE_END, Books, broken
from tests.simulation.kinds import KINDS
from tests.simulation.money import CARDS
from tests.simulation.safeties import Safety
from tests.simulation.scheduler import MAXIMUM_MOVES, START

LONGEST_LINE = 200

_ID = re.compile(r"gb-[0-9a-f]{2}([0-9a-f]{6})[0-9a-f]{26}")


@dataclass(frozen=True, slots=True)
class Violation:
    """What a schedule broke, and everything that happened in it."""

    kind: str
    seed: int
    broken: tuple[str, ...]
    trace: tuple[str, ...]

    def __str__(self) -> str:
        again = f"python -m tests.simulation --kind {self.kind} --seed {self.seed}"
        head = f"kind {self.kind}, seed {self.seed}; once more: {again}"
        return "\n".join((head, *self.trace, *(f"BROKEN {what}" for what in self.broken)))


def books(of: House) -> Books:
    """Take everything there is to compare, at this moment."""
    cards = {card_id: of.client.hgetall(keys.of_card(PROVIDER, card_id)) for card_id in CARDS}
    return Books(of.kind, of.records(), of.due(), cards, of.money, of.town.answers)


def run(it: House, seed: int) -> list[str]:
    """Play one schedule and return what it broke."""
    it.reset(seed)
    it.play()
    found = [f"an actor died of {failure!r}" for failure in it.scheduler.failures]
    if it.scheduler.moves > MAXIMUM_MOVES:
        return [*found, "it does not end"]
    if not it.resolve_everything():
        found.append("it does not come to rest")
    found += broken(AT_REST, books(it))
    if not it.expire_everything():
        found.append("not everything expires")
    found += broken(AT_THE_END, books(it))
    return list(dict.fromkeys([*it.bookkeeper.found, *found]))


def first_violation(it: House, seeds: range) -> Violation | None:
    """Play schedules until one breaks something; play that one again to tell what happened."""
    for seed in seeds:
        if run(it, seed):
            return replay(it, seed)
    return None


def first_miss(safety: Safety, url: str, seeds: range) -> tuple[int, list[str]] | None:
    """Return the first seed that breaks something only without `safety`, and what it breaks."""
    kind, left = KINDS[safety.kind], iter(seeds)
    while True:
        with house(kind, url, safety, bounded=safety.bounded) as without:
            found = next(((seed, broken) for seed in left if (broken := run(without, seed))), None)
        if found is None:
            return None
        with house(kind, url, bounded=safety.bounded) as whole:
            if not run(whole, found[0]):
                return found


def replay(it: House, seed: int) -> Violation:
    """Play one schedule with its trace."""
    it.scheduler.tracing = True
    try:
        found = run(it, seed)
    finally:
        it.scheduler.tracing = False
    trace = (f"{(moment - START) / 1000:12.3f} {actor:16} {_short(what)}" for moment, actor, what in it.scheduler.trace)
    return Violation(it.kind.name, seed, tuple(found), tuple(trace))


def _short(what: str) -> str:
    """Cut ids and answers to what tells them apart."""
    return _ID.sub(r"gb-\1", what)[:LONGEST_LINE]

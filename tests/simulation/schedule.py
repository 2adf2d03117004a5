"""A schedule is a seed: run it, let everything be resolved, and check the invariants."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.simulation.hazards.table import HAZARDS
from tests.simulation.invariants import AT_THE_END, WHEN_RESOLVED, broken
from tests.simulation.kinds import KINDS
from tests.simulation.safeties import Safety
from tests.simulation.scheduler import MAXIMUM_MOVES, START
from tests.simulation.system import System, build_system

LONGEST_LINE = 200

_ID = re.compile(r"gb-[0-9a-f]{2}([0-9a-f]{6})[0-9a-f]{26}")


@dataclass(frozen=True, slots=True)
class Violation:
    """What a schedule broke, and everything that happened in it."""

    kind: str
    seed: int
    broken: tuple[str, ...]
    trace: tuple[str, ...]
    hazards: tuple[str, ...] = ()

    def __str__(self) -> str:
        switches = "".join(f" --hazard {name}" for name in self.hazards)
        again = f"python -m tests.simulation --kind {self.kind}{switches} --seed {self.seed}"
        head = f"kind {self.kind}, seed {self.seed}; once more: {again}"
        return "\n".join((head, *self.trace, *(f"BROKEN {what}" for what in self.broken)))


def run(system: System, seed: int) -> list[str]:
    """Run one schedule and return what it broke."""
    system.reset(seed)
    system.run()
    found = [f"an actor failed with {failure!r}" for failure in system.scheduler.failures]
    if system.scheduler.moves > MAXIMUM_MOVES:
        return [*found, "it does not end"]
    hazards = system.hazards
    for hazard in hazards:
        hazard.quiet()
    for hazard in hazards:
        hazard.aftermath()
    if not system.resolve_everything():
        found.append("not everything is resolved")
    rules = [rule for hazard in hazards for rule in hazard.rules]
    last_rules = [rule for hazard in hazards for rule in hazard.last_rules]
    waived = {rule for hazard in hazards for rule in hazard.waived}
    found += broken(WHEN_RESOLVED, system.snapshot(), waived) + broken(rules, system.snapshot(), waived)
    if not system.expire_everything():
        found.append("not everything expires")
    found += broken(AT_THE_END, system.snapshot(), waived) + broken([*rules, *last_rules], system.snapshot(), waived)
    for hazard in hazards:
        hazard.finale()
    found += [what for hazard in hazards for what in hazard.broken]
    return list(dict.fromkeys([*system.checker.found, *found]))


def first_violation(system: System, seeds: range) -> Violation | None:
    """Run schedules until one breaks something; run that one again for its trace."""
    for seed in seeds:
        if run(system, seed):
            return replay(system, seed)
    return None


def first_miss(safety: Safety, url: str, seeds: range) -> tuple[int, list[str]] | None:
    """Return the first seed that breaks something only without `safety`, and what it breaks."""
    kind, left = KINDS[safety.kind], iter(seeds)
    hazards = [HAZARDS[safety.hazard]] if safety.hazard else []
    while True:
        with build_system(kind, url, safety, bounded=safety.bounded, hazards=hazards) as without:
            found = next(((seed, broken) for seed in left if (broken := run(without, seed))), None)
        if found is None:
            return None
        with build_system(kind, url, bounded=safety.bounded, hazards=hazards) as complete:
            if not run(complete, found[0]):
                return found


def replay(system: System, seed: int) -> Violation:
    """Run one schedule with its trace."""
    system.scheduler.tracing = True
    try:
        found = run(system, seed)
    finally:
        system.scheduler.tracing = False
    trace = (
        f"{(moment - START) / 1000:12.3f} {actor:16} {_short(what)}" for moment, actor, what in system.scheduler.trace
    )
    hazards = tuple(hazard.name for hazard in system.played)
    return Violation(system.kind.name, seed, tuple(found), tuple(trace), hazards)


def _short(what: str) -> str:
    """Cut ids and answers to what tells them apart."""
    return _ID.sub(r"gb-\1", what)[:LONGEST_LINE]

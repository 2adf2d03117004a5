"""Runs schedules from the command line: `python -m tests.simulation --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from tests.simulation.hazards.table import HAZARDS, pairs
from tests.simulation.kinds import KINDS
from tests.simulation.runner import run_schedules, running_redis
from tests.simulation.safeties import HTTP_SAFETIES, SAFETIES
from tests.simulation.schedule import first_miss, replay, run
from tests.simulation.system import build_system


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when nothing was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, help="how many to run in all (default 1000)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--kind", choices=list(KINDS), help="one kind of backend; all of them in turn without it")
    parser.add_argument("--hazard", choices=list(HAZARDS), action="append", default=[], help="what happens beside")
    parser.add_argument("--seed", type=int, help="run this one alone, and print all that happens in it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--safeties", action="store_true", help="measure how soon each safety is missed")
    parser.add_argument("--hazards", action="store_true", help="measure how soon each hazard breaks each kind")
    parser.add_argument("--pairs", action="store_true", help="play every two hazards together, on each kind they fit")
    options = parser.parse_args(arguments)
    if options.pairs:
        kinds = [options.kind] if options.kind else list(KINDS)
        wanted = set(options.hazard or HAZARDS)
        return _play_pairs([pair for pair in pairs() if wanted & set(pair)], kinds, options.start, options.schedules)
    if options.hazards:
        kinds = [options.kind] if options.kind else list(KINDS)
        return _measure_hazards(options.hazard or list(HAZARDS), kinds, options.start, options.schedules)
    if options.safeties:
        return _measure_safeties(options.start, options.schedules)
    fitting = [name for name, kind in KINDS.items() if all(HAZARDS[one].fits(kind) for one in options.hazard)]
    kinds = [options.kind] if options.kind else fitting
    if options.seed is not None:
        return _print_trace(kinds[0], options.seed, options.hazard)
    violation = run_schedules(kinds, options.start, options.schedules, options.processes, options.hazard)
    print(violation or f"{options.schedules} schedules, nothing broken: {', '.join(kinds)}")
    return 1 if violation else 0


def _print_trace(kind: str, seed: int, hazards: Sequence[str]) -> int:
    played = [HAZARDS[name] for name in hazards]
    with running_redis() as url, build_system(KINDS[kind], url, hazards=played) as system:
        violation = replay(system, seed)
    print(violation)
    return 1 if violation.broken else 0


def _measure_safeties(start: int, limit: int) -> int:
    """Print, as a table, how many schedules it takes to miss each safety."""
    print("| without this | kind | missed after | what breaks |\n|---|---|---|---|")
    missed = 0
    safeties = (*SAFETIES, *HTTP_SAFETIES)
    with running_redis() as url:
        for safety in safeties:
            found = first_miss(safety, url, range(start, start + limit))
            missed += found is not None
            after, broken = (found[0] - start + 1, found[1][0].partition(":")[0]) if found else ("never", "")
            print(f"| {safety.name} | {safety.kind} | {after} | {broken} |", flush=True)
    return 0 if missed == len(safeties) else 1


def _play_pairs(played: Sequence[tuple[str, str]], kinds: Sequence[str], start: int, schedules: int) -> int:
    """Print every schedule that breaks something, of so many of each kind."""
    found = 0
    with running_redis() as url:
        for number, pair in enumerate(played):
            classes = [HAZARDS[name] for name in pair]
            for kind in (one for one in map(KINDS.__getitem__, kinds) if all(each.fits(one) for each in classes)):
                first = start + number * schedules
                with build_system(kind, url, hazards=classes) as system:
                    for seed in range(first, first + schedules):
                        if broken := run(system, seed):
                            found += 1
                            print(*pair, kind.name, seed, "; ".join(broken), flush=True)
    print(f"{len(played)} pairs: {found} schedules broke something")
    return 1 if found else 0


def _measure_hazards(names: Sequence[str], kinds: Sequence[str], start: int, limit: int) -> int:
    """Print, as a table, how many schedules of each kind it takes until each hazard breaks something."""
    print("| hazard | kind | after | what breaks |\n|---|---|---|---|")
    with running_redis() as url:
        for name in names:
            for kind in map(KINDS.__getitem__, kinds):
                if HAZARDS[name].fits(kind):
                    with build_system(kind, url, hazards=[HAZARDS[name]]) as system:
                        seeds = range(start, start + limit)
                        found = next(((seed, broken) for seed in seeds if (broken := run(system, seed))), None)
                    after = found[0] - start + 1 if found else f"never in {limit}"
                    print(f"| {name} | {kind.name} | {after} | {'; '.join(found[1]) if found else ''} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

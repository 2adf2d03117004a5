"""Explores from the command line: `python -m tests.explorer --help`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from tests.explorer.explorer import explore_alone
from tests.explorer.scopes import SCOPES
from tests.explorer.world import Budget
from tests.simulation.kinds import KINDS

# Their cards are also spent in shops, and no scope has a shop.
KINDS_EXPLORED = [name for name, kind in KINDS.items() if not kind.elsewhere]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when nothing was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--kind", choices=KINDS_EXPLORED, action="append", help="a kind of backend; all without it")
    parser.add_argument("--scope", choices=list(SCOPES), action="append", help="a scope; all without it")
    for what, default in (("crashes", 1), ("faults", 1), ("stalls", 0), ("passes", 1), ("tries", 1)):
        parser.add_argument(f"--{what}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--lags", action="store_true", help="the backends' reads lag")
    parser.add_argument("--states", type=int, default=1_000_000, help="of one scope at most (default 1000000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args(arguments)
    budget = Budget(options.crashes, options.faults, options.stalls, options.passes)
    jobs = [
        (kind, replace(SCOPES[scope], budget=budget, tries=options.tries, lags=options.lags), options.states)
        for kind in options.kind or KINDS_EXPLORED
        for scope in options.scope or SCOPES
    ]
    started, states, broken = time.monotonic(), 0, False
    print("| kind | scope | states | moves | ends | |\n|---|---|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for number, (job, found) in enumerate(pool.imap_unordered(explore_alone, jobs), start=1):
            kind, scope, _ = job
            word = "**broken**" if found.broken else "complete" if found.complete else "not complete"
            print(f"| {kind} | {scope.name} | {found.states} | {found.moves} | {found.ends} | {word} |", flush=True)
            if found.broken:
                print(found)
            broken |= bool(found.broken)
            states += found.states
            _show_progress(number, len(jobs), states, time.monotonic() - started)
    print(file=sys.stderr)
    print(f"{states} states")
    return 1 if broken else 0


def _show_progress(done: int, total: int, states: int, seconds: float) -> None:
    bar = "#" * (30 * done // total)
    left = seconds / done * (total - done)
    line = f"\r[{bar:<30}] {done}/{total}, {states} states, {left / 60:.0f} min left "
    print(line, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

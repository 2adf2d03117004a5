"""Take every guard of the money's code away, one at a time: `python -m tests.mutations.every_guard [WORD ...]`.

Words choose the guards whose names hold one of them; a name begins with its file. Exits with 1 when no test noticed a
loss that is not listed in survivors.py, or when one noticed a loss that is. It takes hours: `--for SECONDS` stops in
between, and `--resume` goes on from there.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import cache

from tests.mutations.guards import Guard, guards
from tests.mutations.run import Judged, run
from tests.mutations.safeties import MUTATIONS
from tests.mutations.survivors import SURVIVORS
from tests.mutations.tree import KILLED, ROOT, SURVIVED, Change

TESTS = (
    "tests/ledger",
    "tests/commands/test_by_hand_races.py",
    *(f"--ignore=tests/ledger/test_{name}.py" for name in ("topologies", "topologies_cluster", "failover")),
)

# How many tests are tried before all others: those which found what is nearest in the same file.
LIKELY = 8


def change(guard: Guard, judged: Judged) -> Change:
    found = [(other.start, test) for other in _beside()[guard.file] if (test := judged.found_by(other))]
    nearest = sorted(found + _named()[guard.file], key=lambda place: abs(place[0] - guard.start))
    likely = list(dict.fromkeys(test for _, test in nearest))[:LIKELY]
    return Change(guard.file, guard.changed((ROOT / guard.file).read_text()), TESTS, likely)


@cache
def _beside() -> dict[str, list[Guard]]:
    """Return the guards of each file."""
    found: dict[str, list[Guard]] = defaultdict(list)
    for guard in guards():
        found[guard.file].append(guard)
    return found


@cache
def _named() -> dict[str, list[tuple[int, str]]]:
    """Return where the safeties of each file are, and the test of each."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for mutation in MUTATIONS:
        found[mutation.file].append(((ROOT / mutation.file).read_text().find(mutation.text), mutation.test))
    return found


def _expected(guard: Guard) -> str:
    return SURVIVED if guard.name in SURVIVORS else KILLED


if __name__ == "__main__":
    # A loss that nothing notices takes all tests, and so as long as fifty others: those come last.
    in_order = sorted(guards(), key=lambda guard: guard.name in SURVIVORS)
    sys.exit(run("tests.mutations.every_guard", __doc__, in_order, change, _expected))

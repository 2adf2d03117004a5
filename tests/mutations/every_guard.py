"""Take every guard of the money's code away, one at a time: `python -m tests.mutations.every_guard [WORD ...]`.

Words choose the guards whose names hold one of them; a name begins with its file. Exits with 1 when no test noticed a
loss that is not listed in survivors.py, or when one noticed a loss that is. First all tests run once, to find out which
of them could notice what (reach.py). `--for SECONDS` stops in between, and `--resume` goes on from there.

They are tried in the order of how many tests could notice them, and each by the test first that noticed it the last
time: one that nobody notices takes all of its tests.
"""

from __future__ import annotations

import sys
from functools import partial

from tests.mutations.guards import Guard, guards
from tests.mutations.reach import reached_by, values_of
from tests.mutations.run import run
from tests.mutations.session import Session
from tests.mutations.survivors import SURVIVORS
from tests.mutations.tree import KILLED, ROOT, SURVIVED, Change

TESTS = (
    "tests/ledger",
    "tests/app/test_logs.py",
    "tests/commands/test_by_hand_races.py",
    *(f"--ignore=tests/ledger/test_{name}.py" for name in ("topologies", "topologies_cluster", "failover")),
)


def _expected(guard: Guard) -> str:
    return SURVIVED if guard.name in SURVIVORS else KILLED


if __name__ == "__main__":
    EVERY = guards()
    VALUES = values_of(EVERY, TESTS)

    def change(guard: Guard) -> Change:
        return Change(guard.file, guard.changed((ROOT / guard.file).read_text()), reached_by(guard, VALUES))

    EVERY.sort(key=lambda guard: len(reached_by(guard, VALUES)))
    sys.exit(run("tests.mutations.every_guard", __doc__, EVERY, change, _expected, partial(Session, tests=TESTS)))

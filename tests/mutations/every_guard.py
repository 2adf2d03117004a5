"""Take every guard of the money's code away, one at a time: `python -m tests.mutations.every_guard [WORD ...]`.

Words choose the guards whose names hold one of them. Exits with 1 when no test noticed a loss that is not listed in
survivors.py, or when one noticed a loss that is.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

from tests.mutations.guards import Guard, guards
from tests.mutations.survivors import SURVIVORS
from tests.mutations.tree import KILLED, ROOT, SURVIVED, Change, verdicts

TESTS = (
    "tests/ledger",
    "tests/commands/test_by_hand_races.py",
    *(f"--ignore=tests/ledger/test_{name}.py" for name in ("topologies", "topologies_cluster", "failover")),
)
TIMEOUT_SECONDS = 90


def change(guard: Guard) -> Change:
    return Change(guard.file, guard.changed((ROOT / guard.file).read_text()), TESTS, TIMEOUT_SECONDS)


def main(words: list[str]) -> int:
    chosen = [guard for guard in guards() if not words or any(word in guard.name for word in words)]
    counts: Counter[str] = Counter()
    unexpected = 0
    for guard, verdict in verdicts(chosen, change, os.cpu_count() or 1):
        counts[verdict] += 1
        if verdict != (SURVIVED if guard.name in SURVIVORS else KILLED):
            unexpected += 1
            print(f"{verdict}: {guard.name}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

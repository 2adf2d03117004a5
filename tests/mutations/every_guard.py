"""Take every guard of the money's code away, one at a time: `python -m tests.mutations.every_guard [WORD ...]`.

Words choose the guards whose names hold one of them; a name begins with its file. Exits with 1 when no test noticed a
loss that is not listed in survivors.py, or when one noticed a loss that is.

It takes hours. `--for SECONDS` stops in between, and `--resume` goes on from there: what was judged is kept in
build/every_guard.json, and counts while the file that is changed is the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.mutations.guards import Guard, guards
from tests.mutations.safeties import MUTATIONS
from tests.mutations.survivors import SURVIVORS
from tests.mutations.tree import KILLED, ROOT, SURVIVED, Change, Verdict, verdicts

TESTS = (
    "tests/ledger",
    "tests/commands/test_by_hand_races.py",
    *(f"--ignore=tests/ledger/test_{name}.py" for name in ("topologies", "topologies_cluster", "failover")),
)
KEPT = ROOT / "build" / "every_guard.json"

# How many tests are tried before all others: those which found what is nearest in the same file.
LIKELY = 8


class Judged:
    """The verdicts so far, kept in a file."""

    def __init__(self, file: Path, resume: bool) -> None:
        self._file = file
        self._kept: dict[str, tuple[str, str, str | None]] = {}
        if resume and file.exists():
            self._kept = {name: tuple(kept) for name, kept in json.loads(file.read_text()).items()}

    def keep(self, guard: Guard, verdict: Verdict) -> None:
        self._kept[guard.name] = (_digest(guard), verdict.word, verdict.found_by)
        self._file.parent.mkdir(exist_ok=True)
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(self._kept, indent=1))
        written.replace(self._file)

    def verdict(self, guard: Guard) -> str | None:
        digest, word, _ = self._kept.get(guard.name, ("", "", None))
        return word if digest == _digest(guard) else None

    def found_by(self, guard: Guard) -> str | None:
        return self._kept.get(guard.name, ("", "", None))[2]


def _digest(guard: Guard) -> str:
    return hashlib.sha256(guard.changed((ROOT / guard.file).read_text()).encode()).hexdigest()


def changes(judged: Judged) -> Callable[[Guard], Change]:
    """Return what makes the change that takes a guard away, with the tests which are likely to find it."""
    named: dict[str, list[tuple[int, str]]] = {}
    for mutation in MUTATIONS:
        place = (ROOT / mutation.file).read_text().index(mutation.text)
        named.setdefault(mutation.file, []).append((place, mutation.test))
    beside: dict[str, list[Guard]] = {}
    for guard in guards():
        beside.setdefault(guard.file, []).append(guard)

    def change(guard: Guard) -> Change:
        found = [(other.start, test) for other in beside[guard.file] if (test := judged.found_by(other))]
        nearest = sorted(found + named.get(guard.file, []), key=lambda place: abs(place[0] - guard.start))
        likely = list(dict.fromkeys(test for _, test in nearest))[:LIKELY]
        return Change(guard.file, guard.changed((ROOT / guard.file).read_text()), TESTS, likely)

    return change


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations.every_guard", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of a guard's name; all without it")
    parser.add_argument("--for", type=float, dest="seconds", metavar="SECONDS", help="begin no other after this time")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    words = options.words or [""]
    chosen = [guard for guard in guards() if any(word in guard.name for word in words)]
    judged = Judged(KEPT, options.resume)
    # A loss that nothing notices takes all tests, and so as long as fifty others: those come last.
    left = sorted((guard for guard in chosen if judged.verdict(guard) is None), key=lambda one: one.name in SURVIVORS)
    for guard, verdict in verdicts(left, changes(judged), options.processes, options.seconds):
        judged.keep(guard, verdict)
    counts: Counter[str] = Counter()
    unexpected = 0
    for guard in chosen:
        word = judged.verdict(guard) or "not tried yet"
        counts[word] += 1
        if word != (SURVIVED if guard.name in SURVIVORS else KILLED):
            unexpected += 1
            if word != "not tried yet":
                print(f"{word}: {guard.name}")
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())

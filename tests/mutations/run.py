"""Judges many changes from the command line, in pieces.

What was judged is kept, and counts while the file that is changed is the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from tests.mutations.tree import ROOT, Change, Judge, Tree, Verdict, verdicts

NOT_YET = "not tried yet"


class Named(Protocol):
    """What is taken away."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Judged:
    """The verdicts so far, kept in a file: for each name the digest of its change, the verdict, and who found it."""

    def __init__(self, file: Path, *, resume: bool) -> None:
        self._file = file
        kept: dict[str, list[str | None]] = json.loads(file.read_text()) if file.exists() else {}
        self._kept = kept if resume else {name: ["", *verdict] for name, (_, *verdict) in kept.items()}

    def keep(self, item: Named, change: Change, verdict: Verdict) -> None:
        self._kept[item.name] = [_digest(change), verdict.word, verdict.found_by]
        self._file.parent.mkdir(exist_ok=True)
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(self._kept, indent=1))
        written.replace(self._file)

    def word(self, item: Named, change: Change) -> str:
        digest, word, _ = self._kept.get(item.name, (None, None, None))
        return word if word is not None and digest == _digest(change) else NOT_YET

    def finder_first(self, item: Named, change: Change) -> Change:
        """Return the change with the test first that noticed it the last time: most often it does again."""
        found_by = self._kept[item.name][2] if item.name in self._kept else None
        return replace(change, tests=sorted(change.tests, key=lambda test: test != found_by))


def _digest(change: Change) -> str:
    return hashlib.sha256(change.text.encode()).hexdigest()


def run(
    module: str,
    description: str | None,
    items: Sequence[T],
    change: Callable[[T], Change],
    expected: Callable[[T], str],
    judge_in: Callable[[Path], Judge] = Tree,
) -> int:
    """Judge those that the command line chooses; return 0 when each verdict is the expected one."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of a name; all without it")
    parser.add_argument("--for", type=float, dest="seconds", metavar="SECONDS", help="begin no other after this time")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    words = options.words or [""]
    chosen = [item for item in items if any(word in item.name for word in words)]
    judged = Judged(ROOT / "build" / f"{module}.json", resume=options.resume)
    left = [item for item in chosen if judged.word(item, change(item)) == NOT_YET]

    def finder_first(item: T) -> Change:
        return judged.finder_first(item, change(item))

    for item, verdict in verdicts(left, finder_first, options.processes, options.seconds, judge_in):
        judged.keep(item, change(item), verdict)
    counts: Counter[str] = Counter()
    unexpected = 0
    for item in chosen:
        word = judged.word(item, change(item))
        counts[word] += 1
        unexpected += word != expected(item)
        if word not in (expected(item), NOT_YET):
            print(f"{word}: {item.name}")
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))
    return 1 if unexpected else 0

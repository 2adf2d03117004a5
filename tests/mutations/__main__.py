"""Take each safety away, one at a time, and see that its test fails: `python -m tests.mutations [WORD ...]`.

Words choose the safeties whose names hold one of them. Exits with 1 when a test did not notice.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from tests.mutations.mutation import Mutation
from tests.mutations.safeties import MUTATIONS
from tests.mutations.tree import KILLED, ROOT, Change, verdicts


def change(mutation: Mutation) -> Change:
    text = (ROOT / mutation.file).read_text()
    return Change(mutation.file, text.replace(mutation.text, mutation.replacement), [mutation.test])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of a safety's name; all without it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    words = options.words or [""]
    chosen = [mutation for mutation in MUTATIONS if any(word in mutation.name for word in words)]
    width = max((len(mutation.name) for mutation in chosen), default=0)
    counts: Counter[str] = Counter()
    for mutation, verdict in verdicts(chosen, change, options.processes):
        print(f"{mutation.name:<{width}}  {verdict.word}", flush=True)
        counts[verdict.word] += 1
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))
    return 0 if set(counts) == {KILLED} else 1


if __name__ == "__main__":
    sys.exit(main())

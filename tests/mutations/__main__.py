"""Take each safety away, one at a time, and see that its test fails: `python -m tests.mutations [WORD ...]`.

Words choose the safeties whose names hold one of them. Exits with 1 when a test did not notice.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

from tests.mutations.mutation import Mutation
from tests.mutations.safeties import MUTATIONS
from tests.mutations.tree import KILLED, ROOT, Change, verdicts


def change(mutation: Mutation) -> Change:
    text = (ROOT / mutation.file).read_text()
    return Change(mutation.file, text.replace(mutation.text, mutation.replacement), [mutation.test])


def main(words: list[str]) -> int:
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.name for word in words)]
    found = dict(verdicts(chosen, change, os.cpu_count() or 1))
    width = max((len(mutation.name) for mutation in chosen), default=0)
    for mutation in chosen:
        print(f"{mutation.name:<{width}}  {found[mutation]}")
    counts = Counter(found.values())
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return 0 if set(counts) == {KILLED} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

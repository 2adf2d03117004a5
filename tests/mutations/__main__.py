"""Take each safety away, one at a time, and see that its test fails: `python -m tests.mutations [WORD ...]`.

Words choose the safeties whose names hold one of them. Exits with 1 when a test did not notice. `--for SECONDS` stops
in between, and `--resume` goes on from there.
"""

from __future__ import annotations

import sys

from tests.mutations.mutation import Mutation
from tests.mutations.run import run
from tests.mutations.safeties import MUTATIONS
from tests.mutations.tree import KILLED, ROOT, Change


def change(mutation: Mutation) -> Change:
    text = (ROOT / mutation.file).read_text()
    return Change(mutation.file, text.replace(mutation.text, mutation.replacement), [mutation.test])


if __name__ == "__main__":
    sys.exit(run("tests.mutations", __doc__, MUTATIONS, change, lambda _: KILLED))

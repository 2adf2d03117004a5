"""Take each safety away, one at a time, and see that its test fails: `python -m tests.mutations [WORD ...]`.

Words choose the safeties whose names hold one of them. Exits with 1 when a test did not notice.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.mutations.mutation import Mutation
from tests.mutations.safeties import MUTATIONS

ROOT = Path(__file__).parent.parent.parent
PARTS = ("app", "giftbridge", "mappers", "providers", "tests", "pyproject.toml", "wsgi.py", "README.md")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".hypothesis")

# A mutation may loop without end; then its test has noticed.
TIMEOUT_SECONDS = 180

# What pytest ends with when tests failed. Any other code but 0 says that it did not come to test anything.
FAILED = 1


class Tree:
    """A copy of the project that may be broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=NOT_COPIED)
            else:
                shutil.copy(source, folder / part)

    def verdict(self, mutation: Mutation) -> str:
        """Apply `mutation` alone and run its test."""
        path = self._folder / mutation.file
        original = path.read_text()
        if original.count(mutation.text) != 1:
            return "its text is not there once"
        path.write_text(original.replace(mutation.text, mutation.replacement))
        try:
            code = self._run(mutation.test)
        except subprocess.TimeoutExpired:
            return "killed"
        finally:
            path.write_text(original)
        return {0: "SURVIVED", FAILED: "killed"}.get(code, f"pytest ended with {code}")

    def _run(self, test: str) -> int:
        arguments = ["-m", "pytest", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", test]
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        ).returncode


def main(words: list[str]) -> int:
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.name for word in words)]
    verdicts: dict[str, str] = {}
    started, workers = time.monotonic(), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        trees: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for number in range(workers):
            copy = Path(folder) / str(number)
            copy.mkdir()
            trees.put(Tree(copy))

        def judge(mutation: Mutation) -> tuple[str, str]:
            tree = trees.get()
            try:
                return mutation.name, tree.verdict(mutation)
            finally:
                trees.put(tree)

        for done in as_completed([pool.submit(judge, mutation) for mutation in chosen]):
            name, verdict = done.result()
            verdicts[name] = verdict
            _show_progress(len(verdicts), len(chosen), time.monotonic() - started)
    print(file=sys.stderr)
    width = max((len(name) for name in verdicts), default=0)
    for mutation in chosen:
        print(f"{mutation.name:<{width}}  {verdicts[mutation.name]}")
    counts = Counter(verdicts.values())
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return 0 if set(counts) == {"killed"} else 1


def _show_progress(done: int, total: int, seconds: float) -> None:
    bar = "#" * (30 * done // total)
    left = seconds / done * (total - done)
    print(f"\r[{bar:<30}] {done}/{total}, {left:.0f} s left ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

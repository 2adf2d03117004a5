"""Copies of the project that may be broken, one change at a time, with the tests that must notice."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent.parent
PARTS = ("app", "giftbridge", "mappers", "providers", "tests", "pyproject.toml", "wsgi.py", "README.md")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".hypothesis")

# What pytest ends with when tests failed. Any other code but 0 says that it did not come to test anything.
FAILED = 1

KILLED, SURVIVED = "killed", "SURVIVED"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """`file` becomes `text`; of `tests`, which are what pytest is given, one must fail.

    A change may make a loop that has no end: who is not ready after `timeout_seconds` has noticed.
    """

    file: str
    text: str
    tests: Sequence[str]
    timeout_seconds: float = 180


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

    def verdict(self, change: Change) -> str:
        """Make one change alone and run its tests."""
        path = self._folder / change.file
        original = path.read_text()
        _write(path, change.text)
        try:
            code = self._run(change)
        except subprocess.TimeoutExpired:
            return KILLED
        finally:
            _write(path, original)
        return {0: SURVIVED, FAILED: KILLED}.get(code, f"pytest ended with {code}")

    def _run(self, change: Change) -> int:
        arguments = ["-m", "pytest", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *change.tests]
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=change.timeout_seconds,
            check=False,
        ).returncode


def _write(path: Path, text: str) -> None:
    """Write a file, and forget what Python has compiled of it: within a second it would not see the difference."""
    path.write_text(text)
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def verdicts(items: Sequence[T], change: Callable[[T], Change], processes: int) -> Iterator[tuple[T, str]]:
    """Yield each item with the verdict on its change, as they come, with a bar on stderr."""
    started = time.monotonic()
    with _trees(processes) as trees, ThreadPoolExecutor(processes) as pool:

        def judge(item: T) -> tuple[T, str]:
            tree = trees.get()
            try:
                return item, tree.verdict(change(item))
            finally:
                trees.put(tree)

        for number, done in enumerate(as_completed([pool.submit(judge, item) for item in items]), start=1):
            yield done.result()
            _show_progress(number, len(items), time.monotonic() - started)
    print(file=sys.stderr)


@contextmanager
def _trees(count: int) -> Iterator[queue.SimpleQueue[Tree]]:
    with tempfile.TemporaryDirectory() as folder:
        trees: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for number in range(count):
            copy = Path(folder) / str(number)
            copy.mkdir()
            trees.put(Tree(copy))
        yield trees


def _show_progress(done: int, total: int, seconds: float) -> None:
    bar = "#" * (30 * done // total)
    left = seconds / done * (total - done)
    print(f"\r[{bar:<30}] {done}/{total}, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

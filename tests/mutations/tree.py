"""Copies of the project that may be broken, one change at a time, with the tests that must notice."""

from __future__ import annotations

import multiprocessing
import os
import queue
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("app", "bench", "giftbridge", "mappers", "providers", "tests", "pyproject.toml", "wsgi.py", "README.md")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".hypothesis")

# Libraries that the tests need. A fork server imports them once: they are most of the work of a start.
# None of them brings a plugin of pytest: those it wants to import itself.
PRELOADED = ("pytest", "redis", "requests", "flask", "marshmallow", "structlog", "responses")

OPTIONS = ("--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist")

# A change may make a loop that has no end: a test that is not ready by then has noticed, however busy the machine is.
TEST_SECONDS = 150

# Tests that are all together not ready by then have noticed nothing.
TESTS_SECONDS = 3600

# What pytest says of a test that failed, and faulthandler of one that took too long.
FOUND = re.compile(r"^(?:(?:FAILED|ERROR) (?P<test>\S+::[^\s\[]+)|Timeout \()", re.MULTILINE)

KILLED, SURVIVED = "killed", "SURVIVED"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """`file` becomes `text`; of `tests`, which are what pytest is given, one must fail."""

    file: str
    text: str
    tests: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a change, and the test that found it, where pytest came to name one."""

    word: str
    found_by: str | None = None


class Judge(Protocol):
    """Whoever tells what becomes of one change after the other."""

    def verdict(self, change: Change) -> Verdict: ...


def copy_project(folder: Path) -> None:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=NOT_COPIED)
        else:
            shutil.copy(source, folder / part)


class Tree:
    """A copy of the project that may be broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        copy_project(folder)

    def verdict(self, change: Change) -> Verdict:
        """Make one change alone and run its tests."""
        path = self._folder / change.file
        original = path.read_text()
        _write(path, change.text)
        try:
            return self._run(change.tests)
        finally:
            _write(path, original)

    def _run(self, tests: Sequence[str]) -> Verdict:
        output = self._folder / "output.txt"
        process = FORK_SERVER.Process(target=_run_pytest, args=(self._folder, output, tests))
        process.start()
        process.join(TESTS_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            return Verdict(f"not ready in {TESTS_SECONDS} s")
        if process.exitcode == pytest.ExitCode.OK:
            return Verdict(SURVIVED)
        # Who crashes ends with the same code as who saw a test fail, and has tested nothing.
        found = FOUND.search(output.read_text()) if process.exitcode == pytest.ExitCode.TESTS_FAILED else None
        return Verdict(KILLED, found["test"]) if found else Verdict(f"pytest ended with {process.exitcode}")


def _run_pytest(folder: Path, output: Path, tests: Sequence[str]) -> None:
    """Be a process that runs tests in a copy."""
    enter(folder, output)
    limit = ["-o", f"faulthandler_timeout={TEST_SECONDS}", "-o", "faulthandler_exit_on_timeout=true"]
    sys.exit(pytest.main(["-x", *OPTIONS, *limit, *tests]))


def enter(folder: Path, output: Path) -> None:
    """Be a process of a copy, which knows nothing of the original and writes to `output`."""
    with output.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in list(sys.modules):
        if name.partition(".")[0] in PARTS:
            del sys.modules[name]


FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(list(PRELOADED))


def _write(path: Path, text: str) -> None:
    """Write a file, and forget what Python has compiled of it: within a second it would not see the difference."""
    path.write_text(text)
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def verdicts(
    items: Sequence[T],
    change: Callable[[T], Change],
    processes: int,
    seconds: float | None = None,
    judge_in: Callable[[Path], Judge] = Tree,
) -> Iterator[tuple[T, Verdict]]:
    """Yield each item with the verdict on its change, as they come, with a bar on stderr.

    After `seconds` no other is begun. `judge_in` makes a judge of an empty folder, one for each of the processes.
    """
    started = time.monotonic()
    waiting = list(reversed(items))
    running: set[Future[tuple[T, Verdict]]] = set()
    done = 0
    with _judges(processes, judge_in) as judges, ThreadPoolExecutor(processes) as pool:

        def judge(item: T) -> tuple[T, Verdict]:
            one = judges.get()
            try:
                return item, one.verdict(change(item))
            finally:
                judges.put(one)

        while True:
            in_time = seconds is None or time.monotonic() < started + seconds
            while waiting and in_time and len(running) < processes:
                running.add(pool.submit(judge, waiting.pop()))
            if not running:
                break
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
                done += 1
                _show_progress(done, len(items), time.monotonic() - started)
    print(file=sys.stderr)


@contextmanager
def _judges(count: int, judge_in: Callable[[Path], Judge]) -> Iterator[queue.SimpleQueue[Judge]]:
    with tempfile.TemporaryDirectory() as folder:
        judges: queue.SimpleQueue[Judge] = queue.SimpleQueue()
        for number in range(count):
            copy = Path(folder) / str(number)
            copy.mkdir()
            judges.put(judge_in(copy))
        yield judges


def _show_progress(done: int, total: int, seconds: float) -> None:
    bar = "#" * (30 * done // total)
    left = seconds / done * (total - done)
    print(f"\r[{bar:<30}] {done}/{total}, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

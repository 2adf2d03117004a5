"""A process that has imported the project and found all tests, once: for each change a fork of it runs some of them.

So a change takes little more than its tests do.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest

from tests.app.commands import family
from tests.mutations.tree import FORK_SERVER, KILLED, OPTIONS, SURVIVED, Change, Verdict, copy_project, enter

# A change may make a loop that has no end: a test that is twice not ready by then has noticed. Once proves nothing: the
# machine may be busy.
LIMITS_SECONDS = (30, 150)


class Session:
    """A copy of the project that may be broken, in a file of scripts or in what functions of a module do."""

    def __init__(self, folder: Path, tests: Sequence[str], limits_seconds: Sequence[int] = LIMITS_SECONDS) -> None:
        copy_project(folder)
        self._connection, theirs = FORK_SERVER.Pipe()
        arguments = folder, tests, limits_seconds, theirs
        FORK_SERVER.Process(target=_serve, args=arguments, daemon=True).start()
        theirs.close()

    def verdict(self, change: Change) -> Verdict:
        """Make one change alone and run its tests."""
        if not change.tests:
            return Verdict(SURVIVED)
        # Plain values: the classes of the copy are others.
        self._connection.send((change.file, change.text, change.tests))
        return Verdict(*self._connection.recv())


def _serve(folder: Path, tests: Sequence[str], limits_seconds: Sequence[int], connection: Connection) -> None:
    enter(folder, folder / "output.txt")
    server = _Server(connection, limits_seconds)
    sys.exit(pytest.main([*OPTIONS, "--basetemp", str(folder / "temporary"), *tests], [server]))


class _Server:
    """A plugin of pytest that runs the tests it is told to."""

    def __init__(self, connection: Connection, limits_seconds: Sequence[int]) -> None:
        self._connection = connection
        self._limits_seconds = limits_seconds
        self._failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        while True:
            try:
                file, text, tests = self._connection.recv()
            except EOFError:
                return True
            self._connection.send(self._verdict(file, text, [items[test] for test in tests]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def _verdict(self, file: str, text: str, items: Sequence[pytest.Item]) -> tuple[str, str | None]:
        for seconds in self._limits_seconds:
            found, status = self._in_a_child(file, text, items, seconds)
            if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM):
                word, _, test = found.partition("\t")
                return word or f"the tests ended with {status}", test or None
        return KILLED, None

    def _in_a_child(self, file: str, text: str, items: Sequence[pytest.Item], seconds: int) -> tuple[str, int]:
        """Return what a child tells (see `_word`), and how it ended; SIGALRM ends it after `seconds` in one test."""
        original = Path(file).read_text()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, end)
            try:
                os.write(writing, self._word(file, text, items, seconds).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            found = pipe.read()
        _, status = os.waitpid(child, 0)
        Path(file).write_text(original)  # here: who is ended by a signal leaves nothing as it was
        return found, status

    def _word(self, file: str, text: str, items: Sequence[pytest.Item], seconds: int) -> str:
        """Return the word of a verdict and the test that found it."""
        path = Path(file)
        if path.suffix == ".py":
            change_code(sys.modules[file.removesuffix(".py").replace("/", ".")], text)
        else:
            path.write_text(text)
        try:
            for item in items:
                if self._fails(item, seconds):
                    # Among so many tests one may fail by accident: it must fail again.
                    word = KILLED if self._fails(item, seconds) else "found once, and then not again"
                    return f"{word}\t{item.nodeid}"
            return SURVIVED
        finally:
            items[0].session._setupstate.teardown_exact(None)

    def _fails(self, item: pytest.Item, seconds: int) -> bool:
        """Run a test, and leave what it shares with all others."""
        self._failed = False
        signal.alarm(seconds)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=item.session)
        signal.alarm(0)
        return self._failed


def end(signal_number: int, _frame: object) -> None:
    """End this process by a signal, and the servers it has started: a script that loops would keep one at it."""
    for process in family(os.getpid()):
        os.kill(process, signal.SIGKILL)
    signal.signal(signal_number, signal.SIG_DFL)
    os.kill(os.getpid(), signal_number)


def change_code(module: ModuleType, text: str) -> None:
    """Let the functions of a module do what they do in `text`: others have imported them already."""
    changed = {code.co_qualname: code for code in _codes(compile(text, module.__name__, "exec"))}
    for function in _functions(module, module.__name__):
        function.__code__ = changed.get(function.__code__.co_qualname, function.__code__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _functions(holder: object, module: str) -> Iterator[FunctionType]:
    """Yield the functions of a module or a class, and of its classes."""
    for value in vars(holder).values():
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if getattr(function, "__module__", None) == module:
            if isinstance(function, type):
                yield from _functions(function, module)
            elif isinstance(function, FunctionType):
                yield function

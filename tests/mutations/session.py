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

from tests.mutations.tree import FORK_SERVER, KILLED, OPTIONS, SURVIVED, Change, Verdict, copy_project, enter

# A change may make a loop that has no end: a test that is not ready by then has noticed.
TEST_SECONDS = 60


class Session:
    """A copy of the project that may be broken, in a file of scripts or in what functions of a module do."""

    def __init__(self, folder: Path, tests: Sequence[str]) -> None:
        copy_project(folder)
        self._connection, theirs = FORK_SERVER.Pipe()
        FORK_SERVER.Process(target=_serve, args=(folder, tests, theirs), daemon=True).start()
        theirs.close()

    def verdict(self, change: Change) -> Verdict:
        """Make one change alone and run its tests."""
        if not change.tests:
            return Verdict(SURVIVED)
        # Plain values: the classes of the copy are others.
        self._connection.send((change.file, change.text, change.tests))
        return Verdict(*self._connection.recv())


def _serve(folder: Path, tests: Sequence[str], connection: Connection) -> None:
    enter(folder, folder / "output.txt")
    sys.exit(pytest.main([*OPTIONS, "--basetemp", str(folder / "temporary"), *tests], [_Server(connection)]))


class _Server:
    """A plugin of pytest that runs the tests it is told to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
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
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, self._word(file, text, items).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            found = pipe.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            return KILLED, None
        word, _, test = found.partition("\t")
        return word or f"the tests ended with {status}", test or None

    def _word(self, file: str, text: str, items: Sequence[pytest.Item]) -> str:
        """Return the word of a verdict and the test that found it."""
        path = Path(file)
        original = path.read_text()
        if path.suffix == ".py":
            change_code(sys.modules[file.removesuffix(".py").replace("/", ".")], text)
        else:
            path.write_text(text)
        try:
            for item in items:
                if self._fails(item):
                    # Among so many tests one may fail by accident: it must fail again.
                    word = KILLED if self._fails(item) else "found once, and then not again"
                    return f"{word}\t{item.nodeid}"
            return SURVIVED
        finally:
            items[0].session._setupstate.teardown_exact(None)
            path.write_text(original)

    def _fails(self, item: pytest.Item) -> bool:
        """Run a test, and leave what it shares with all others."""
        self._failed = False
        signal.alarm(TEST_SECONDS)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=item.session)
        signal.alarm(0)
        return self._failed


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

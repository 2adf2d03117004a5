"""A session judges a change as a run of its tests would."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.app.commands import alive, wait_for
from tests.mutations.session import Session, change_code
from tests.mutations.tree import KILLED, ROOT, SURVIVED, Change, Verdict

TEST = "tests/ledger/test_parked.py::test_a_refusal_after_money_moved_parks_the_act"

TEXT = """
def function():
    return 1

class Class:
    def method(self):
        return super().__class__ and (lambda: 1)()

    @property
    def value(self):
        return 1

    @staticmethod
    def static():
        return 1
"""


def test_whoever_has_imported_a_function_already_gets_the_change() -> None:
    module = ModuleType("module")
    exec(TEXT, vars(module))
    function, thing = module.function, module.Class()
    change_code(module, TEXT.replace("1", "2"))
    assert (function(), thing.method(), thing.value, thing.static()) == (2, 2, 2, 2)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(tmp_path_factory.mktemp("session"), ["tests/ledger/test_parked.py"])


def judged(session: Session, file: str, text: str, replacement: str) -> Verdict:
    original = (ROOT / file).read_text()
    assert text in original
    return session.verdict(Change(file, original.replace(text, replacement), [TEST]))


def test_a_change_of_a_module_and_of_a_script_is_found_and_leaves_nothing(session: Session) -> None:
    may_be_refused = "return act.state is ActState.PENDING and not something_moved(steps)"
    parks = "elseif arg.outcome == 'parked' then"
    for file, text, replacement in (
        ("app/ledger/transaction.py", may_be_refused, "return True"),
        ("app/ledger/storage/lua/record.lua", parks, "elseif false then"),
    ):
        assert judged(session, file, text, text) == Verdict(SURVIVED)
        assert judged(session, file, text, replacement) == Verdict(KILLED, TEST)
        assert judged(session, file, text, text) == Verdict(SURVIVED)


def test_what_no_test_reaches_survives(session: Session) -> None:
    assert session.verdict(Change("app/ledger/attempt.py", "raise Exception", [])) == Verdict(SURVIVED)


def test_what_is_not_ready_in_time_is_tried_again(tmp_path: Path) -> None:
    session = Session(tmp_path / "copy", ["tests/ledger/test_parked.py"], limits_seconds=(1, 60))
    tried = tmp_path / "tried"
    is_first = f"not __import__('os').path.exists('{tried}') and __import__('os').mkdir('{tried}') is None"
    returns = "    return act.state is ActState.PENDING and not something_moved(steps)"
    at_first = f"    while {is_first}:\n        __import__('signal').pause()\n"
    assert judged(session, "app/ledger/transaction.py", returns, at_first + returns) == Verdict(SURVIVED)


def test_what_is_never_ready_is_noticed_and_leaves_nothing(tmp_path: Path) -> None:
    session = Session(tmp_path, ["tests/ledger/test_parked.py"], limits_seconds=(1, 1))
    script = "app/ledger/storage/lua/record.lua"
    original = (tmp_path / script).read_text()
    never = Change(script, f"while true do end {original}", [TEST])
    assert session.verdict(never) == Verdict(KILLED)
    assert (tmp_path / script).read_text() == original


def test_who_is_not_ready_takes_along_what_it_has_started(tmp_path: Path) -> None:
    """A server whose script loops would keep a processor for itself."""
    sleeps = "[sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True, stdout=s.DEVNULL"
    starts = f"import subprocess as s, sys; print(s.Popen({sleeps}).pid, flush=True)"
    ends = "from tests.mutations.session import end; end(14, None)"
    told = subprocess.run([sys.executable, "-c", f"{starts}; {ends}"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert told.returncode == -signal.SIGALRM
    wait_for(lambda: not alive(int(told.stdout)))

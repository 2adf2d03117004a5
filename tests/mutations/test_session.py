"""A session judges a change as a run of its tests would."""

from __future__ import annotations

from types import ModuleType

import pytest

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

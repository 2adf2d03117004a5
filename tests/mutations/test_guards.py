"""The run over every guard tests what it says: each change is another program, and every survivor is still there."""

from __future__ import annotations

from pathlib import Path

import redis

from app.ledger.storage import storage
from tests.mutations.guards import LUA, PYTHON, guards, guards_of
from tests.mutations.survivors import SURVIVORS
from tests.mutations.tree import ROOT

PRELUDE = Path(storage.__file__).parent / "lua" / "prelude.lua"


def replaced(file: str, text: str) -> set[tuple[str, str]]:
    return {(text[guard.start : guard.end], guard.replacement) for guard in guards_of(file, text)}


def test_every_condition_and_operand_of_a_script_is_taken_away() -> None:
    text = """
    if a == 1 and not (b or c) then f(g and 'x' or '') end
    local d = get('e') or h
    return d
    """
    assert replaced("x.lua", text) == {
        ("a == 1 and not (b or c)", "true"),
        ("a == 1 and not (b or c)", "false"),
        ("a == 1", "true"),
        ("not (b or c)", "true"),
        ("b", "false"),
        ("c", "false"),
        ("g", "true"),
        ("g", "false"),
        ("get('e')", "false"),
        ("h", "false"),
    }


def test_every_condition_and_operand_of_a_module_is_taken_away() -> None:
    text = "x = [y for y in z if y and q]\nif (a\n    or b):\n    pass\n"
    assert replaced("x.py", text) == {
        ("y and q", "True"),
        ("y", "True"),
        ("q", "True"),
        ("a\n    or b", "True"),
        ("a\n    or b", "False"),
        ("a", "False"),
        ("b", "False"),
    }


def test_every_change_is_a_program(redis_url: str) -> None:
    """What cannot be run is noticed by every test, and proves nothing."""
    texts = {file: (ROOT / file).read_text() for file in (*LUA, *PYTHON)}
    with redis.Redis.from_url(redis_url) as client:
        for guard in guards():
            changed = guard.changed(texts[guard.file])
            assert changed != texts[guard.file]
            if guard.file in PYTHON:
                compile(changed, guard.file, "exec")
            else:
                is_prelude = (ROOT / guard.file).samefile(PRELUDE)
                client.script_load(changed if is_prelude else PRELUDE.read_text() + changed)


def test_every_survivor_is_a_guard_and_has_a_reason() -> None:
    names = [guard.name for guard in guards()]
    assert len(names) == len(set(names))
    assert set(SURVIVORS) <= set(names)
    assert all(SURVIVORS.values())

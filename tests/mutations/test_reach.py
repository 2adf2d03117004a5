"""Guards that report: they say what they are, test by test, and nothing else of the code changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from app.ledger.storage.connection import Connection
from tests.mutations import recorder
from tests.mutations.guards import LUA, PYTHON, guards_of
from tests.mutations.reach import reached_by, read, reporting
from tests.mutations.recorder import FILE
from tests.mutations.tree import ROOT


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file where guards report."""
    monkeypatch.setenv(FILE, str(tmp_path / "seen.txt"))
    monkeypatch.setattr(recorder, "_noted", set())
    return tmp_path / "seen.txt"


def named(file: str, text: str, noted: Path) -> set[tuple[str, str]]:
    """Return what the guards of a file were found to be, each by its text."""
    texts = {f"{file}:{guard.start}:{guard.end}": text[guard.start : guard.end] for guard in guards_of(file, text)}
    lines = [line.split("\t") for line in noted.read_text().splitlines()]
    assert {test.rpartition("::")[2] for test, _, _ in lines} <= {"test_a_module_reports", "test_a_script_reports"}
    return {(texts[guard], value) for _, guard, value in lines}


def test_a_module_reports(noted: Path) -> None:
    text = "x = [y for y in (0, 1) if y] or z\nif (found := x) and not w:\n    x = [2]\n"
    names: dict[str, object] = {"noting": recorder.noting, "z": [], "w": 0}
    exec(reporting(text, guards_of("x.py", text)), names)
    assert names["x"] == [2]
    assert named("x.py", text, noted) == {
        ("y", "true"),
        ("y", "false"),
        ("[y for y in (0, 1) if y]", "other"),
        ("(found := x) and not w", "true"),
        ("found := x", "true"),
        ("not w", "true"),
    }


def test_a_script_reports(noted: Path, redis_url: str) -> None:
    text = "local a = tonumber(ARGV[1])\nif a == 1 or (a or 5) > 3 then return a or 'x' end\nreturn {a and 'y'}\n"
    connection = Connection.to(redis_url, timeout_seconds=2, connections=1)
    script = recorder.reporting(Connection.script)(connection, reporting(text, guards_of("x.lua", text)))
    assert script(["key"], "4") == 4
    connection.close()
    assert named("x.lua", text, noted) == {
        ("a == 1 or (a or 5) > 3", "true"),
        ("a == 1", "false"),
        ("(a or 5) > 3", "true"),
        ("a", "other"),
    }


def test_what_a_guard_is_in_the_smallest_test_is_tried_first() -> None:
    text = "if a and b:\n    pass\n"
    guard = {(text[one.start : one.end], one.replacement): one for one in guards_of("x.py", text)}
    lines = [
        *("large\tx.py:3:10\tfalse", "large\tx.py:3:4\tfalse"),
        *("large\tx.py:3:10\ttrue", "large\tx.py:3:4\ttrue", "large\tx.py:9:10\ttrue"),
        *("small\tx.py:3:10\tfalse", "small\tx.py:3:4\tfalse"),
    ]
    values = read(lines)
    assert reached_by(guard["a and b", "False"], values) == ["large"]
    assert reached_by(guard["a", "True"], values) == ["small", "large"]
    assert reached_by(guard["b", "True"], values) == []


def test_every_file_that_reports_is_a_program(redis_url: str) -> None:
    """A guard that cannot report would be one that no test knows."""
    texts = {file: (ROOT / file).read_text() for file in (*LUA, *PYTHON)}
    changed = {file: reporting(text, guards_of(file, text)) for file, text in texts.items()}
    for file in PYTHON:
        compile(changed[file], file, "exec")
    with redis.Redis.from_url(redis_url) as client:
        prelude = next(changed[file] for file in LUA if file.endswith("prelude.lua"))
        for file in LUA:
            client.script_load(prelude + ("" if changed[file] is prelude else changed[file]))

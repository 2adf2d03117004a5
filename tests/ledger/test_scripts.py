"""What Redis's scripts keep to, so that they run on every server from Redis 7.0 on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.ledger.storage import storage

FOLDER = Path(storage.__file__).parent / "lua"
SCRIPTS = sorted(FOLDER.glob("*.lua"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_numbers_are_added_in_one_place_that_knows_of_minus_zero(script: Path) -> None:
    """Redis 7.0 is given Lua's -0 as "-0", which it takes for no integer: the script would end half done."""
    adding = re.findall(r"'HINCRBY'", script.read_text())
    assert len(adding) == (script.name == "prelude.lua")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_time_is_the_redis_own(script: Path) -> None:
    assert not re.search(r"\bos\.|arg\.now", script.read_text())

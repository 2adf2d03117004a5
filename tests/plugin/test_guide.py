"""The guide to adding a backend is true: its commands do what it says, and it leaves nothing out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import giftbridge.mapper
from mappers import base
from mappers.base import InvalidOptions, Mapper, MapperError
from mappers.conformance.fixtures import Fixtures

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "mappers/README.md").read_text()

# What the guide's commands need of the repository.
NEEDED = ("app", "giftbridge", "mappers", "providers", "tests/conformance", "tests/conftest.py", "pyproject.toml")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository, with the commands that `make install` puts there."""
    copy = tmp_path / "giftbridge"
    for name in NEEDED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    commands = copy / ".venv/bin"
    commands.mkdir(parents=True)
    for command, module in (("python", ""), ("giftbridge", "-m giftbridge")):
        script = f'#!/bin/sh\nPYTHONPATH={copy} PYTHONSAFEPATH=1 exec {sys.executable} {module} "$@"\n'
        (commands / command).write_text(script)
        (commands / command).chmod(0o755)
    return copy


def test_its_commands_do_what_it_says(copy: Path) -> None:
    folder = copy
    for block in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
        # The last command of a block may be there to fail.
        ran = subprocess.run(
            ["sh", "-e", "-c", f"{block}"],
            cwd=folder,
            env=os.environ | {"PYTEST_ADDOPTS": "-p no:cacheprovider"},
            capture_output=True,
            text=True,
            check=False,
        )
        said = ran.stdout + ran.stderr
        if "# fails, and says what to write first" in block:
            assert ran.returncode == 1, said
            assert "Unwritten: client.py, " in said
        else:
            assert ran.returncode == 0, said
            assert "failed" not in said


def test_every_attribute_and_method_of_a_mapper_is_in_it() -> None:
    for name in vars(Mapper):
        assert name.startswith("_") or f"`{name}`" in GUIDE, name


def test_every_error_of_a_mapper_is_in_it() -> None:
    errors = [found for found in vars(base).values() if isinstance(found, type) and issubclass(found, MapperError)]
    for error in (*errors, InvalidOptions):
        assert error is MapperError or f"\n| `{error.__name__}` |" in GUIDE, error
        assert error.__name__ in giftbridge.mapper.__all__, error


def test_every_type_that_it_shows_has_just_these_fields() -> None:
    part = GUIDE.partition("## What a mapper is given, and what it returns\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", part, re.MULTILINE)
    assert len(rows) == part.count("\n| ") - 1
    for name, shown in rows:
        named = {word for word in re.findall(r"`(\w+)`", shown) if word.islower()} - {"plan"}
        assert named == {field.name for field in fields(getattr(giftbridge.mapper, name))}, name


def test_every_fixture_that_the_suite_wants_is_in_it() -> None:
    given = {"mapper_class", "options", "card_code", "unusable_card_code", "single_use_card_code"}
    given |= {"end_card", "ruled_card_code", "set_read_lag", "small_pages", "backend", "currency", "other_currencies"}
    own = {name for name in vars(Fixtures) | Fixtures.__annotations__ if not name.startswith(("_", "pytest_"))}
    made_of_them = {"make_mapper", "mapper", "full", "card_id", "sandbox", "run_scenario", "nothing_secret_is_logged"}
    assert own == given | made_of_them
    for name in given:
        assert f"\n| `{name}` |" in GUIDE, name


def test_every_link_leads_somewhere_and_every_file_it_names_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", GUIDE):
        assert (ROOT / "mappers" / link).exists(), link
    for path in re.findall(r"`((?:mappers|tests)/[\w/.]+)`", GUIDE):
        assert "acme" in path or (ROOT / path).exists(), path

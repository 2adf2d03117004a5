"""`giftbridge mappers` lists what there is, and begins what is to come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.commands.cli import main
from mappers import registry

from .conftest import WORKING, Install


def mappers(*arguments: str) -> Result:
    # Wide enough for every column.
    return CliRunner().invoke(main, ["mappers", *arguments], env={"COLUMNS": "300"})


def test_every_mapper_is_listed_with_where_it_comes_from(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": WORKING})
    lines = mappers().output.splitlines()
    for name in registry.BUILT_IN:
        assert [line for line in lines if line.split()[:2] == [name, "built-in"]]
    assert [line for line in lines if line.split()[:3] == ["acme", "giftbridge-acme", "1.5"]]


def test_json_says_what_each_can_do() -> None:
    listed = {one["name"]: one for one in json.loads(mappers("--json").stdout)}
    vauchar = listed["vauchar"]
    assert (vauchar["origin"], vauchar["holds"], vauchar["adds_value"]) == ("built-in", ["ledger", "upfront"], False)
    assert vauchar["required_options"] == ["merchant_id", "api_key"]
    assert (listed["memory"]["adds_value"], listed["memory"]["sandbox"]) == (True, False)


def test_a_broken_package_is_told_beside_the_list(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": "import no_such_library"})
    listed = mappers()
    assert listed.exit_code == 0
    assert "acme" not in listed.stdout
    assert "acme (giftbridge-acme) is not used" in listed.stderr
    assert "no_such_library" in listed.stderr


@pytest.mark.parametrize("name", ["Acme", "1acme", "acme-gift", "class", "a" * 41, "../acme", "memory"])
def test_a_name_that_no_mapper_can_have_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = mappers("new", name, "--package")
    assert refused.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_outside_the_repository_only_a_package_can_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = mappers("new", "acme")
    assert refused.exit_code == 2
    assert "--package" in refused.output
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mappers("new", "acme", "--package").exit_code == 0
    client = tmp_path / "giftbridge-acme/src/giftbridge_acme/client.py"
    client.write_text("mine")
    (tmp_path / "giftbridge-acme/pyproject.toml").unlink()
    assert mappers("new", "acme", "--package").exit_code == 2
    assert client.read_text() == "mine"
    assert not (tmp_path / "giftbridge-acme/pyproject.toml").exists()


def test_in_the_repository_the_line_to_add_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mappers").mkdir()
    (tmp_path / "mappers/registry.py").touch()
    monkeypatch.chdir(tmp_path)
    printed = mappers("new", "gift_card").output
    assert '"gift_card": "mappers.gift_card.mapper:GiftCard",' in printed
    for path in ("mappers/gift_card/mapper.py", "tests/conformance/test_gift_card.py"):
        assert f"wrote {path}" in printed
        assert (tmp_path / path).is_file()

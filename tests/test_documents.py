"""The documents are true: their tables are the code's, and their commands exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from app.commands.cli import main
from app.protocol import errors
from app.settings import documentation
from mappers.capabilities import BUILT_IN, describe, markdown
from providers.registry import Registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def table(first_heading: str) -> list[list[str]]:
    """Return the rows of README's table whose first column is headed so."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_every_setting_is_in_the_table_with_its_default_and_reason() -> None:
    expected = [[f"`{name}`", f"`{default}`" if default else "", reason] for name, default, reason in documentation()]
    assert table("variable") == expected


def test_every_error_code_is_in_the_table_under_its_status() -> None:
    listed = {code: row[0] for row in table("status") for code in re.findall(r"`(\w+)`", row[1])}
    for status, code in {(status, code) for _, (status, code) in errors.STATUSES.items()}:
        assert str(status) in listed.get(code, ""), f"{code} is {status} in the code, {listed.get(code)} in README"


def test_every_command_is_in_the_table() -> None:
    documented = {re.match(r"`giftbridge (\w+)", row[0])[1] for row in table("command")}  # type: ignore[index]
    assert documented == set(main.list_commands(click.Context(main)))


def test_the_table_of_mappers_is_what_the_code_prints() -> None:
    printed = markdown(describe())
    assert printed in README, f"replace the table by what `giftbridge mappers --markdown` prints:\n{printed}"


def test_every_built_in_mapper_has_a_guide() -> None:
    for described in describe():
        assert described.guide or described.origin != BUILT_IN, described.name


def test_the_example_of_providers_toml_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert example
    assert "acme" in tomllib.loads(example[1])
    file = tmp_path / "providers.toml"
    file.write_text(example[1])
    monkeypatch.setenv("ACME_APP_TOKEN", "a-token")
    monkeypatch.setenv("ACME_LIGHTRAIL_KEY", "a-key")
    provider = Registry.load(file).get("acme")
    assert provider is not None
    assert provider.authenticate("acme-key", "a-token")


@pytest.mark.parametrize(("path", "name"), re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README))
def test_every_proof_of_the_promise_exists(path: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / path).read_text()


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_make_targets_named_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in (README, (ROOT / "ARCHITECTURE.md").read_text()):
        assert set(re.findall(r"`?make (\w+)`?$", document, re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", re.findall(r"^  (\w+\.py|\w+/)", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
def test_the_rooms_of_the_house_exist(path: str) -> None:
    assert list((ROOT / "app").glob(path)), path

"""What `--json` prints has the shape that the command declares, and docs/interfaces.txt lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Installation
from tests.docs import shapes
from tests.docs.tables import every_command


@pytest.mark.parametrize(
    "command",
    [
        "mappers",
        "certify --list",
        "ledger doubt compared",
        "ledger trust --yes",
        "users reset ana",
        "reconcile --history",
    ],
)
def test_a_command_prints_the_shape_that_it_declares(installation: Installation, command: str) -> None:
    installation.run("users", "add", "ana", "--role", "owner")
    installation.json(*command.split())


def test_a_restored_backup_is_told_in_its_shape(
    installation: Installation, another_redis_url: str, tmp_path: Path
) -> None:
    installation.json("backup", str(tmp_path / "backup.gz"))
    installation.json("restore", str(tmp_path / "backup.gz"), GIFTBRIDGE_REDIS_URL=another_redis_url)


def test_every_command_that_ends_by_itself_declares_a_shape_with_names() -> None:
    shapes_of = {
        ctx.command_path: list(shapes.names(shape))
        for ctx in every_command()
        if (shape := shapes.of_command(ctx.command_path.split()[1:])) is not None
    }
    assert [path for path, names in shapes_of.items() if not names] == ["giftbridge sweep"]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        pytest.param({"id": "a", "revoked": "k", "app_keys": []}, [], id="as declared"),
        pytest.param({"id": "a", "revoked": "k"}, [".app_keys is missing"], id="one is missing"),
        pytest.param(
            {"id": "a", "revoked": "k", "app_keys": [], "more": 1}, [".more is not in the shape"], id="one is unknown"
        ),
        pytest.param(
            {"id": "a", "revoked": {}, "app_keys": []}, [".revoked holds more than the shape says"], id="an object"
        ),
        pytest.param([], [" is no object"], id="no object"),
    ],
)
def test_what_is_not_of_a_shape_is_found(value: Any, wrong: list[str]) -> None:
    assert shapes.misfits(json.loads(json.dumps(value)), shapes.of_command(["providers", "revoke"])) == wrong

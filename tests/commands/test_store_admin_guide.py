"""The store admin's guide is true: its commands are run as they stand, in a shell, on free ports."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands.walks import told, walk
from tests.docs.documents import document

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the shopper's calls are curl's")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """What the commands printed, and the directory they were run in."""
    folder = tmp_path_factory.mktemp("admin")
    return walk(document("docs/store-admin.md"), folder), folder


def test_every_command_of_the_walk_succeeds(walked: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    shell, folder = walked
    assert shell.returncode == 0, told(shell, folder)


def test_the_walk_ends_with_a_registered_provider_and_a_refunded_order(
    walked: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    output = walked[0].stdout
    assert re.search(r"^acme is registered with mystore", output, re.MULTILINE)
    assert re.search(r"^Settled +40\.00 BRL", output, re.MULTILINE)
    assert re.search(r"^Given back +20\.00 BRL of what was reserved, 15\.00 of what was settled", output, re.MULTILINE)
    assert re.search(r"^Can be spent +75\.00 BRL", output, re.MULTILINE)
    assert "No differences." in output
    assert "Nothing is wrong." in output.splitlines()


def test_the_walk_shows_no_secret_but_the_token_it_made(
    walked: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    shell, folder = walked
    made = re.search(r"^App token +(\S+)", shell.stdout, re.MULTILINE)
    assert made
    assert shell.stdout.count(made[1]) == 1
    # The sandbox says once how a provider reaches it.
    said = shell.stdout.replace(made[0], "").replace('api_key = "lightrail-sandbox-key"', "", 1)
    written = [path.read_bytes() for path in (folder / "work").rglob("*") if path.is_file()]
    for secret in (made[1], "lightrail-sandbox-key", "demo-vtex-token"):
        assert not any(secret.encode() in text for text in written), secret
        assert secret not in said + shell.stderr

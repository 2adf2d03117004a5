"""The store admin's guide is true: its commands are run as they stand, in a shell, on free ports."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.commands import environment, free_port
from tests.docs.documents import document

GUIDE = document("docs/store-admin.md")

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the shopper's calls are curl's")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """What the commands printed, and the directory they were run in."""
    script = "\n".join(GUIDE.blocks("sh"))
    ports = {number: str(free_port()) for number in re.findall(r"\b(?:28700|28750|8080)\b", script)}
    script = re.sub("|".join(ports), lambda match: ports[match[0]], script)
    folder = tmp_path_factory.mktemp("admin")
    tools = tmp_path_factory.mktemp("bin")
    command = tools / "giftbridge"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m giftbridge "$@"\n')
    command.chmod(0o755)
    process = subprocess.Popen(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env=environment(BIND=f"127.0.0.1:{ports['8080']}") | {"PATH": f"{tools}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=120)
    finally:
        if process.poll() is None or process.returncode != 0:
            # What it left running shares its group; the service stops its own.
            os.killpg(process.pid, signal.SIGTERM)
    return subprocess.CompletedProcess(script, process.returncode, output, errors), folder


def test_every_command_of_the_walk_succeeds(walked: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    shell, folder = walked
    assert shell.returncode == 0, f"{shell.stdout}\n{shell.stderr}\n{(folder / 'serve.log').read_text()}"


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
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for secret in (made[1], "lightrail-sandbox-key", "demo-vtex-token"):
        assert not any(secret.encode() in text for text in written), secret
        assert secret not in shell.stdout.replace(made[0], "") + shell.stderr

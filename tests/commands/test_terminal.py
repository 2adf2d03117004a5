"""On a terminal the commands are for people: secrets are typed unseen, color helps, and what takes long says so."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.commands import environment, wait_for

from .conftest import CODE, Installation

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]m")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a terminal as Linux has it")


class Terminal:
    """A command with a terminal for all of its streams, or for some of them."""

    def __init__(self, installation: Installation, *arguments: str, stdout: int | None = None, **more: str) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        kept = {name: value for name, value in installation.environment.items() if name != "COLUMNS"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "giftbridge", *arguments],
            cwd=installation.folder,
            env=environment() | kept | {"TERM": "xterm-256color"} | more,
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        self.output = ""

    def read(self) -> str:
        try:
            while chunk := os.read(self._ours, 65536):
                self.output += chunk.decode(errors="replace")
        except BlockingIOError:
            pass
        except OSError:
            pass  # Linux: the other end is closed
        return self.output

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        wait_for(lambda: self.read() is not None and self.process.poll() is not None, 60)
        self.read()
        os.close(self._ours)
        return self.process.returncode


StartTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(installation: Installation) -> StartTerminal:
    def start(*arguments: str, stdout: int | None = None, **more: str) -> Terminal:
        return Terminal(installation, *arguments, stdout=stdout, **more)

    return start


def test_a_code_is_typed_unseen(terminal: StartTerminal) -> None:
    asked = terminal("cards", "show", "acme")
    wait_for(lambda: "Gift card code: " in asked.read())
    asked.type(f"{CODE}\n")
    assert asked.end() == 0
    assert "250.00 BRL" in asked.output
    assert CODE not in asked.output


@pytest.mark.parametrize(("answer", "settled"), [("y", 6000), ("n", 0)])
def test_what_moves_money_is_shown_and_asked_first(
    installation: Installation, terminal: StartTerminal, answer: str, settled: int
) -> None:
    transaction = installation.pay()
    asked = terminal("transactions", "settle", transaction)
    wait_for(lambda: "Do it? [y/N]: " in asked.read())
    assert "Take 60.00 BRL of 60.00 BRL that are reserved" in asked.output
    assert installation.record(transaction).captured == 0
    asked.type(f"{answer}\n")
    assert asked.end() == (0 if settled else 1)
    assert installation.record(transaction).captured == settled


def test_tables_are_colored_and_as_wide_as_the_terminal(installation: Installation, terminal: StartTerminal) -> None:
    installation.pay()
    shown = terminal("transactions", "list")
    assert shown.end() == 0
    assert COLOUR.search(shown.output)
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.output.splitlines()) <= 120


def test_no_color_is_no_color(installation: Installation, terminal: StartTerminal) -> None:
    installation.pay()
    shown = terminal("transactions", "list", NO_COLOR="1")
    assert shown.end() == 0
    assert "\x1b[" not in shown.output


def test_what_takes_long_says_what_it_does_and_leaves_the_result_clean(
    installation: Installation, tmp_path: Path
) -> None:
    installation.backend.faults.add("delay_after", seconds=2.0, times=1)
    with (tmp_path / "result.json").open("wb") as result:
        card = ("--card", "value-001")
        waited = Terminal(installation, "cards", "show", "acme", *card, "--json", stdout=result.fileno())
        assert waited.end() == 0
    assert "Asking the backend" in waited.output
    text = (tmp_path / "result.json").read_text()
    assert text.startswith('{"provider":"acme"')
    assert text.count("\n") == 1


def test_what_is_quick_shows_no_bar(installation: Installation, terminal: StartTerminal) -> None:
    quick = terminal("cards", "show", "acme", "--card", "value-001", "--json")
    assert quick.end() == 0
    assert "Asking the backend" not in quick.output

"""`giftbridge demo` shows calls that work when they are pasted."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .commands import Command, alive, free_port, running, wait_for

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the tests look into /proc"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the calls are curl's"),
]

SEARCH = '"{\\"client\\": {}, \\"cart\\": {\\"redemptionCode\\": \\"$CODE\\"}}"'


@contextmanager
def started(folder: Path) -> Iterator[Command]:
    """A demo that has said what to paste; its temporary files are in `folder`/temporary."""
    temporary = folder / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        with running("demo", "--verbose", "--port", str(free_port()), cwd=folder) as demo:
            wait_for(lambda: demo.process.poll() is not None or demo.output.endswith("--verbose\n"), seconds=60)
            assert demo.process.poll() is None, demo.output
            yield demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    with started(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def shown_calls(demo: Command) -> str:
    return "PROVIDER=" + demo.output.split("\nPROVIDER=", 1)[1].split("\n\n", 1)[0]


def paste(calls: str) -> list[Any]:
    shell = subprocess.run(["/bin/sh"], input=calls + "\n", text=True, capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in shell.stdout.splitlines()]


@pytest.mark.parametrize("provider", ["demo-lightrail", "demo-vauchar"])
def test_the_calls_it_shows_tell_the_whole_story_however_often(demo: Command, provider: str) -> None:
    calls = shown_calls(demo)
    if provider not in calls.splitlines()[0]:
        other = demo.output.split("start with ", 1)[1].splitlines()[0]
        calls = "\n".join([other, *calls.splitlines()[1:]])
    card_before, settlement, cancellation, settlements, cancellations, transactions, card_after = paste(calls)
    assert (card_before["balance"], card_after["balance"]) == (100.0, 60.0)
    assert (settlements, cancellations) == ([settlement], [cancellation])
    assert (settlement["value"], cancellation["value"], len(transactions)) == (40.0, 20.0, 1)
    assert paste(calls)[1:] == [settlement, cancellation, settlements, cancellations, transactions, card_after]


def first_screen(demo: Command) -> list[str]:
    """What it says at the end, and all it says without --verbose."""
    return ("giftbridge runs with play money" + demo.output.split("giftbridge runs with play money", 1)[1]).splitlines()


def test_what_it_says_first_fits_a_small_screen(demo: Command) -> None:
    screen = first_screen(demo)
    assert len(screen) < 24, "the last line is the shell's"
    assert [line for line in screen if len(line) > 80] == []


def test_the_address_it_says_signs_in_and_leads_to_the_page_where_everything_can_be_tried(demo: Command) -> None:
    [link] = [line for line in first_screen(demo) if line.startswith("http")]
    code = re.search(r"^ +(LIGHT-\S+)$", "\n".join(first_screen(demo)), re.MULTILINE)
    assert code
    page = subprocess.run(
        ["curl", "-sSL", "--cookie", "", link], text=True, capture_output=True, check=True, timeout=60
    ).stdout
    assert "1. Search: a shopper types a code" in page
    assert f'value="{code[1]}"' in page
    again = subprocess.run(["curl", "-sSL", link], text=True, capture_output=True, check=True, timeout=60).stdout
    assert "1. Search: a shopper types a code" not in again


def test_the_call_on_the_first_screen_finds_the_card(demo: Command) -> None:
    screen = first_screen(demo)
    start = next(number for number, line in enumerate(screen) if line.startswith("curl"))
    [[card]] = paste("\n".join(screen[start : screen.index("", start)]))
    assert card["provider"] == "demo-lightrail"


def test_the_lost_answer_it_shows_loses_no_money(demo: Command) -> None:
    line = next(line for line in demo.output.splitlines() if "/_sandbox/faults" in line)
    calls = shown_calls(demo).replace("REQUEST=order-1", "REQUEST=order-bad-day").replace("60.0", "6.0")
    calls = calls.replace("40.0", "4.0").replace("20.0", "2.0")
    (planned,) = paste(line)
    assert [fault["kind"] for fault in planned] == ["drop_after"]
    card_before, *_, card_after = paste(calls)
    assert card_before["balance"] - card_after["balance"] == 4.0
    faults = line.rsplit(" ", 1)[1]
    assert paste(f"curl -sS {faults}") == [[]]


def test_ctrl_c_stops_all_of_it_and_leaves_no_file(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        family = demo.family()
        assert len(family) >= 3
        assert demo.end(signal.SIGINT) == 0
        assert not any(map(alive, family))
        assert list((tmp_path / "temporary").iterdir()) == []


def test_every_seeded_code_is_shown(demo: Command) -> None:
    from mappers.registry import sandbox  # noqa: PLC0415

    for backend in ("lightrail_v2", "vauchar"):
        assert all(code in demo.output for code in sandbox(backend).SEEDS)


def test_a_code_with_a_pin_is_found_as_the_demo_says(demo: Command) -> None:
    sign = demo.output.split("behind its code: CODE", 1)[1].split("PIN", 1)[0]
    story = shown_calls(demo).splitlines()
    searched = [f"PROVIDER=demo-lightrail-v1 CODE=V1PIN-40{sign}4711", *story[1:4], "call /_search -d " + SEARCH]
    [found] = paste("\n".join(searched))
    assert [card["balance"] for card in found] == [40.0]

"""What people build on changes with the version, and never by accident."""

from __future__ import annotations

import pytest

from giftbridge import __version__
from tests.docs import interfaces


def test_nothing_that_people_build_on_is_gone_or_asks_for_more() -> None:
    _, before = interfaces.kept()
    assert not interfaces.broken(before, interfaces.lines()), "this needs a new major version"


def test_what_is_new_is_written_down() -> None:
    version, before = interfaces.kept()
    assert (version, before) == (__version__, interfaces.lines()), "run `make tables`"


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        pytest.param(["setting A", "setting B"], ["setting A"], ["setting B"], id="something is gone"),
        pytest.param(["command a"], ["command a", "command a: --b required"], ["command a: --b required"], id="asked"),
        pytest.param(["command a"], ["command a", "command a: --b"], [], id="something new that may be left out"),
        pytest.param([], ["command a", "command a: --b required"], [], id="something new that asks for something"),
    ],
)
def test_what_breaks_somebody_is_found(before: list[str], now: list[str], found: list[str]) -> None:
    assert interfaces.broken(before, now) == found

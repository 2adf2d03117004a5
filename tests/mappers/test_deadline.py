"""Deadlines: who wakes up must know how late it is."""

from __future__ import annotations

import time
from collections import defaultdict

import pytest

from mappers.deadline import Deadline

BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


@pytest.mark.skipif(BOOTTIME is None, reason="this system's clocks all stand still while it sleeps")
def test_a_deadline_passes_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks: dict[int | None, float] = defaultdict(float)
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)
    deadline = Deadline.after(10)
    assert deadline.remaining_seconds() == 10
    clocks[BOOTTIME] += 60  # it slept: CLOCK_MONOTONIC did not move
    assert deadline.passed()

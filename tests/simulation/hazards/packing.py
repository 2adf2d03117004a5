"""Transactions that are packed as soon as they are over, and touched afterwards."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from app.ledger.errors import LedgerUnavailable
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.workload import SECOND


class PacksEarly(Hazard):
    """Whatever is over is packed at once, while VTEX, people and late answers still ask for more of it.

    Expected: nothing new.
    """

    name = "packs-early"

    def start(self) -> None:
        for packer in ("packer 0", "packer 1"):
            self.scheduler.spawn(packer, self._pack, may_crash=False, counts=False)

    def _pack(self) -> None:
        index, storage = self.system.parts.index, self.system.storage
        while self.scheduler.active:
            with suppress(LedgerUnavailable):
                over, _ = index.over(self.scheduler.now, storage.retention, timedelta())
                storage.pack(over)
            moves = self.scheduler.next_move() or self.scheduler.now
            self.scheduler.sleep(max(0, moves - self.scheduler.now) + self.rng.randrange(SECOND), idle=True)

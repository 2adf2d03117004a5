"""Clocks that jump, holds that are short, and transactions that are forgotten when their time is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from app.ledger.milliseconds import milliseconds
from app.ledger.storage.pace import SET_BACK
from app.ledger.transaction import Operation, State, Transaction
from tests.simulation import invariants
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.hazards.reconciling import Reconciles
from tests.simulation.workload import DAY, HOUR, MINUTE, SECOND

# Longer than VTEX comes back for anything.
RETENTION_DAYS = 90


class RedisClockJumps(Hazard):
    """Redis's clock is ahead, by a minute or by days, and then right again.

    Expected: nothing is expired, abandoned or forgotten because of it, no lease ends early, and nothing waits for a day
    that only the wrong clock knew.
    """

    name = "redis-clock-jumps"

    def start(self) -> None:
        self._was_seen = False
        moment = self.sometime()
        self._lasts = self.rng.choice((2_000, 12_000, 3 * MINUTE))
        self.scheduler.at(moment, self._jump)
        self.scheduler.at(moment + self._lasts, self._go_back)

    def _jump(self) -> None:
        ahead = self.rng.choice((MINUTE, HOUR, 5 * DAY, 31 * DAY, 401 * DAY))
        self.scheduler.note("Redis's clock is ahead by", ahead // MINUTE, "minutes")
        self.system.environment.redis_ahead_ms = ahead
        self._history = self.system.environment.history
        with self.system.harness():
            due, soon = self.system.due(), self.scheduler.now + self._lasts + MINUTE
            self._untouched = {
                record.id: len(record.acts)
                for record in self.system.records()
                if record.unresolved is None and due[record.id] > soon
            }

    def _go_back(self) -> None:
        self.scheduler.note("Redis's clock is right again")
        self.system.environment.redis_ahead_ms = 0
        self._was_seen = self._somebody_saw_it()
        with self.system.harness():
            records = {record.id: record for record in self.system.records()}
        another_redis = self.system.environment.history != self._history  # it may never have known them
        self._history = self.system.environment.history
        for name, acts in self._untouched.items() if not another_redis else ():
            if name not in records:
                self.broken.append(f"{name} was forgotten")
            elif any(not act.asked_for for act in records[name].acts[acts:]):
                self.broken.append(f"{name} was given back")

    def quiet(self) -> None:
        """Let every sweeper look at the clock again, and see that nothing waits for a day that never was."""
        for sweeper in 3 * self.system.sweepers:
            sweeper.sweep_once()
        if not self._was_seen and self.system.environment.history == self._history:
            return
        due = self.system.due()
        for record in self.system.records():
            later = timedelta(milliseconds=due[record.id] - self.scheduler.now)
            if later > self._longest(record) + SET_BACK:
                self.broken.append(f"{record.id} ({record.state}) waits for {later}, which only a wrong clock knew")

    def _somebody_saw_it(self) -> bool:
        """Tell whether any process had an answer while the clock was ahead."""
        paces = (pace for parts in self.system.processes for pace in parts.storage._paces.values())
        answered = (pace._answered[0] for pace in paces if pace._answered)
        return any(now > self.scheduler.now + milliseconds(SET_BACK) for now in answered)

    def _longest(self, record: Transaction) -> timedelta:
        """Return how long the ledger may wait with a transaction."""
        if any(hazard.is_held_for_good(record) for hazard in self.system.hazards):
            return timedelta.max - SET_BACK
        if record.unresolved is not None:
            return timedelta(milliseconds=DAY)
        if record.state is not State.AUTHORIZED or record.operation is Operation.CREDIT:
            return timedelta.max - SET_BACK  # it waits for nothing but to be forgotten
        provider = self.system.registry.get(record.provider_id)
        rest = provider.policy.remainder_ttl if provider else timedelta.max - SET_BACK
        return max(record.authorization_ttl or timedelta(), rest, timedelta(milliseconds=DAY))


class ShortHolds(Hazard):
    """The policy holds for seconds only, which is less than the only sweeper may stand still.

    Expected: what was settled in the very moment in which the rest was to be given back stays settled.
    """

    name = "short-holds"

    def prepare(self) -> None:
        ttl = timedelta(seconds=self.rng.choice((5, 15, 25)))
        self.system.change_policy(authorization_ttl=ttl, remainder_ttl=ttl, settle="capture")
        self.system.environment.faults.stall_often()
        self.system.sweeping = 1
        workload = self.system.workload
        workload.profile = replace(workload.profile, gaps=((0, 2 * SECOND), (SECOND, 12 * SECOND)))


class Forgets(Reconciles):
    """Closed transactions are forgotten when their time is over, and later somebody reconciles.

    Expected: nothing that is open is forgotten, and reconcile does not tell of what was forgotten as if it were lost.
    """

    name = "forgets"
    settings: ClassVar[Mapping[str, Any]] = {"retention_days": RETENTION_DAYS}
    waived = (
        invariants.every_effect_was_written_down_before,
        invariants.the_backend_agrees_with_each_card,
        invariants.what_vtex_was_told_of_a_payment_is_true,
        invariants.what_vtex_was_told_of_a_change_is_true,
        invariants.no_list_ever_missed_or_made_up_anything,
        invariants.totals_are_the_sums_of_what_was_done,  # they outlive the transactions
    )

    def aftermath(self) -> None:
        system = self.system
        system.resolve_everything()
        system.expire_everything()
        for _ in range(3):
            self.scheduler.now += (RETENTION_DAYS + 1) * DAY
            system.sweepers[0].sweep_once()
        records = {record.id for record in system.records()}
        self.broken += [
            f"reconcile tells of what was forgotten: {one}"
            for one in self.told()
            if one.kind == "extra" and one.transaction not in records
        ]

"""Slowness: a backend that hangs, a Redis that is slow, and a backend whose writes look at a late replica."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import Operation
from mappers.deadline import Deadline
from tests.simulation.backend_model import CARDS
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.kinds import Kind, build
from tests.simulation.lightrail_v2 import LightrailV2Model
from tests.simulation.sockets import SimulatedServer
from tests.simulation.system import PROVIDER
from tests.simulation.workload import MINUTE, SECOND

HANGING = "hanging"
ORDERS = 24

# A lease, and a few passes of the sweeper: nothing waits longer that its own backend does not keep waiting.
LONGEST_WAIT_MS = 90 * SECOND
LOOKS_EVERY_MS = MINUTE // 2
HANGS_FOR_MS = 10 * MINUTE

SLOW_FOR_MS = 3 * MINUTE


class BackendHangs(Hazard):
    """Another provider's backend takes every call and never answers, when many of its orders are to be given back.
    Nothing else goes wrong.

    Expected: nobody else's transaction waits for it.
    """

    name = "hanging-backend"

    def prepare(self) -> None:
        system = self.system
        system.environment.faults.calm()
        self._server = SimulatedServer(system.environment)
        self._server.backend = system.kind.backend(system.environment)
        self._server.backend.balance = dict.fromkeys(CARDS, ORDERS * 100)
        mapper = build(HANGING, system.kind, self._server, base_url=system.kind.options.base_url + "/hanging")
        system.change_policy(authorization_ttl=timedelta(seconds=1), settle="capture")
        hanging = system.provider_with(mapper, name=HANGING)
        for number in range(ORDERS):
            request = AuthorizationRequest(CARDS[-1], Operation.DEBIT, 100, f"hanging-{number}")
            system.ledger.authorize(hanging, request, Deadline.after(10))
        system.change_policy(authorization_ttl=timedelta(days=3))
        system.registry.serve(system.provider_with(system.mapper), hanging)
        self._server.hangs = True
        system.workload.profile = replace(system.workload.profile, gaps=((0, 4 * SECOND), (0, 20 * SECOND)))

    def start(self) -> None:
        self.scheduler.at(HANGS_FOR_MS, self._answer)
        self.scheduler.spawn("somebody with a watch", self._watch, may_crash=False, counts=False)

    def _watch(self) -> None:
        while self._server.hangs:
            with self.system.harness():
                ours = {record.id for record in self.system.records() if record.provider_id == PROVIDER}
                waits = {name: self.scheduler.now - at for name, at in self.system.due().items() if name in ours}
            late = {name: wait // SECOND for name, wait in waits.items() if wait > LONGEST_WAIT_MS}
            if late and not self.broken:
                self.broken.append(f"seconds that these waited for the sweeper: {late}")
            self.scheduler.sleep(LOOKS_EVERY_MS)

    def _answer(self) -> None:
        self._server.hangs = False


class RedisIsSlow(Hazard):
    """Redis answers late, and sometimes only after its client has given up: what it was told still happens.

    Expected: nothing but that it takes longer.
    """

    name = "slow-redis"

    def prepare(self) -> None:
        self._be_slow(self.rng.choice((100, 400, 1_000, 4_000)))

    def start(self) -> None:
        self.scheduler.at(SLOW_FOR_MS, lambda: self._be_slow(0))

    def _be_slow(self, milliseconds: int) -> None:
        self.system.environment.redis_latency_ms = milliseconds


class WritesLag(Hazard):
    """The look-ups that the backend itself makes before it writes go to the replica that its reads go to.

    Expected: what the ledger itself made is not refused as unknown.
    """

    name = "writes-lag"

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return kind.backend is LightrailV2Model

    def prepare(self) -> None:
        backend = self.system.backend
        assert isinstance(backend, LightrailV2Model)
        backend.writes_lag = True
        self.system.environment.faults.read_lag = 2_000


class Crowd(Hazard):
    """Many orders with several cards, each settled and canceled in many parts.

    Expected: nothing new.
    """

    name = "crowd"

    def prepare(self) -> None:
        workload = self.system.workload
        workload.cards, workload.most_changes = CARDS, 6
        workload.profile = replace(workload.profile, orders=(5, 7, 9), amounts=(1_000, 2_500, 4_000))

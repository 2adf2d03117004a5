"""The providers file changes while orders are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.ledger.transaction import State
from mappers.base import Holds
from mappers.money import Currency
from providers.provider import Provider
from tests.simulation.backend_model import BackendModel
from tests.simulation.hazards.hazard import Hazard
from tests.simulation.kinds import KINDS, Kind, build
from tests.simulation.plain import PlainModel
from tests.simulation.sockets import SimulatedServer
from tests.simulation.system import PROVIDER
from tests.simulation.transport import Environment
from tests.simulation.workload import HOUR

RENAMED = "renamed"

# BRL, as somebody would write it who thinks in whole reais.
WITHOUT_DIGITS = Currency("BRL", 0)


class HoldsChange(Hazard):
    """The policy says "ledger" and later "upfront", or the other way round, while orders are open.

    Expected: what is reserved already stays reserved, whoever pays next.
    """

    name = "holds-change"

    @classmethod
    def fits(cls, kind: Kind) -> bool:
        return kind.holds is not Holds.NATIVE and Holds.LEDGER in kind.mapper.supported_holds

    def start(self) -> None:
        self.scheduler.at(self.sometime(), self._change)

    def _change(self) -> None:
        holds = Holds.UPFRONT if self.system.policy.holds is Holds.LEDGER else Holds.LEDGER
        self.scheduler.note("the policy now says", holds)
        self.system.change_policy(holds=holds)


class ChangedForAWhile(Hazard):
    """The file says something wrong for a while, and nobody begins an order meanwhile: those would stay wrong."""

    def prepare(self) -> None:
        self._wrong = False
        self.system.workload.may_authorize = self._may_authorize  # type: ignore[method-assign]

    def start(self) -> None:
        moment = self.sometime()
        self.scheduler.at(moment, lambda: self._serve(wrong=True))
        # Sweepers look every few seconds: in days of it they would do little else.
        self.scheduler.at(moment + min(self.sometime(), HOUR), lambda: self._serve(wrong=False))

    def _may_authorize(self, request_id: str) -> bool:
        if not self._wrong:
            return True
        with self.system.harness():
            known = (record for record in self.system.records() if record.request_id == request_id)
            return any(record.state not in (State.REFUSED, State.ABANDONED) for record in known)

    def _serve(self, *, wrong: bool) -> None:
        self.scheduler.note("the file is", "wrong" if wrong else "right again")
        self._wrong = wrong
        system = self.system
        others = [provider for provider in system.registry.all() if provider.id not in (PROVIDER, RENAMED)]
        system.registry.serve(self.wrong_provider() if wrong else system.provider_with(system.mapper), *others)

    def wrong_provider(self) -> Provider:
        raise NotImplementedError

    def aftermath(self) -> None:
        self._serve(wrong=False)


class DigitsChange(ChangedForAWhile):
    """The currency's digits are changed from 2 to 0 while orders are open, and put back some time later.

    Expected: an order is settled, canceled and read in the units it was opened in, or not at all (503) meanwhile.
    """

    name = "digits-change"

    def wrong_provider(self) -> Provider:
        system = self.system
        mapper = build(PROVIDER, system.kind, system.server, WITHOUT_DIGITS)
        return system.provider_with(mapper, currency=WITHOUT_DIGITS)


class AccountChanges(ChangedForAWhile):
    """The provider is pointed at another account of its backend while orders are open, and back some time later.

    Expected: nothing of an order is ever done at an account where it was not opened; it waits (503) meanwhile.
    """

    name = "account-change"

    def prepare(self) -> None:
        super().prepare()
        self._server = SimulatedServer(self.system.environment)
        self._server.backend = self.backend()(self.system.environment)

    def backend(self) -> Callable[[Environment], BackendModel]:
        return self.system.kind.backend

    def wrong_provider(self) -> Provider:
        system = self.system
        address = system.kind.options.base_url + "/another"
        mapper = build(PROVIDER, system.kind, self._server, base_url=address)
        return system.provider_with(mapper)

    def finale(self) -> None:
        if self.system.environment.history:
            return  # a Redis that has lost an order does not know where it was opened
        self.broken += [f"{effect} was done at another account" for effect in self._server.backend.effects]


class MapperChanges(AccountChanges):
    """Another mapper is put behind the provider while orders are open, and the right one back some time later.

    Expected: as with another account.
    """

    name = "mapper-change"

    def backend(self) -> Callable[[Environment], BackendModel]:
        return PlainModel

    def wrong_provider(self) -> Provider:
        plain = replace(KINDS["plain"], holds=self.system.kind.holds)
        return self.system.provider_with(build(PROVIDER, plain, self._server, base_url="https://another.example"))


class Renamed(ChangedForAWhile):
    """The provider has another id for a while. VTEX's calls for the old one find none.

    Expected: nothing is done of its orders meanwhile, and everything once it is back.
    """

    name = "renamed-provider"

    def wrong_provider(self) -> Provider:
        return self.system.provider_with(self.system.mapper, name=RENAMED)

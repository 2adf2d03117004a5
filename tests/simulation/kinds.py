"""The kinds of backend that are simulated: the real mapper, with a model where its HTTP calls go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote

from mappers.base import BackendUnavailable, Holds, Mapper, OutcomeUnknown, Receipt, Secret, Step, Undecidable
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.money import Currency
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.vtex_giftcards.mapper import VtexGiftcards, VtexGiftcardsOptions
from tests.simulation.backend_model import BRL, BackendModel, Call
from tests.simulation.lightrail_draft import LightrailDraftModel
from tests.simulation.lightrail_v1 import LightrailV1Model
from tests.simulation.lightrail_v2 import LightrailV2Model
from tests.simulation.plain import PlainMapper, PlainModel, PlainOptions
from tests.simulation.scheduler import Actor
from tests.simulation.transport import Environment, Transport
from tests.simulation.vauchar import VaucharModel
from tests.simulation.voucherify import VoucherifyModel
from tests.simulation.vtex_giftcards import VtexGiftcardsModel


@dataclass(frozen=True, slots=True)
class Kind:
    """`elsewhere`: the card is also spent in shops. `captures_parts`: a hold is lowered by what is captured of it.

    `keeps_notes`: of what was done, by which a lost ledger is rebuilt. `may_park`: why an act may be left for a person;
    "" if never.
    """

    name: str
    holds: Holds
    mapper: type[Mapper]
    options: Any
    backend: Callable[[Environment], BackendModel]
    elsewhere: bool = False
    credits: bool = True
    captures_parts: bool = False
    keeps_notes: bool = True
    may_park: str = ""


_KEY = Secret("simulated")
_V1 = partial(Kind, mapper=LightrailV1, options=LightrailV1Options(_KEY, program_id="gifts"), backend=LightrailV1Model)
_V2 = partial(Kind, mapper=LightrailV2, options=LightrailV2Options(_KEY), backend=LightrailV2Model)
_LIGHTRAIL_DRAFT = partial(
    Kind,
    mapper=LightrailDraft,
    options=LightrailDraftOptions(_KEY, program_id="gifts"),
    backend=LightrailDraftModel,
)
_VOUCHERIFY = partial(
    Kind,
    mapper=Voucherify,
    options=VoucherifyOptions("simulated", _KEY),
    backend=VoucherifyModel,
)
_VTEX = partial(
    Kind,
    mapper=VtexGiftcards,
    options=VtexGiftcardsOptions("https://simulated.example/api", _KEY, _KEY),
    backend=VtexGiftcardsModel,
    captures_parts=True,
    keeps_notes=False,
)
_PLAIN = partial(Kind, mapper=PlainMapper, options=PlainOptions(), backend=PlainModel, captures_parts=True)
_VAUCHAR = partial(Kind, mapper=Vauchar, options=VaucharOptions("simulated", _KEY), credits=False)
_SHOWS_KEYS, _SHOWS_NONE = partial(VaucharModel, echoes=True), partial(VaucharModel, echoes=False)

KINDS = {
    kind.name: kind
    for kind in (
        _V1("v1", Holds.NATIVE),
        _V1("v1-upfront", Holds.UPFRONT),
        _V2("v2", Holds.NATIVE),
        _V2("v2-elsewhere", Holds.NATIVE, elsewhere=True),
        _V2("v2-upfront", Holds.UPFRONT),
        _VAUCHAR("vauchar", Holds.LEDGER, backend=_SHOWS_KEYS),
        _VAUCHAR("vauchar-silent", Holds.LEDGER, backend=_SHOWS_NONE),
        _VAUCHAR("vauchar-upfront", Holds.UPFRONT, backend=_SHOWS_KEYS),
        _VAUCHAR("vauchar-upfront-silent", Holds.UPFRONT, backend=_SHOWS_NONE),
        _VAUCHAR(
            "vauchar-elsewhere",
            Holds.LEDGER,
            backend=_SHOWS_KEYS,
            elsewhere=True,
            may_park="whether the account shows our keys is not known before it showed one",
        ),
        _VAUCHAR(
            "vauchar-silent-elsewhere",
            Holds.LEDGER,
            backend=_SHOWS_NONE,
            elsewhere=True,
            may_park="a payment in a shop and one made through us may look the same",
        ),
        _LIGHTRAIL_DRAFT("lightrail_draft", Holds.NATIVE),
        _LIGHTRAIL_DRAFT("lightrail_draft-upfront", Holds.UPFRONT),
        _VOUCHERIFY("voucherify", Holds.LEDGER),
        _VOUCHERIFY("voucherify-elsewhere", Holds.LEDGER, elsewhere=True),
        _VOUCHERIFY("voucherify-upfront", Holds.UPFRONT),
        _VTEX("vtex", Holds.NATIVE),
        _VTEX("vtex-elsewhere", Holds.NATIVE, elsewhere=True),
        _VOUCHERIFY(
            "voucherify-locks",
            Holds.LEDGER,
            elsewhere=True,
            options=VoucherifyOptions("simulated", _KEY, locks=True),
        ),
        _PLAIN("plain", Holds.NATIVE),
        _PLAIN("plain-ledger", Holds.LEDGER),
    )
}


class SimulatedHttp:
    """Takes the place of a mapper's HttpBackend: every call goes through the simulated transport to the model."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._transport = Transport(environment)
        self._keys: dict[Actor | None, str] = {}
        self.backend: BackendModel
        self.hangs = False
        self.doubts = 0.0  # how often the backend cannot tell what happened

    def call(
        self,
        method: str,
        path: str,
        *,
        deadline: Deadline,
        query: Mapping[str, str] | None = None,
        body: Any | None = None,
        moves_money: bool = False,
        operation: str = "",
        breaker: bool = True,
    ) -> Answer:
        key = self._keys.get(self._environment.actor, "")
        parts = tuple(unquote(part) for part in path.split("/")[1:])
        call = Call(method, parts, query or {}, body, key if moves_money else "")
        if self.hangs and self._environment.actor is not None:
            self._environment.pass_time(int(deadline.remaining_seconds() * 1000))
            raise OutcomeUnknown("no answer") if moves_money else BackendUnavailable("no answer")
        send = self._transport.write if moves_money else self._transport.read
        answer = send(f"{method} {path} {key}".strip(), lambda: self.backend.answer(call), deadline)
        if answer.status >= 500:
            raise OutcomeUnknown("500", answered=True) if moves_money else BackendUnavailable("500")
        return answer

    def doubt(self, ask: Callable[[Step, Deadline], Receipt | None]) -> Callable[[Step, Deadline], Receipt | None]:
        """Let a mapper's question sometimes have no answer that any other question would change."""

        def doubting(step: Step, deadline: Deadline) -> Receipt | None:
            receipt = ask(step, deadline)
            if self.doubts and self._environment.scheduler.rng.random() < self.doubts:
                raise Undecidable("the backend cannot tell")
            return receipt

        return doubting

    def listen(self, run: Callable[[Step, Deadline], Receipt]) -> Callable[[Step, Deadline], Receipt]:
        """Remember the key of the step that is run: some backends never get it."""

        def listening(step: Step, deadline: Deadline) -> Receipt:
            self._keys[self._environment.actor] = step.key
            if step.origin is not None:
                self.backend.transactions[step.key] = step.origin.transaction_id
            return run(step, deadline)

        return listening


def build(
    provider_id: str,
    kind: Kind,
    http: SimulatedHttp,
    mapper_class: type[Mapper],
    currency: Currency = BRL,
    **changed: Any,
) -> Mapper:
    """Return the real mapper of a kind, whose calls go to `http`. `changed`: its options that are not the kind's."""
    mapper = mapper_class(provider_id, currency, kind.holds, replace(kind.options, **changed))
    client: Any = vars(mapper)["_client"]
    # A mapper that keeps its client elsewhere would speak to real sockets, and nothing would be simulated.
    assert isinstance(client._http, HttpBackend)
    client._http = http
    mapper.run = http.listen(mapper.run)  # type: ignore[method-assign, assignment]
    mapper.ask = http.doubt(mapper.ask)  # type: ignore[method-assign, assignment]
    return mapper

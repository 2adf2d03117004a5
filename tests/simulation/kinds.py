"""The kinds of backend that are simulated: the real mapper, with a model where its HTTP calls arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mappers.base import Holds, Mapper, Secret
from mappers.http import HttpBackend
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.money import Currency
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.vtex_giftcards.mapper import VtexGiftcards, VtexGiftcardsOptions
from tests.simulation.backend_model import BRL, BackendModel
from tests.simulation.lightrail_draft import LightrailDraftModel
from tests.simulation.lightrail_v1 import LightrailV1Model
from tests.simulation.lightrail_v2 import LightrailV2Model
from tests.simulation.plain import PlainMapper, PlainModel, PlainOptions
from tests.simulation.sockets import SimulatedServer
from tests.simulation.transport import Environment
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


def build(provider_id: str, kind: Kind, server: SimulatedServer, currency: Currency = BRL, **changed: Any) -> Mapper:
    """Return the real mapper of a kind, whose calls arrive at `server`. `changed`: other options than the kind's."""
    mapper = kind.mapper(provider_id, currency, kind.holds, replace(kind.options, **changed))
    client: Any = vars(mapper)["_client"]
    # One that speaks to no HttpBackend would not be simulated.
    assert isinstance(client._http, HttpBackend)
    server.serve(client._http)
    mapper.run = server.listen(mapper.run)  # type: ignore[method-assign, assignment]
    mapper.ask = server.doubt(mapper.ask)  # type: ignore[method-assign, assignment]
    return mapper

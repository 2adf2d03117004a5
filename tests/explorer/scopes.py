"""What is explored: two workers with the requests that VTEX sends them, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.explorer.world import Budget


@dataclass(frozen=True, slots=True)
class Request:
    """One request of VTEX, about an order. `amount` in minor units; of an authorization `request_id` is the order."""

    what: str  # authorize, settle, cancel, settlements or cancellations
    amount: int
    request_id: str
    order: str = "order-1"


@dataclass(frozen=True, slots=True)
class Scope:
    """`before` is done when it begins; then each worker is sent its requests, one after the other.

    A request that had no clear answer is sent again, until it was sent `tries` times. `accept`: settlements are
    promised first. `bounded`: whether what is sent arrives within half a lease. `lags`: whether
    the backend's reads, where they may lag, do. `packed`: whether what is over is packed when it begins.
    """

    name: str
    before: tuple[Request, ...]
    first: tuple[Request, ...]
    second: tuple[Request, ...]
    budget: Budget = field(default_factory=Budget)
    tries: int = 1
    accept: bool = False
    bounded: bool = True
    lags: bool = False
    packed: bool = False

    @property
    def workers(self) -> tuple[tuple[Request, ...], ...]:
        return self.first, self.second


AUTHORIZE = Request("authorize", 6_000, "order-1")
SETTLE, SETTLE_MORE = (Request("settle", 4_000, f"settle-{number}") for number in (1, 2))
CANCEL, CANCEL_ALL = (Request("cancel", amount, "cancel-1") for amount in (3_000, 6_000))
SETTLE_ALL = Request("settle", 6_000, "settle-1")
REFUND, REFUND_MORE = (Request("cancel", 4_000, f"cancel-{number}") for number in (1, 2))

# Of another order with the same card, which holds 100.00.
AUTHORIZE_OTHER = Request("authorize", 5_000, "order-2", "order-2")
AUTHORIZE_LESS = Request("authorize", 4_000, "order-2", "order-2")
SETTLE_OTHER = Request("settle", 4_000, "settle-1", "order-2")
CANCEL_OTHER = Request("cancel", 5_000, "cancel-1", "order-2")

# Every two acts of one order, and the same one twice; then those of two orders.
SCOPES = {
    scope.name: scope
    for scope in (
        Scope("authorize twice", (), (AUTHORIZE,), (AUTHORIZE,)),
        Scope("authorize and settle", (), (AUTHORIZE, SETTLE), (AUTHORIZE,)),
        Scope("authorize and cancel", (), (AUTHORIZE, CANCEL_ALL), (AUTHORIZE,)),
        Scope("settle twice", (AUTHORIZE,), (SETTLE,), (SETTLE,)),
        Scope("settle too much", (AUTHORIZE,), (SETTLE,), (SETTLE_MORE,)),
        Scope("settle and cancel", (AUTHORIZE,), (SETTLE,), (CANCEL,)),
        Scope("cancel twice", (AUTHORIZE,), (CANCEL_ALL,), (CANCEL_ALL,)),
        Scope("refund twice", (AUTHORIZE, SETTLE), (CANCEL,), (CANCEL,)),
        Scope("refund twice what is packed", (AUTHORIZE, SETTLE_ALL), (REFUND,), (REFUND_MORE,), packed=True),
        Scope("promise twice", (AUTHORIZE,), (SETTLE,), (SETTLE,), accept=True),
        Scope("authorize two orders", (), (AUTHORIZE,), (AUTHORIZE_OTHER,)),
        Scope("authorize, another comes and goes", (), (AUTHORIZE,), (AUTHORIZE_OTHER, CANCEL_OTHER)),
        Scope("settle, authorize another", (AUTHORIZE,), (SETTLE,), (AUTHORIZE_OTHER,)),
        Scope("settle two orders", (AUTHORIZE, AUTHORIZE_LESS), (SETTLE,), (SETTLE_OTHER,)),
    )
}

"""Who wants something of a transaction, and what an attempt may do for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever an act is resolved for.

    `name` (None: VTEX) and `correlation_id` go into the transaction's history. `wants_it`: an authorization is started
    only for those who want it. `may_wait`: it waits for another attempt until its deadline; else it leaves at once.
    `pin` came with the request: the backend is told it when a transaction is opened for this caller, and it is kept
    nowhere. `asks_for`: the name of the settlement or cancellation that is asked for in this moment. `names_it`: they
    have the transaction's id, which VTEX is given once it is authorized. So one that seems not to be was forgotten by
    Redis: nothing is sent for it again, since it may have been given back, and it is kept where the backend has it.
    """

    name: str | None = None
    correlation_id: str | None = None
    wants_it: bool = True
    may_wait: bool = True
    pin: str | None = field(default=None, repr=False)
    asks_for: str = ""
    names_it: bool = False

    @property
    def starts_it(self) -> bool:
        """Tell whether an authorization that certainly did not happen is sent for them."""
        return self.wants_it and not self.names_it

    @classmethod
    def vtex(cls, correlation_id: str | None = None, pin: str | None = None) -> Self:
        """The Hub, with a request of its own."""
        return cls(correlation_id=correlation_id, pin=pin)

    @classmethod
    def person(cls, name: str) -> Self:
        """Somebody who acts by hand and waits for the outcome."""
        return cls(name)

    @classmethod
    def bystander(cls) -> Self:
        """The Hub, with a request that another transaction keeps waiting."""
        return cls(wants_it=False)

    @classmethod
    def background(cls, name: str) -> Self:
        """Work that nobody waits for: the sweeper, a reconciliation, a repair."""
        return cls(name, wants_it=False, may_wait=False)

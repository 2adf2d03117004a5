"""The ration of guesses: how many codes that find no card a shopper, an address and a provider may try in an hour.

Only different codes count, since VTEX repeats a search many times; a code that was found before is never counted. What
protects against guessing is the address: names are free. So who comes from an address is counted by it, and together
with it: nobody uses up what another one has elsewhere. Where VTEX sends no address, the name is all there is.

In a flood, when a provider's shoppers tried too many wrong codes together, each address (or name, without one) has
FLOOD_TRIES: who has not guessed is still served. Without addresses, that alone would bound nothing: then everybody
together has CEILING times the flood's number, and above it only codes that were found before are looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Command
from app.ledger.storage.guesses import Guess, GuessStorage, Limit, Verdict
from mappers import customers
from mappers.base import Query
from providers.provider import Provider

log = structlog.get_logger()

FLOOD_TRIES = 2
CEILING = 10

# Refusals are logged the first time in an hour, and then every so often.
LOGGED_EVERY = 100

_WITHOUT_END = 2**53


@dataclass(frozen=True, slots=True)
class Rations:
    """How many different codes may be wrong in an hour: of each customer, of each address, and before it is a flood."""

    per_customer: int = 20
    per_address: int = 100
    per_provider: int = 2000


class Refused(Exception):
    """The ration is spent."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A search that may be made, with what is to be written where it finds a card.

    `reached`: whether Redis could be. `guess`: what was counted, unless the code was found before.
    """

    reached: bool
    found: Sequence[Command] = ()
    guess: Guess | None = None


class Guesses:
    """Counts the codes that shoppers try."""

    def __init__(self, storage: GuessStorage, rations: Rations) -> None:
        self._storage = storage
        self._rations = rations

    def admit(self, provider: Provider, query: Query, noted: Callable[[Command], bool] = lambda _: False) -> Admitted:
        """Count the code of a search before the backend is asked. Raises Refused where the ration is spent.

        The ration protects against guessing; without Redis, shoppers are served rather than rationed. `noted` tells
        what Redis need not be asked for: that a code was found.
        """
        guess = self._guess(provider, query)
        note = self._storage.keep_off(guess)
        if noted(note):
            return Admitted(reached=True)
        try:
            counted = self._storage.count(guess)
        except LedgerUnavailable:
            log.warning("a guess was not counted: Redis cannot be reached")
            return Admitted(reached=False)
        if counted.verdict is Verdict.REFUSED:
            if counted.number % LOGGED_EVERY == 1:
                log.warning("guesses refused", provider=provider.id, refused_in_this_hour=counted.number)
            raise Refused
        if counted.verdict is Verdict.COUNTED and counted.number and counted.everybody == guess.flood_at:
            log.error("codes are being guessed", provider=provider.id, wrong_codes_in_this_hour=counted.everybody)
        if counted.verdict is Verdict.KNOWN:
            return Admitted(reached=True, found=[note])
        return Admitted(reached=True, found=[*self._storage.take_off(guess), note], guess=guess)

    def take_back(self, admitted: Admitted) -> None:
        """Count a search no more that brought no answer. Others that were equal may have been told."""
        if admitted.guess is None:
            return
        try:
            self._storage.take_back(admitted.guess)
        except LedgerUnavailable:
            log.warning("a guess that brought no answer stays counted: Redis cannot be reached")

    def _guess(self, provider: Provider, query: Query) -> Guess:
        rations = self._rations
        name = next(iter(customers.names(query.customer)), "")
        address = query.address or ""
        customer = Limit(rations.per_customer, rations.per_customer if address else FLOOD_TRIES)
        # Shoppers without a name or an address share one ration, as large as the provider's.
        nobody = Limit(rations.per_provider, 0)
        return Guess(
            provider_id=provider.id,
            code=provider.keyed_digest("code", query.code or "", query.pin or ""),  # a PIN may be guessed as well
            who=provider.keyed_digest("guesser", name, address),
            address=provider.keyed_digest("address", address) if address else None,
            limit_of_who=customer if name or address else nobody,
            limit_of_address=Limit(rations.per_address, FLOOD_TRIES) if address else Limit(_WITHOUT_END, _WITHOUT_END),
            flood_at=rations.per_provider,
            limit_of_everybody=_WITHOUT_END if address else CEILING * rations.per_provider,
        )

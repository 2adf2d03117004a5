"""How a new card is asked for, and what its program or contact must be."""

from __future__ import annotations

from typing import Any

from mappers.base import BackendUnavailable, CardUnusable, NewCard, Unsupported
from mappers.deadline import Deadline
from mappers.lightrail import Rejected
from mappers.lightrail_v1.cards import ACCOUNT_CARD, GIFT_CARD, categories
from mappers.lightrail_v1.client import Client
from mappers.lightrail_v1.contacts import ContactKey
from mappers.money import Currency
from mappers.parsing import written


class Issuing:
    """Builds the body of POST /cards, with the reads (and the contact) that it needs."""

    def __init__(self, client: Client, currency: Currency, program_id: str | None, contact_key: ContactKey) -> None:
        self._client = client
        self._currency = currency
        self._program_id = program_id
        self._contact_key = contact_key

    def body(self, new: NewCard, deadline: Deadline) -> dict[str, Any]:
        """Return the body for a card under `new.key`: the same for the same card, so that a repeat is replayed.

        Raises Unsupported, CardUnusable, BackendUnavailable, OutcomeUnknown.
        """
        body: dict[str, Any] = {
            "userSuppliedId": new.key,
            "currency": self._currency.code,
            "initialValue": new.balance,
            "categories": categories(new),
        }
        if new.emission_date:
            body["startDate"] = written(new.emission_date)
        if new.expiring_date:
            body["expires"] = written(new.expiring_date)
        if self._program_id:
            self._check_program(self._program_id, new.balance, deadline)
            return body | {"cardType": GIFT_CARD, "programId": self._program_id}
        if new.customer is None:
            raise Unsupported("Lightrail issues gift cards through a program: set the option program_id")
        return body | {"cardType": ACCOUNT_CARD, "contactId": self._contact_id(new, deadline)}

    def _check_program(self, program_id: str, balance: int, deadline: Deadline) -> None:
        program = self._client.program(program_id, deadline)
        if program is None:
            raise BackendUnavailable("Lightrail does not know the program in the option program_id")
        if problem := program.problem(balance, self._currency):
            raise CardUnusable(f"Lightrail's program {program_id} {problem}")

    def _contact_id(self, new: NewCard, deadline: Deadline) -> str:
        """Return the contact that the card is for; it is made where there is none."""
        customer = new.customer
        wanted = self._contact_key.of(customer)
        if customer is None or not wanted:
            raise CardUnusable(f"an account card needs the customer's {self._contact_key.value}: see contact_key")
        found = self._contact_key.contacts(self._client, wanted, deadline)
        if found:
            return found[0].id
        body = {"userSuppliedId": wanted[0]} | ({"email": customer.email} if customer.email else {})
        try:
            return self._client.create_contact(body, deadline).id
        except Rejected as rejected:
            raise CardUnusable(
                f"Lightrail makes no contact for this customer ({rejected}); with 409 it has one under this "
                f"userSuppliedId with another e-mail address: correct it there"
            ) from rejected

"""Contacts: what Lightrail keeps a store's customers under, and the values that are theirs without a code."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from mappers import customers
from mappers.base import Customer
from mappers.deadline import Deadline
from mappers.lightrail_v2.client import Client
from mappers.lightrail_v2.objects import Value


class ContactBy(StrEnum):
    """What finds a customer's contact: its e-mail address, or its id, which is one of the customer's names."""

    EMAIL = "email"
    ID = "id"

    def ids(self, client: Client, customer: Customer, deadline: Deadline) -> list[str]:
        """Return the ids of the contacts that may be the customer's; e-mail addresses are not unique at Lightrail."""
        if self is ContactBy.ID:
            return list(customers.spellings(customer))
        address = customers.email(customer.email)
        found = client.contacts(address, deadline) if address else []
        # Compared, because a filter that a server does not know would find everybody.
        return [contact.id for contact in found if customers.email(contact.email) == address]

    def values(self, client: Client, customer: Customer, currency: str, deadline: Deadline) -> Iterator[Value]:
        """Yield the values that are the customer's and can pay in this currency."""
        for contact_id in self.ids(client, customer, deadline):
            for value in client.values_of_contact(contact_id, currency, deadline):
                if value.contact_id == contact_id:
                    yield value

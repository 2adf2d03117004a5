"""Contacts: what Lightrail keeps a store's customers under."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from mappers import customers
from mappers.base import Customer
from mappers.deadline import Deadline
from mappers.lightrail_v1.client import Client
from mappers.lightrail_v1.objects import Contact


class ContactKey(StrEnum):
    """What names a customer at Lightrail: the e-mail address, or any name VTEX knows, given as its userSuppliedId."""

    EMAIL = "email"
    USER_SUPPLIED_ID = "userSuppliedId"

    def of(self, customer: Customer | None) -> tuple[str, ...]:
        """Return what this customer's contacts may be looked up by, first what a new contact gets."""
        if customer is None:
            return ()
        if self is ContactKey.USER_SUPPLIED_ID:
            return customers.spellings(customer)
        return tuple(dict.fromkeys(filter(None, (customers.email(customer.email), customer.email))))

    def contacts(self, client: Client, wanted: Sequence[str], deadline: Deadline) -> Sequence[Contact]:
        """Return the contacts named so; e-mail addresses are not unique at Lightrail."""
        found = [contact for name in wanted for contact in client.contacts(deadline, **{self.value: name})]
        # Compared, because a filter that a server does not know would find everybody.
        own = [contact for contact in found if self._name(contact) in wanted]
        return list({contact.id: contact for contact in own}.values())

    def _name(self, contact: Contact) -> str:
        return customers.email(contact.email) if self is ContactKey.EMAIL else contact.key

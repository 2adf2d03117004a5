"""Contacts: what Lightrail keeps a store's customers under."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from mappers.base import Customer
from mappers.deadline import Deadline
from mappers.lightrail_v1.client import Client
from mappers.lightrail_v1.objects import Contact


class ContactKey(StrEnum):
    """What names a customer at Lightrail: the e-mail address, or our customer key given as its userSuppliedId."""

    EMAIL = "email"
    USER_SUPPLIED_ID = "userSuppliedId"

    def of(self, customer: Customer | None) -> str | None:
        """Return what this customer's contact is looked up by, where it is known."""
        if customer is None:
            return None
        return (customer.email if self is ContactKey.EMAIL else customer.key) or None

    def contacts(self, client: Client, wanted: str, deadline: Deadline) -> Sequence[Contact]:
        """Return the contacts named so; e-mail addresses are not unique at Lightrail."""
        if self is ContactKey.EMAIL:
            found = client.contacts(deadline, email=wanted)
            return [contact for contact in found if contact.email.casefold() == wanted.casefold()]
        # Compared, because a filter that a server does not know would find everybody.
        return [contact for contact in client.contacts(deadline, userSuppliedId=wanted) if contact.key == wanted]

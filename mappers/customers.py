"""Who a customer is: the names that one person or company goes by, each in one spelling.

Everything that compares customers asks here: who may find and pay with a card, whose loyalty cards are listed, which
card was issued before, and who guesses codes.
"""

from __future__ import annotations

import re
import unicodedata

from mappers.types import Card, Customer

_USER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def names(customer: Customer | None) -> tuple[str, ...]:
    """Return the names of a customer, such as `email:ana@example.com`, in the protocol's order: the best first.

    E-mail addresses are without case, and without what no address has (spaces, control and invisible characters).
    Documents are their digits and letters. A company's document and a person's are of one kind: one is never the other.
    """
    if customer is None:
        return ()
    found = (
        _document(customer.corporate_document),
        _document(customer.document),
        _email(customer.email),
        _id(customer.id),
    )
    if customer.corporate_document or customer.document or customer.email or customer.id:
        return tuple(dict.fromkeys(filter(None, found)))
    return names_of_profile(customer.key)


def names_of_profile(profile: str | None) -> tuple[str, ...]:
    """Return what the owner of a card may be called: a profileId is an e-mail address, a user id or a document.

    A user id of Master Data is a UUID (VTEX, "Create gift card"), which is never taken for a document: guests may type
    any document. Another text may be either.
    """
    if not profile:
        return ()
    if "@" in profile:
        found = [_email(profile)]
    elif _USER_ID.fullmatch(_visible(profile)):
        found = [_id(profile)]
    else:
        found = [_document(profile), _id(profile)]
    return tuple(filter(None, found))


def of_profile(profile: str) -> Customer:
    """Return the customer whom VTEX names by a profileId."""
    if "@" in profile:
        return Customer(profile, email=profile)
    if _USER_ID.fullmatch(_visible(profile)) or not any(character.isdigit() for character in profile):
        return Customer(profile, id=profile)
    return Customer(profile, document=profile)


def spellings(customer: Customer | None) -> tuple[str, ...]:
    """Return how a customer may be written where a backend keeps names: as they are compared, then as VTEX sent them.

    What a guest typed as one kind of name is left out where it would be read as another.
    """
    if customer is None:
        return ()
    own = names(customer)
    sent = (customer.corporate_document, customer.document, customer.email, customer.id, customer.key)
    as_sent = (text for text in sent if text and not set(own).isdisjoint(names_of_profile(text)))
    return tuple(dict.fromkeys((*(name.partition(":")[2] for name in own), *as_sent)))


def email(text: str | None) -> str:
    """Return an e-mail address as it is compared, "" where there is none."""
    return _visible(text or "").casefold()


def owns(customer: Customer | None, card: Card) -> bool:
    """Tell whether a card was issued for this customer, by whichever name."""
    return not set(names(customer)).isdisjoint(names_of_profile(card.owner))


def _email(text: str | None) -> str | None:
    address = email(text)
    return f"email:{address}" if address else None


def _document(text: str | None) -> str | None:
    signs = unicodedata.normalize("NFKC", text or "")
    document = "".join(filter(str.isalnum, signs)).casefold()
    return f"document:{document}" if document else None


def _id(text: str | None) -> str | None:
    user_id = _visible(text or "").casefold()
    return f"id:{user_id}" if user_id else None


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable() and " " not in text:
        return text  # as almost always
    return "".join(character for character in text if unicodedata.category(character)[0] not in "CZ")

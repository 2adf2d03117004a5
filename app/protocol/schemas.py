"""The fields of a request that matter, as the ledger's own types."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.ledger.caller import Caller
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from app.protocol import dates, lenient
from app.protocol.errors import InvalidRequest
from mappers.base import NewCard, Query
from mappers.money import Currency, InvalidAmount

# VTEX sends 32 hexadecimal digits or an order id; the rest is room, and a limit on what every record carries.
REQUEST_ID_MAXIMUM_LENGTH = 255

# VTEX writes "GiftCardHub" or "Order v123"; people may read it, nothing depends on it.
DESCRIPTION_MAXIMUM_LENGTH = 1000

_OPERATIONS = {operation.value.lower(): operation for operation in Operation}


class Amount(fields.Field[int]):
    """A positive JSON number that the currency can express; loads as an integer of minor units."""

    def __init__(self, currency: Currency) -> None:
        self._advice = f"send a JSON number greater than 0 in {currency.code}, like {currency.to_decimal(1530)}"
        super().__init__(required=True, error_messages={"required": self._advice, "null": self._advice})
        self._currency = currency

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        # Booleans and strings are no Decimals: the reader makes every number one, and nothing else.
        if not isinstance(value, Decimal) or value <= 0:
            raise ValidationError(self._advice)
        try:
            return self._currency.to_minor(value)
        except InvalidAmount as error:
            raise ValidationError(f"{error}; {self._advice}") from error


class RequestId(fields.Field[str]):
    """The sender's name for this request, kept exactly as sent; an integer counts as its digits."""

    _advice = f"send the same non-empty string of at most {REQUEST_ID_MAXIMUM_LENGTH} characters with every repeat"

    def __init__(self) -> None:
        super().__init__(required=True, error_messages={"required": self._advice, "null": self._advice})

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = str(value) if lenient.is_integer(value) else value
        if not isinstance(name, str) or not name.strip() or len(name) > REQUEST_ID_MAXIMUM_LENGTH:
            raise ValidationError(self._advice)
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise ValidationError("send whole Unicode characters")
        return name


class OperationName(fields.Field[Operation]):
    """Debit or Credit, in any case."""

    _advice = f"send {' or '.join(Operation)}"

    def __init__(self) -> None:
        super().__init__(required=True, error_messages={"required": self._advice, "null": self._advice})

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Operation:
        operation = _OPERATIONS.get(value.lower()) if isinstance(value, str) else None
        if operation is None:
            raise ValidationError(self._advice)
        return operation


class Moment(fields.Field[datetime]):
    """A date and time in ISO 8601; null is none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            return dates.parse(value)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValidationError("send an ISO 8601 date and time, like 2030-08-01T13:15:30Z") from error


class Flag(fields.Field[bool]):
    """true or false; null leaves it to the default."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("send true or false")
        return value


class CurrencyCode(fields.Field[str]):
    """The provider's own currency, in any case; null means the same."""

    def __init__(self, currency: Currency) -> None:
        super().__init__(load_default=None, allow_none=True)
        self._code = currency.code

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str) or value.strip().upper() != self._code.upper():
            raise ValidationError(f"this provider's cards are in {self._code}: send {self._code} or leave it out")
        return self._code


# A schema is made once a currency: making one costs more than a request's whole reading.
@cache
def _change(currency: Currency) -> Schema:
    return _schema(value=Amount(currency), requestId=RequestId())


@cache
def _authorization(currency: Currency) -> Schema:
    return _schema(operation=OperationName(), value=Amount(currency), requestId=RequestId())


@cache
def _new_card(currency: Currency) -> Schema:
    return _schema(
        emissionDate=Moment(load_default=None),
        expiringDate=Moment(load_default=None),
        restrictedToOwner=Flag(load_default=None),
        multipleRedemptions=Flag(load_default=None),
        multipleCredits=Flag(load_default=None),
        currencyCode=CurrencyCode(currency),
    )


def _schema(**members: fields.Field[Any]) -> Schema:
    return Schema.from_dict(dict(members))(unknown=EXCLUDE)


def _load(schema: Schema, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        problems = error.messages_dict
        raise InvalidRequest("; ".join(f"{name}: {advice[0]}" for name, advice in problems.items())) from error
    return loaded


def load_query(body: Mapping[str, Any], currency: Currency) -> Query:
    """Return what a search asks for. Nothing in it can be wrong: what cannot be read is not there."""
    cart = lenient.members(body.get("cart"))
    return Query(
        # Not cut: a code that is too long must not become another one.
        code=lenient.text(cart.get("redemptionCode"), maximum_length=None),
        customer=lenient.customer(body.get("client")),
        relation_name=lenient.text(cart.get("relationName")),
        cart=lenient.cart(cart, currency),
    )


def load_authorization(
    body: Mapping[str, Any], currency: Currency, card_id: str, correlation_id: str
) -> AuthorizationRequest:
    """Return the debit or credit that a POST of a transaction asks for. Raises InvalidRequest.

    The card is the one in the path: the codes in the body are usually masked and are not read.
    """
    matters = _load(_authorization(currency), body)
    order = lenient.members(body.get("orderInfo"))
    return AuthorizationRequest(
        card_id=card_id,
        operation=matters["operation"],
        amount=matters["value"],
        request_id=matters["requestId"],
        description=lenient.text(body.get("description"), DESCRIPTION_MAXIMUM_LENGTH),
        order_id=lenient.text(order.get("orderId")),
        customer=lenient.customer(order.get("clientProfile")),
        cart=lenient.cart(order.get("cart"), currency),
        caller=Caller.vtex(correlation_id),
    )


def load_change(
    body: Mapping[str, Any], currency: Currency, card_id: str, transaction_id: str, correlation_id: str
) -> ChangeRequest:
    """Return the settlement or cancellation that a POST asks for. Raises InvalidRequest."""
    matters = _load(_change(currency), body)
    caller = Caller.vtex(correlation_id)
    return ChangeRequest(card_id, transaction_id, matters["value"], matters["requestId"], caller=caller)


def load_new_card(body: Mapping[str, Any], provider_id: str, currency: Currency, today: date) -> NewCard:
    """Return the card that a POST of a gift card asks for, under the name of `issue_key`. Raises InvalidRequest.

    `profileId` is the customer's e-mail address or VTEX user id.
    """
    matters = _load(_new_card(currency), body)
    flags = {
        "restricted_to_owner": matters["restrictedToOwner"],
        "multiple_redemptions": matters["multipleRedemptions"],
        "multiple_credits": matters["multipleCredits"],
    }
    profile = lenient.text(body.get("profileId"))
    content: dict[str, Any] = {
        "relation_name": lenient.text(body.get("relationName")),
        "caption": lenient.text(body.get("caption")),
        "emission_date": matters["emissionDate"],
        "expiring_date": matters["expiringDate"],
        **{name: flag for name, flag in flags.items() if flag is not None},
    }
    return NewCard(
        key=issue_key(provider_id, {**content, "profile": profile}, today),
        customer=lenient.customer({"email" if "@" in profile else "id": profile}) if profile else None,
        **content,
    )


def issue_key(provider_id: str, content: Mapping[str, Any], today: date) -> str:
    """Return the name under which a card is issued: 40 hexadecimal digits.

    The protocol sends no requestId with this call, so the name is a digest of what is asked and of the UTC day: a
    repeat of the same request within a day makes no second card. Fields we do not know take no part in it.
    """
    canonical = json.dumps([provider_id, today.isoformat(), content], sort_keys=True, default=datetime.isoformat)
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]

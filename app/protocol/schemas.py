"""The fields of a request that matter, as the ledger's own types."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.ledger.caller import Caller
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from app.protocol import dates, lenient
from app.protocol.errors import InvalidRequest
from mappers import customers
from mappers.base import Customer, NewCard, Query
from mappers.money import Currency, InvalidAmount
from mappers.options import MASK
from providers.codes import CodeForm, TypedCode, visible

# VTEX sends 32 hexadecimal digits or an order id; the rest is room, and a limit on what every record carries.
REQUEST_ID_MAXIMUM_LENGTH = 255

# The protocol's bounds of a redemption code. No card has another, so no backend is asked.
CODE_MINIMUM_LENGTH = 6
CODE_MAXIMUM_LENGTH = 255

# VTEX writes "GiftCardHub" or "Order v123"; people may read it, nothing depends on it.
DESCRIPTION_MAXIMUM_LENGTH = 1000

# Of a card: the protocol has both, and lets one of them be empty.
NAME_ADVICE = "send relationName and caption, at least one of them not empty"

PROFILE_ADVICE = "send the customer's e-mail address or VTEX user id"

END_OF_DAY = time(23, 59, 59)

_OPERATIONS = {operation.value.lower(): operation for operation in Operation}


class Amount(fields.Field[int]):
    """A positive JSON number that the currency can express; loads as an integer of minor units."""

    def __init__(self, currency: Currency) -> None:
        self._advice = f"send a JSON number greater than 0 in {currency.code}, like {currency.to_decimal(1530)}"
        super().__init__(
            required=True,
            error_messages={"required": self._advice, "null": self._advice},
            metadata={
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "An amount in the provider's currency, no finer than that.",
            },
        )
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
        super().__init__(
            required=True,
            error_messages={"required": self._advice, "null": self._advice},
            metadata={
                "type": ["string", "integer"],
                "minLength": 1,
                "maxLength": REQUEST_ID_MAXIMUM_LENGTH,
                "description": "The sender's name for this request. Every repeat carries the same one.",
            },
        )

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
        super().__init__(
            required=True,
            error_messages={"required": self._advice, "null": self._advice},
            metadata={"type": "string", "enum": list(map(str, Operation)), "description": "In any case."},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Operation:
        operation = _OPERATIONS.get(value.lower()) if isinstance(value, str) else None
        if operation is None:
            raise ValidationError(self._advice)
        return operation


class Moment(fields.Field[datetime | None]):
    """A date and time in ISO 8601, by default in `zone`; null, "" and the year 1 are none.

    A date alone means the moment `of_day` of that day.
    """

    def __init__(self, zone: tzinfo, of_day: time) -> None:
        description = (
            "ISO 8601. Without a zone it is in the provider's; null, an empty text and the year 1 say that there is "
            f"none. A date alone means {of_day} of that day."
        )
        super().__init__(load_default=None, allow_none=True, metadata={"type": "string", "description": description})
        self._zone = zone
        self._of_day = of_day

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime | None:
        try:
            return dates.parse(value, self._zone, of_day=self._of_day)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValidationError("send an ISO 8601 date and time, like 2030-08-01T13:15:30Z") from error


class Label(fields.Field[str]):
    """A text that must be sent; null is an empty one. What names a card is never cut: it would name another."""

    def __init__(self, advice: str, *, may_be_empty: bool) -> None:
        super().__init__(
            required=True,
            allow_none=may_be_empty,
            error_messages={"required": advice, "null": advice},
            metadata={
                "type": "string",
                "minLength": 0 if may_be_empty else 1,
                "maxLength": lenient.TEXT_MAXIMUM_LENGTH,
                "description": f"{advice[0].upper()}{advice[1:]}.",
            },
        )
        self._advice = advice
        self._may_be_empty = may_be_empty

    def deserialize(self, value: Any, *arguments: Any, **kwargs: Any) -> str:
        return super().deserialize("" if value is None else value, *arguments, **kwargs) or ""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        label = lenient.text(value, maximum_length=None) or ""
        if not label and not (self._may_be_empty and isinstance(value, str)):
            raise ValidationError(self._advice)
        if len(label) > lenient.TEXT_MAXIMUM_LENGTH:
            raise ValidationError(f"send at most {lenient.TEXT_MAXIMUM_LENGTH} characters")
        return label


class Flag(fields.Field[bool]):
    """true or false; null leaves it to the default."""

    def __init__(self, description: str) -> None:
        super().__init__(load_default=None, metadata={"type": "boolean", "description": description})

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("send true or false")
        return value


class CurrencyCode(fields.Field[str]):
    """The provider's own currency, in any case; null means the same."""

    def __init__(self, currency: Currency) -> None:
        description = "The provider's own currency, in any case; null means the same."
        super().__init__(load_default=None, allow_none=True, metadata={"type": "string", "description": description})
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
def _new_card(currency: Currency, zone: tzinfo) -> Schema:
    return _schema(
        profileId=Label(PROFILE_ADVICE, may_be_empty=False),
        relationName=Label(NAME_ADVICE, may_be_empty=True),
        caption=Label(NAME_ADVICE, may_be_empty=True),
        emissionDate=Moment(zone, time.min),
        expiringDate=Moment(zone, END_OF_DAY),
        restrictedToOwner=Flag("Whether the card pays for its owner alone."),
        multipleRedemptions=Flag("Whether the card makes more than one payment."),
        multipleCredits=Flag("Whether the card gets more than one credit."),
        currencyCode=CurrencyCode(currency),
    )


def requests() -> dict[str, Schema]:
    """Return the schema of each request that is refused where it is wrong, by name: to describe them."""
    currency = Currency.of("USD")
    return {
        "NewCard": _new_card(currency, UTC),
        "Authorization": _authorization(currency),
        "Change": _change(currency),
    }


def _schema(**members: fields.Field[Any]) -> Schema:
    return Schema.from_dict(dict(members))(unknown=EXCLUDE)


def _load(schema: Schema, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        problems = error.messages_dict
        raise InvalidRequest("; ".join(f"{name}: {advice[0]}" for name, advice in problems.items())) from error
    return loaded


def load_query(body: Mapping[str, Any], currency: Currency, codes: CodeForm) -> Query:
    """Return what a search asks for. Nothing in it can be wrong: what cannot be read is not there.

    The code is None where none was typed, and empty where what was typed can be none.
    """
    cart = lenient.members(body.get("cart"))
    typed = _typed_code(cart.get("redemptionCode"), codes)
    return Query(
        code=typed.code if typed else None,
        pin=typed.pin if typed else None,
        customer=lenient.customer(body.get("client")),
        relation_name=lenient.text(cart.get("relationName")),
        cart=lenient.cart(cart, currency),
        address=lenient.address(body.get("client")),
    )


def _typed_code(value: Any, codes: CodeForm) -> TypedCode | None:
    # Not cut: a code that is too long must not become another one.
    text = lenient.text(value, maximum_length=None)
    if text is None:
        return None
    return codes.read(text) if CODE_MINIMUM_LENGTH <= len(visible(text)) <= CODE_MAXIMUM_LENGTH else TypedCode("")


def load_authorization(
    body: Mapping[str, Any], currency: Currency, card_id: str, correlation_id: str
) -> AuthorizationRequest:
    """Return the debit or credit that a POST of a transaction asks for. Raises InvalidRequest.

    The card is the one in the path: the codes in the body are usually masked and are not read. The token may be the
    card's PIN; masked, as we show it, it is nothing.
    """
    matters = _load(_authorization(currency), body)
    order = lenient.members(body.get("orderInfo"))
    token = lenient.text(body.get("redemptionToken"), maximum_length=None)
    pin = None if token is None or token.startswith(MASK) else token
    return AuthorizationRequest(
        card_id=card_id,
        operation=matters["operation"],
        amount=matters["value"],
        request_id=matters["requestId"],
        description=lenient.text(body.get("description"), DESCRIPTION_MAXIMUM_LENGTH),
        order_id=lenient.text(order.get("orderId")),
        customer=lenient.customer(order.get("clientProfile")),
        cart=lenient.cart(order.get("cart"), currency),
        caller=Caller.vtex(correlation_id, pin),
    )


def load_change(
    body: Mapping[str, Any], currency: Currency, card_id: str, transaction_id: str, correlation_id: str
) -> ChangeRequest:
    """Return the settlement or cancellation that a POST asks for. Raises InvalidRequest."""
    matters = _load(_change(currency), body)
    caller = Caller.vtex(correlation_id)
    return ChangeRequest(card_id, transaction_id, matters["value"], matters["requestId"], caller=caller)


def load_new_card(
    body: Mapping[str, Any], provider_id: str, currency: Currency, zone: tzinfo, now: datetime
) -> NewCard:
    """Return the card that a POST of a gift card asks for, under the name of `issue_key`. Raises InvalidRequest.

    `profileId` is the customer's e-mail address or VTEX user id. Dates without a zone are in `zone`.
    """
    matters = _load(_new_card(currency, zone), body)
    profile, relation_name, caption = matters["profileId"], matters["relationName"], matters["caption"]
    starts, ends = matters["emissionDate"], matters["expiringDate"]
    if not relation_name and not caption:
        raise InvalidRequest(f"relationName: {NAME_ADVICE}")
    if ends is not None and ends <= now:
        raise InvalidRequest("expiringDate: is in the past; send a later date, or leave it out")
    if ends is not None and starts is not None and ends <= starts:
        raise InvalidRequest("expiringDate: is not after emissionDate; send a later date, or leave it out")
    flags = {
        "restricted_to_owner": matters["restrictedToOwner"],
        "multiple_redemptions": matters["multipleRedemptions"],
        "multiple_credits": matters["multipleCredits"],
    }
    customer = customers.of_profile(profile)
    if not customers.names(customer):
        raise InvalidRequest(f"profileId: {PROFILE_ADVICE}")
    return NewCard(
        key=issue_key(provider_id, customer, relation_name),
        relation_name=relation_name or None,
        caption=caption or None,
        customer=customer,
        emission_date=starts,
        expiring_date=ends,
        **{name: flag for name, flag in flags.items() if flag is not None},
    )


def issue_key(provider_id: str, customer: Customer, relation_name: str) -> str:
    """Return the name under which a card is issued: 40 hexadecimal digits.

    The protocol sends no requestId with this call, and wants a new relationName for each new card of a customer. So
    these three name a card, on any day: a repeat makes no second one, whatever else it says.
    """
    identity = [provider_id, customers.names(customer)[0], relation_name]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:40]

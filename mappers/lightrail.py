"""What the three versions of Lightrail's API have in common: calls, refusals, programs and what metadata keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from mappers import parsing
from mappers.base import BackendUnavailable, Memo, NewCard, Origin, OutcomeUnknown, mask_code
from mappers.deadline import Deadline
from mappers.http import NOT_A_CODE, Answer, HttpBackend
from mappers.money import Currency
from mappers.options import checked_key
from mappers.parsing import OwnNotes, Parsed, metadata, understood

LONGEST_DESCRIPTION = 1000
LONGEST_VENDOR_MESSAGE = 200

# All that we keep in a card's or a transaction's metadata stands under this one name.
OURS = "giftbridge"

KEY_TAKEN = {"TransactionExists", "TransactionStepExists"}


@dataclass(eq=False)
class Rejected(Exception):
    """Lightrail answered 4xx. `code` is its messageCode, which it may leave out; `message` is for people.

    `own`: it is Lightrail that says no, not a gateway or whatever a wrong base_url leads to.
    """

    status: int
    code: str
    message: str
    own: bool

    def __str__(self) -> str:
        return f"HTTP {self.status} {self.code}".rstrip()

    @property
    def reason(self) -> str:
        return self.message or str(self)


Missing = Callable[[Rejected], bool]


def own(*statuses: int) -> Missing:
    """Return what tells that Lightrail itself answered with one of `statuses`."""
    return lambda rejected: rejected.own and rejected.status in statuses


def no_such_code(*statuses: int) -> Missing:
    """Return what tells that a URL with a typed code in it names none: by `statuses` only from Lightrail itself."""
    return lambda rejected: rejected.status in NOT_A_CODE or own(*statuses)(rejected)


def _nothing(_: Rejected) -> bool:
    return False


class LightrailClient:
    """Calls to Lightrail. Each raises what HttpBackend raises; those that write raise Rejected for a refusal.

    Credentials that are refused, and 4xx answers that no working set-up gives, are BackendUnavailable.
    """

    # Statuses of a write that are a refusal, whoever answers them; and those that are one only from Lightrail itself.
    refusals: ClassVar[tuple[int, ...]]
    own_refusals: ClassVar[tuple[int, ...]]
    # The member of an error that repeats its HTTP status, by which Lightrail's own are known. Without one, it is the
    # messageCode.
    repeated_status: ClassVar[str | None] = None
    # The members of an error that may hold its messageCode.
    code_names: ClassVar[tuple[str, ...]] = ("messageCode",)
    # What to say of the key where it may not do something.
    needed_role: ClassVar[str] = ""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def _read(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        missing: Missing = _nothing,
        breaker: bool = True,
    ) -> Parsed | None:
        """Make a call that changes nothing. None for a 4xx that `missing` takes for "there is none"."""
        try:
            answer = self._answer(path, operation, deadline, query=query, body=body, breaker=breaker)
        except Rejected as rejected:
            if missing(rejected):
                return None
            raise self._set_up_error(rejected, operation) from rejected
        return understood(answer.body, parse, "Lightrail", operation)

    def _write(
        self,
        path: str,
        operation: str,
        body: Mapping[str, Any] | None,
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        query: Mapping[str, str] | None = None,
        breaker: bool = True,
    ) -> Parsed:
        try:
            answer = self._answer(path, operation, deadline, query=query, body=body, breaker=breaker, writes=True)
        except Rejected as rejected:
            if self._is_refusal(rejected):
                raise
            raise self._set_up_error(rejected, operation) from rejected
        return understood(answer.body, parse, "Lightrail", operation, wrote=True)

    def _answer(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        breaker: bool = True,
        writes: bool = False,
    ) -> Answer:
        method = "POST" if writes or body is not None else "GET"
        answer = self._http.call(
            method,
            path,
            deadline=deadline,
            query=query,
            body=body,
            moves_money=writes,
            operation=operation,
            breaker=breaker,
        )
        if answer.status >= 400:
            raise self._rejected(answer)
        return answer

    def _is_refusal(self, rejected: Rejected) -> bool:
        return rejected.status in self.refusals or own(*self.own_refusals)(rejected)

    def _rejected(self, answer: Answer) -> Rejected:
        body = metadata({"body": answer.body}, "body")
        notes = OwnNotes(body)
        code = notes.text(next((name for name in self.code_names if name in body), "")) or ""
        is_own = bool(code) if self.repeated_status is None else body.get(self.repeated_status) == answer.status
        return Rejected(answer.status, code, (notes.text("message") or "")[:LONGEST_VENDOR_MESSAGE], is_own)

    def _set_up_error(self, rejected: Rejected, operation: str) -> BackendUnavailable:
        match rejected.status:
            case 401:
                problem = "401: it does not accept the option api_key"
            case 403:
                problem = f"403: the key in the option api_key may not do this ({operation}){self.needed_role}"
            case 404:
                unsaid = "" if rejected.own else " without saying what is missing"
                problem = f"404{unsaid} ({operation}): check the option base_url"
            case _:
                problem = f"{rejected} ({operation})"
        return BackendUnavailable(f"Lightrail answers {problem}")


@dataclass(frozen=True, slots=True)
class Program:
    """What cards may be issued: values in minor units, None where nothing limits them.

    `other_kind` says what else than gift cards the program issues.
    """

    id: str
    currency: str
    active: bool
    other_kind: str | None
    lowest: int | None
    highest: int | None
    fixed: tuple[int, ...]

    def problem(self, balance: int, currency: Currency) -> str | None:
        """Return why the program would not issue a card with `balance`, None where it would."""

        def money(minor: int) -> str:
            return f"{currency.to_decimal(minor):f} {currency.code}"

        if self.other_kind:
            return f"is one of {self.other_kind}, not of gift cards: set another one in the option program_id"
        if not self.active:
            return "is not active"
        if self.currency != currency.code:
            return f"issues cards in {self.currency}, not in {currency.code}"
        if self.fixed and balance not in self.fixed:
            return f"issues cards of {', '.join(map(money, self.fixed))} only, not of {money(balance)}"
        if self.lowest is not None and balance < self.lowest:
            return f"issues cards of {money(self.lowest)} or more, not of {money(balance)}"
        if self.highest is not None and balance > self.highest:
            return f"issues cards of {money(self.highest)} or less, not of {money(balance)}"
        return None


def connect(mapper: str, provider_id: str, base_url: str, api_key: str) -> HttpBackend:
    """Return Lightrail's HTTP interface. Raises InvalidOptions."""
    key = checked_key("api_key", api_key, "a Lightrail API key")
    return HttpBackend(f"{provider_id} ({mapper})", base_url, headers={"Authorization": f"Bearer {key}"})


@contextmanager
def unknown_if_unread(known: str) -> Iterator[None]:
    """Make the outcome unknown where a read fails that was to explain an answer. `known` is what the answer said."""
    try:
        yield
    except BackendUnavailable as error:
        raise OutcomeUnknown(f"{known}, but {error}", answered=True) from error


def card_id(key: str) -> str:
    """Return the id of the card issued under `key`; never the id of a transaction, should they share ids."""
    return f"card-{sha256(key.encode()).hexdigest()[:40]}"


def card_metadata(new: NewCard) -> dict[str, Any]:
    """Return the metadata in which a new card keeps what Lightrail has no member for."""
    kept = {
        "caption": new.caption,
        "relationName": new.relation_name,
        "restrictedToOwner": new.restricted_to_owner,
        "multipleRedemptions": new.multiple_redemptions,
        "multipleCredits": new.multiple_credits,
        "owner": new.customer.key if new.customer else None,
        "emissionDate": new.emission_date and written(new.emission_date),
    }
    return {OURS: {name: item for name, item in kept.items() if item is not None}}


def kept(card: Mapping[str, Any], *starts: datetime | None) -> dict[str, Any]:
    """Return the fields of a Card that `card_metadata` wrote; `starts` are its emission date where it wrote none."""
    notes = OwnNotes(metadata(card, OURS))
    return {
        "emission_date": next(filter(None, (notes.moment("emissionDate"), *starts)), None),
        "caption": notes.text("caption"),
        "relation_name": notes.text("relationName"),
        "restricted_to_owner": notes.flag("restrictedToOwner"),
        "multiple_redemptions": notes.flag("multipleRedemptions"),
        "multiple_credits": notes.flag("multipleCredits"),
        "owner": notes.text("owner"),
    }


def written(moment: datetime) -> str:
    """Return a date as Lightrail V2 and its draft take it, cut to the second: V2 keeps it no more exactly."""
    return parsing.written(moment.replace(microsecond=0))


def step_metadata(memo: Memo, origin: Origin | None, **more: Any) -> dict[str, Any]:
    """Return the metadata in which a transaction keeps what it was for, and the act it belongs to."""
    told = {
        "orderId": memo.order_id,
        "description": memo.description and memo.description[:LONGEST_DESCRIPTION],
        "origin": origin and origin.written(),
        **more,
    }
    return {OURS: {name: item for name, item in told.items() if item}}


def mask(code: str | None, last_characters: str | None = None) -> str | None:
    """Return the mask of `code`, or of a code of which Lightrail shows only the end."""
    if code:
        return mask_code(code)
    return f"****{last_characters[-4:]}" if last_characters else None

"""Voucherify's calls: paths, and what an HTTP status means (API reference v2018-08-01)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from mappers.base import BackendUnavailable, CardNotFound
from mappers.deadline import Deadline
from mappers.http import NOT_A_CODE, Answer, HttpBackend, segment
from mappers.parsing import Parsed, filled, integer, member, understood
from mappers.voucherify.objects import (
    Movement,
    Redemption,
    Rejected,
    Verdict,
    Voucher,
    error_key,
    page,
    parse_redemption,
    parse_voucher,
    the_redemption,
    the_rollback,
    verdict,
)

# The most that one list of transactions may show.
PAGE_SIZE = 100
MAXIMUM_PAGES = 50

# The number of the last page that a list of vouchers has.
LAST_PAGE = 99

# The keys of errors that say there is no such voucher or redemption. A 404 without one may be a gateway's.
MISSING = ("resource_not_found", "not_found")


# The client is written for this version; without the header, the project's own would apply (guide "Versioning").
VERSION = "v2018-08-01"

# How Voucherify's dashboard names who called (all of its SDKs send it).
CHANNEL = "giftbridge"

# When a call may be made again, in Unix seconds; Retry-After is optional (guide "Limits").
RETRY_AT_HEADER = "X-Rate-Limit-Retry"


def connect(name: str, base_url: str, app_id: str, app_token: str) -> Client:
    """Return the calls to one project. Raises InvalidOptions."""
    headers = {
        "X-App-Id": app_id,
        "X-App-Token": app_token,
        "X-Voucherify-API-Version": VERSION,
        "X-Voucherify-Channel": CHANNEL,
    }
    return Client(HttpBackend(name, base_url, headers=headers, retry_at_header=RETRY_AT_HEADER))


class TooMany(BackendUnavailable):
    """The list of transactions is longer than is read."""


class Client:
    """Calls to Voucherify. Reads raise BackendUnavailable, writes OutcomeUnknown too, and Rejected for a refusal."""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def verify(self, deadline: Deadline) -> None:
        """List one voucher, which needs the credentials and changes nothing."""
        self._read("/v1/vouchers", "verify credentials", lambda body: body["vouchers"], deadline, query={"limit": "1"})

    def voucher(
        self, code_or_id: str, deadline: Deadline, *, breaker: bool = True, typed: bool = False
    ) -> Voucher | None:
        """Return the voucher with this code or this id, None where there is none. The caller must see which it was.

        `typed`: a shopper typed the code, so it may be none that a URL can have.
        """
        path = f"/v1/vouchers/{segment(code_or_id)}"
        return self._read(path, "get voucher", parse_voucher, deadline, breaker=breaker, typed=typed)

    def vouchers(self, page_seconds: float) -> Iterator[Voucher]:
        """Yield all vouchers of the project, oldest first, `page_seconds` for each page; one may come twice."""
        query = {"limit": str(PAGE_SIZE), "order": "created_at"}
        while True:
            before: set[str] = set()
            for number in range(1, LAST_PAGE + 1):
                asked, deadline = query | {"page": str(number)}, Deadline.after(page_seconds)
                found = self._read("/v1/vouchers", "list vouchers", _vouchers, deadline, query=asked) or []
                names = {voucher.id for voucher in found}
                if names and names <= before:
                    raise BackendUnavailable("Voucherify lists the same vouchers again, instead of the next ones")
                before = names
                yield from found
                if len(found) < PAGE_SIZE:
                    return
            last = found[-1].created
            # Those made in the same second come again: whether the date itself is in the list is undocumented.
            following = (last - timedelta(seconds=1)).isoformat() if last else None
            if following is None or following == query.get("created_at[after]"):
                raise BackendUnavailable(f"Voucherify has more vouchers of one moment than {PAGE_SIZE * LAST_PAGE}")
            query["created_at[after]"] = following

    def customer_id(self, source_id: str, deadline: Deadline) -> str | None:
        """Return Voucherify's own id of the customer whom the merchant calls `source_id`, None where there is none."""
        path = f"/v1/customers/{segment(source_id)}"
        found = self._read(path, "get customer", lambda body: (filled(body, "id"), member(body, "source_id")), deadline)
        # The path takes Voucherify's own ids too, and a shopper may type anything.
        return found[0] if found and found[1] == source_id else None

    def vouchers_of(self, customer_id: str, deadline: Deadline) -> list[Voucher]:
        """Return the newest vouchers that a customer holds, as many as one page has."""
        query = {"customer": customer_id, "limit": str(PAGE_SIZE)}
        found = self._read("/v1/vouchers", "list a customer's vouchers", _vouchers, deadline, query=query) or []
        # Compared, because a filter that a server does not know would find everybody's.
        return [voucher for voucher in found if voucher.holder_id == customer_id]

    def create_voucher(self, body: Mapping[str, Any], deadline: Deadline) -> Voucher:
        return self._write("/v1/vouchers", "create voucher", body, parse_voucher, deadline)

    def validate(self, body: Mapping[str, Any], deadline: Deadline) -> Verdict:
        """Ask whether one voucher may pay for a purchase; it moves no money. Raises Rejected for a 4xx."""
        asked = body["redeemables"][0]["gift"]["credits"]
        answer = self._http.call("POST", "/v1/validations", deadline=deadline, body=body, operation="validate")
        if answer.status >= 400:
            raise _rejected(answer)
        return understood(answer.body, lambda data: verdict(data, asked), "Voucherify", "validate")

    def release(self, voucher_id: str, session: str, deadline: Deadline) -> None:
        """End a validation session. One that is not there has ended."""
        path = f"/v1/vouchers/{segment(voucher_id)}/sessions/{segment(session)}"
        answer = self._http.call("DELETE", path, deadline=deadline, operation="release session", breaker=False)
        if answer.status >= 400 and answer.status != 404:
            raise BackendUnavailable(f"Voucherify answers {_rejected(answer)} (release session)")

    def redeem(self, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool) -> Redemption:
        return self._write("/v1/redemptions", "redeem", body, the_redemption, deadline, breaker=breaker)

    def redemption(self, redemption_id: str, deadline: Deadline) -> Redemption | None:
        """Return one redemption or rollback."""
        path = f"/v1/redemptions/{segment(redemption_id)}"
        return self._read(path, "get redemption", parse_redemption, deadline, breaker=False)

    def roll_back(self, redemption: Redemption, body: Mapping[str, Any], deadline: Deadline) -> Redemption:
        """Undo a redemption whole. What belongs to a parent can only be undone through it."""
        path = f"/v1/redemptions/{segment(redemption.id)}/rollback"
        if redemption.parent:
            path = f"/v1/redemptions/{segment(redemption.parent)}/rollbacks"
        return self._write(path, "roll back", body, the_rollback, deadline, breaker=False)

    def change_balance(self, voucher_id: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool) -> int:
        """Add to a voucher's balance; return the balance after it."""
        path = f"/v1/vouchers/{segment(voucher_id)}/balance"
        return self._write(
            path, "add to balance", body, lambda data: integer(data, "balance"), deadline, breaker=breaker
        )

    def movements(
        self, voucher_id: str, deadline: Callable[[], Deadline], *, newest_first: bool = False, breaker: bool = True
    ) -> Iterator[Movement]:
        """Yield all transactions of a voucher, a page at a time; `deadline` is asked for each page.

        Raises CardNotFound; TooMany after as many as are read.
        """
        path = f"/v1/vouchers/{segment(voucher_id)}/transactions"
        query = {"limit": str(PAGE_SIZE), "order": "-id" if newest_first else "id"}
        for _ in range(MAXIMUM_PAGES):
            found = self._read(path, "list transactions", page, deadline(), query=query, breaker=breaker)
            if found is None:
                raise CardNotFound("Voucherify does not know the voucher")
            movements, following = found
            yield from movements
            if not following:
                return
            if following == query.get("starting_after_id"):
                raise BackendUnavailable("Voucherify lists the same transactions again, instead of the next ones")
            query = query | {"starting_after_id": following}
        raise TooMany(f"The voucher has more transactions at Voucherify than {PAGE_SIZE * MAXIMUM_PAGES}")

    def _read(
        self,
        path: str,
        operation: str,
        parse: Callable[[Any], Parsed],
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        breaker: bool = True,
        typed: bool = False,
    ) -> Parsed | None:
        """GET and parse; None for a 404 of Voucherify's own, and where what was `typed` cannot be looked for."""
        answer = self._http.call("GET", path, deadline=deadline, query=query, operation=operation, breaker=breaker)
        if answer.status >= 400:
            rejected = _rejected(answer)
            if (answer.status == 404 and rejected.key in MISSING) or (typed and answer.status in NOT_A_CODE):
                return None
            raise BackendUnavailable(f"Voucherify answers {rejected} ({operation})")
        return understood(answer.body, parse, "Voucherify", operation)

    def _write(
        self,
        path: str,
        operation: str,
        body: Mapping[str, Any],
        parse: Callable[[Any], Parsed],
        deadline: Deadline,
        *,
        breaker: bool = True,
    ) -> Parsed:
        """POST and parse. An answer that nobody understands leaves unknown what happened."""
        answer = self._http.call(
            "POST", path, deadline=deadline, body=body, moves_money=True, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            raise _rejected(answer)
        return understood(answer.body, parse, "Voucherify", operation, wrote=True)


def _vouchers(data: Any) -> list[Voucher]:
    return [parse_voucher(voucher) for voucher in data["vouchers"]]


def _rejected(answer: Answer) -> Rejected:
    """Return what a 4xx says. Credentials or a plan that are refused say nothing about a card: nothing was done."""
    if answer.status in (401, 403):
        raise BackendUnavailable(f"Voucherify answers {answer.status}: check the options app_id and app_token")
    if answer.status == 402:
        raise BackendUnavailable("Voucherify answers 402: the plan's limit is reached, or the subscription has ended")
    return Rejected(answer.status, error_key(answer.body.get("key") if isinstance(answer.body, Mapping) else None))

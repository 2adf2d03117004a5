"""What a Gift Card Hub does, known habits and mistakes included: keeps providers, probes them, moves their money."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mappers.base import Secret
from mappers.deadline import Deadline
from mappers.exact_json import decode, encode
from providers.hub.calls import HttpClient, NoReply, Reply
from providers.hub.client import EDIT, NATIVE, VIEW
from providers.hub.service_url import CARD_SECONDS, HUB_SECONDS, ServiceCaller, card_path, transaction_path

PROBE_SECONDS = 5.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HubResult:
    """What the store sees of something the Hub did at a provider.

    `status` is 401 for a call cut at its time limit, as the merchant is told. `posted` says whether money was asked to
    move; a second refund equal to the sum of the earlier ones is answered 200 without it. `canceled`: the Hub gave
    the payment up at once, because the provider lets anybody in.
    """

    status: int
    body: Any = None
    posted: bool = False
    canceled: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def fields(self) -> Json:
        return {"status": self.status, "body": self.body, "posted": self.posted, "canceled": self.canceled}


@dataclass(frozen=True, slots=True)
class Probe:
    """One call with bad credentials; `status` is 0 when nothing answered."""

    provider_id: str
    what: str
    status: int
    empty: bool


class Account:
    """One store's gift card providers, and the orders paid with them. Shared by threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.registered: dict[str, Json] = {NATIVE: _native(name)}
        self.ever_saved = False
        self.flagged: set[str] = set()  # let a call with bad credentials in
        self.probes: list[Probe] = []
        self._settle_wanted: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._lock = threading.Lock()
        self._http = HttpClient()

    def listed(self) -> list[Json]:
        """Return all providers as the API shows them."""
        with self._lock:
            return [self._shown(fields) for fields in self.registered.values()]

    def get(self, provider_id: str) -> Json:
        """Return one provider as the API shows it. Raises KeyError."""
        with self._lock:
            return self._shown(self.registered[provider_id])

    def put(self, provider_id: str, fields: Mapping[str, Any]) -> Json:
        """Save a provider. An account that never saved one has its native provider overwritten by the first."""
        with self._lock:
            if not self.ever_saved:
                self.registered.clear()
                self.ever_saved = True
            known = self.registered.get(provider_id, {})
            self.registered[provider_id] = {**known, **fields, "id": provider_id}
            shown = self._shown(self.registered[provider_id])
        self.probe(provider_id)
        return shown

    def delete(self, provider_id: str) -> None:
        """Remove a provider. Raises KeyError."""
        with self._lock:
            del self.registered[provider_id]
            self.flagged.discard(provider_id)

    def probe(self, provider_id: str) -> None:
        """Call the provider with missing and with wrong credentials; from then on one that lets them in is flagged."""
        fields = self.registered[provider_id]
        if provider_id == NATIVE:
            return
        wrong = secrets.token_hex(16)
        attempts = {"missing": (None, None), "wrong": (fields.get("appKey") or wrong, wrong)}
        probes = []
        for what, (app_key, app_token) in attempts.items():
            caller = ServiceCaller(self._http, fields["serviceUrl"], app_key, app_token)
            try:
                reply = caller.search(None, deadline=Deadline.after(PROBE_SECONDS))
            except NoReply:
                probes.append(Probe(provider_id, what, 0, empty=True))
            else:
                probes.append(Probe(provider_id, what, reply.status, empty=not reply.content))
        with self._lock:
            self.probes += probes
            self.flagged.discard(provider_id)
            if any(200 <= probe.status < 300 for probe in probes):
                self.flagged.add(provider_id)

    def search(self, provider_id: str, code: str | None, client: Mapping[str, Any] | None = None) -> HubResult:
        """Look for a shopper's cards, as the payment page does."""
        try:
            deadline = Deadline.after(HUB_SECONDS)
            return _result(self._caller(provider_id).search(code, deadline=deadline, client=client))
        except NoReply:
            return HubResult(401)

    def pay(
        self, provider_id: str, card_id: str, value: Decimal, request_id: str | None = None, order_id: str = "v1-01"
    ) -> HubResult:
        """Show the card and reserve `value` of it for an order; `body["id"]` is the transaction."""
        card = self._call(provider_id, "GET", card_path(card_id), seconds=CARD_SECONDS)
        if not card.ok:
            return card
        body = {
            "operation": "Debit",
            "value": value,
            "description": "GiftCardHub",
            "redemptionToken": None,
            "redemptionCode": card.body.get("redemptionCode"),
            "requestId": request_id or secrets.token_hex(16).upper(),
            "orderInfo": {"orderId": order_id, "sequence": 1, "cart": {}, "clientProfile": {}, "shipping": {}},
        }
        paid = self._call(provider_id, "POST", f"{card_path(card_id)}/transactions", body)
        if paid.ok and provider_id in self.flagged:
            self.refund(provider_id, card_id, paid.body["id"], value)
            return HubResult(paid.status, paid.body, posted=True, canceled=True)
        return paid

    def settle(self, provider_id: str, card_id: str, transaction_id: str, value: Decimal) -> HubResult:
        """Settle `value` more: read the list, and post what it lacks of everything wanted so far."""
        listed = self.moves(provider_id, card_id, transaction_id, "settlements")
        if not listed.ok:
            return listed
        with self._lock:
            self._settle_wanted[transaction_id] += value
            left = self._settle_wanted[transaction_id] - _total(listed.body)
        if left <= 0:
            return HubResult(200, listed.body)
        return self._post(provider_id, card_id, transaction_id, "settlements", left)

    def refund(self, provider_id: str, card_id: str, transaction_id: str, value: Decimal) -> HubResult:
        """Cancel or refund `value`; swallowed when it equals the sum of the earlier ones."""
        listed = self.moves(provider_id, card_id, transaction_id, "cancellations")
        if not listed.ok:
            return listed
        if listed.body and _total(listed.body) == value:
            return HubResult(200, listed.body)
        return self._post(provider_id, card_id, transaction_id, "cancellations", value)

    def moves(self, provider_id: str, card_id: str, transaction_id: str, kind: str) -> HubResult:
        """Return the list of `settlements` or `cancellations`."""
        return self._call(provider_id, "GET", f"{transaction_path(card_id, transaction_id)}/{kind}")

    def _post(self, provider_id: str, card_id: str, transaction_id: str, kind: str, value: Decimal) -> HubResult:
        body = {"value": value, "requestId": secrets.token_hex(16).upper()}
        return self._call(provider_id, "POST", f"{transaction_path(card_id, transaction_id)}/{kind}", body)

    def _call(
        self, provider_id: str, method: str, path: str, body: Json | None = None, seconds: float = HUB_SECONDS
    ) -> HubResult:
        try:
            reply = self._caller(provider_id).call(method, path, body, deadline=Deadline.after(seconds))
        except NoReply:
            return HubResult(401, posted=method == "POST")
        return _result(reply, posted=method == "POST")

    def _caller(self, provider_id: str) -> ServiceCaller:
        with self._lock:
            fields = self.registered[provider_id]
        return ServiceCaller(self._http, fields["serviceUrl"], fields.get("appKey"), fields.get("appToken"))

    def _shown(self, fields: Mapping[str, Any]) -> Json:
        """VTEX's OpenAPI document has neither key nor token in an answer."""
        shown = {name: value for name, value in fields.items() if name not in ("appKey", "appToken")}
        return {**shown, "_self": {"href": f"{self.name}/giftcardproviders/{fields['id']}"}}


@dataclass(slots=True)
class Hub:
    """All accounts, each made by its first call; the one pair of keys that opens them, and what it may do there."""

    app_key: str
    app_token: Secret
    resources: set[str] = field(default_factory=lambda: {VIEW, EDIT})
    accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, name: str) -> Account:
        return self.accounts.setdefault(name, Account(name))


def parse(raw: bytes) -> Json:
    """Return the JSON object in `raw`. Raises ValueError."""
    value = decode(raw)
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the caller's JSON, not the caller's code
    return value


def render(value: Any) -> str:
    """Return `value` as JSON text, amounts as numbers."""
    return encode(value)


def _result(reply: Reply, *, posted: bool = False) -> HubResult:
    try:
        return HubResult(reply.status, reply.json(), posted)
    except ValueError:
        # The Hub's own failure with an answer that is not JSON.
        return HubResult(500, None, posted)


def _total(moves: list[Json]) -> Decimal:
    return sum((Decimal(move["value"]) for move in moves), Decimal())


def _native(account: str) -> Json:
    """Return the provider every account starts with (VTEX's integration guide shows it so)."""
    return {
        "id": NATIVE,
        "serviceUrl": f"http://api.vtex.com/{account}",
        "oauthProvider": "vtex",
        "preAuthEnabled": True,
        "cancelEnabled": True,
    }

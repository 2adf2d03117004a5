"""The sandbox of Lightrail V1: cards, contacts, programs, how money moves, and how a repeated request is replayed."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mappers.lightrail_sandbox import ApiError, Json
from mappers.lightrail_v1.sandbox_cards import Rule, SandboxCard, SandboxValueStore, moment, required, stamp

# Value stores, and what a transaction adds to each.
Moves = list[tuple[SandboxValueStore, int]]


@dataclass
class SandboxState:
    """The whole state of the sandbox. Hold `lock` around anything that must not interleave with requests."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    cards: dict[str, SandboxCard] = field(default_factory=dict)
    contacts: dict[str, Json] = field(default_factory=dict)
    programs: dict[str, Json] = field(default_factory=dict)
    # The redemption rules of promotion programs, which programs do not show.
    rules: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ahead: timedelta = timedelta()
    _answers: dict[tuple[str, str], tuple[str, Json]] = field(default_factory=dict)
    _made: int = 0

    # What a test does "elsewhere"

    def now(self) -> datetime:
        return self.clock() + self.ahead

    def advance(self, step: timedelta) -> None:
        """Let time pass."""
        self.ahead += step

    def by_code(self, code: str) -> SandboxCard:
        """Return the card with `code`, to read or to change. Raises KeyError."""
        cards = {card.code: card for card in self.cards.values()}
        return cards[code]

    def spend(self, code: str, amount: int) -> None:
        """Take `amount` from a card in some shop."""
        card = self.by_code(code)
        body = {"userSuppliedId": self.name("shop"), "value": -amount, "currency": card.json["currency"]}
        self.transact(card, body, "RAWCODE")

    # Idempotency

    def once(self, kind: str, path: str, body: Json, make: Callable[[], Json]) -> Json:
        """Return what `make` makes, or made when the same request came before; another one under its id is a 409."""
        key = (kind, required(body, "userSuppliedId", str))
        request = json.dumps([path, body], sort_keys=True)
        if key in self._answers:
            before, answer = self._answers[key]
            if before != request:
                raise ApiError(409, f"A different {kind} with the same userSuppliedId already exists.")
            return answer
        answer = copy.deepcopy(make())
        self._answers[key] = request, answer
        return answer

    def name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made:06x}"

    # Cards

    def create_card(self, body: Json, code: str | None = None) -> SandboxCard:
        kind, currency, value = body.get("cardType"), required(body, "currency", str), body.get("initialValue", 0)
        contact_id: str | None = body.get("contactId")
        program_id: str | None = body.get("programId")
        if kind not in ("GIFT_CARD", "ACCOUNT_CARD"):
            raise ApiError(400, "cardType must be GIFT_CARD or ACCOUNT_CARD")
        if contact_id is not None or kind == "ACCOUNT_CARD":
            self.contact(required(body, "contactId", str))
        if kind == "GIFT_CARD":
            self._check_program(required(body, "programId", str), currency, value)
            code = code or self.name("CODE").upper()
        now = self.now()
        labels = dict(body.get("categories") or {}) | {"giftbit_order": f"{now:%Y-%m-%d}"}
        if kind == "GIFT_CARD":
            labels["giftbit_program"] = program_id
        shown = {
            "cardId": self.name("card"), "userSuppliedId": body["userSuppliedId"], "contactId": contact_id,
            "dateCreated": stamp(now), "cardType": kind, "currency": currency, "categories": [
                {"categoryId": self.name("category"), "key": key, "value": str(label)} for key, label in labels.items()
            ],
        }  # fmt: skip
        start, expires = moment(body.get("startDate")), moment(body.get("expires"))
        inactive = body.get("inactive") is True
        principal = SandboxValueStore(self.name("value"), "PRINCIPAL", 0, program_id, start, expires, inactive=inactive)
        card = SandboxCard(shown, code, [principal])
        if value:
            self._record(card, "INITIAL_VALUE", [(principal, value)], body, "CARDID")
        self.cards[card.id] = card
        return card

    def _check_program(self, program_id: str, currency: str, value: int) -> None:
        program = self.programs.get(program_id)
        if program is None:
            raise ApiError(404, f"Program with id '{program_id}' does not exist.")
        low, high, fixed = program["codeValueMin"] or 0, program["codeValueMax"], program["fixedCodeValues"]
        fits = value in fixed if fixed else low <= value <= (high if high is not None else value)
        if not program["active"] or currency != program["currency"] or not fits:
            raise ApiError(400, f"Failed to create card: it does not fit the Program '{program_id}'.")

    def attach(self, card: SandboxCard, body: Json) -> SandboxValueStore:
        """Attach a promotion."""
        program_id = required(body, "programId", str)
        program = self.programs.get(program_id)
        if program is None or program["valueStoreType"] != "ATTACHED" or body.get("currency") != program["currency"]:
            raise ApiError(400, "The programId must be of a Promotion Program in the card's currency.")
        start, expires = moment(body.get("startDate")), moment(body.get("expires"))
        rules = self.rules.get(program_id, ())
        store = SandboxValueStore(self.name("value"), "ATTACHED", 0, program_id, start, expires, rules)
        card.stores.append(store)
        self._record(card, "INITIAL_VALUE", [(store, body.get("initialValue", 0))], body, "CARDID")
        return store

    def contact(self, contact_id: str) -> Json:
        if contact_id not in self.contacts:
            raise ApiError(404, f"Contact with id '{contact_id}' does not exist.", "ContactNotFound")
        return self.contacts[contact_id]

    def create_contact(self, body: Json) -> Json:
        names = ("userSuppliedId", "email", "firstName", "lastName")
        contact_id = self.name("contact")
        given = {name: body.get(name) for name in names}
        self.contacts[contact_id] = {"contactId": contact_id} | given | {"dateCreated": stamp(self.now())}
        return self.contacts[contact_id]

    # Money

    def transact(self, card: SandboxCard, body: Json, method: str, *, dry: bool = False) -> Json:
        """Make a drawdown (negative value; pending or not) or a funding, or only work it out."""
        value, currency = required(body, "value", int), required(body, "currency", str)
        if currency != card.json["currency"]:
            raise ApiError(400, f"The card is in {card.json['currency']}.")
        if value == 0 or (value > 0 and method == "RAWCODE"):
            raise ApiError(400, "The value must be negative.")
        if value > 0:
            moves = [(self._usable(card.principal), value)]
            return self._record(card, "FUND", moves, body, method, dry=dry)
        moves = self._draw(card, -value, body.get("metadata"), best_effort=dry and body.get("nsf") is False)
        kind = "PENDING_CREATE" if body.get("pending") is True else "DRAWDOWN"
        return self._record(card, kind, moves, body, method, dry=dry)

    def _draw(self, card: SandboxCard, amount: int, metadata: Any, *, best_effort: bool) -> Moves:
        """Take from every store that the rules let pay, in order of expiry."""
        self._usable(card.principal)
        now = self.now()
        active = [store for store in card.stores if store.state(now) == "ACTIVE"]
        paying = [store for store in active if all(rule.allows(metadata) for rule in store.rules)]
        paying.sort(key=lambda store: (store.expires is None, store.expires or now, store.kind == "PRINCIPAL"))
        moves: Moves = []
        for store in paying:
            part = min(store.value, amount)
            amount -= part
            if part:
                moves.append((store, -part))
        if amount and not best_effort:
            raise ApiError(400, "Insufficient Value", "InsufficientValue")
        return moves

    def capture(self, card: SandboxCard, transaction_id: str, body: Json) -> Json:
        hold = self._unended(card, transaction_id, "PENDING_CREATE")
        moves = self._moves(card, hold)
        for store, _ in moves:
            if not all(rule.allows(body.get("metadata")) for rule in store.rules):
                raise ApiError(400, "The metadata does not meet the restrictions of the pending transaction.")
        back = [(store, -part) for store, part in moves]
        reverse = body | {"userSuppliedId": f"{body['userSuppliedId']}-reverse"}
        self._record(card, "PENDING_CAPTURE", back, reverse, "CARDID", parent=transaction_id)
        return self._record(card, "DRAWDOWN", moves, body, "CARDID", parent=transaction_id)

    def void(self, card: SandboxCard, transaction_id: str, body: Json) -> Json:
        hold = self._unended(card, transaction_id, "PENDING_CREATE")
        return self._give_back(card, hold, "PENDING_VOID", body)

    def refund(self, card: SandboxCard, transaction_id: str, body: Json) -> Json:
        drawdown = self._unended(card, transaction_id, "DRAWDOWN")
        return self._give_back(card, drawdown, "DRAWDOWN_REFUND", body)

    def _give_back(self, card: SandboxCard, taken: Json, kind: str, body: Json) -> Json:
        moves = [(store, -part) for store, part in self._moves(card, taken)]
        return self._record(card, kind, moves, body, "CARDID", parent=taken["transactionId"])

    def switch(
        self, card: SandboxCard, kind: str, body: Json, stores: Iterable[SandboxValueStore] | None = None
    ) -> Json:
        """FREEZE, UNFREEZE, ACTIVATE or CANCELLATION of a card, or of some of its stores."""
        before = self._available(card)
        for store in card.stores if stores is None else stores:
            match kind:
                case "FREEZE" | "UNFREEZE":
                    store.frozen = kind == "FREEZE"
                case "ACTIVATE":
                    store.inactive = False
                case "CANCELLATION":
                    store.canceled = True
        if kind == "CANCELLATION" and stores is None:
            label = {"categoryId": self.name("category"), "key": "giftbit_status", "value": "CANCELLED"}
            card.json["categories"].append(label)
        made = self._record(card, kind, [], body, "CARDID")
        made["value"] = self._available(card) - before
        return made

    def _usable(self, store: SandboxValueStore) -> SandboxValueStore:
        state = store.state(self.now())
        if state != "ACTIVE":
            # Which messageCode the real server gives is not documented.
            raise ApiError(400, f"The card cannot be used: {state}.")
        return store

    def _unended(self, card: SandboxCard, transaction_id: str, kind: str) -> Json:
        """Return the transaction that a capture, void or refund may end. Freezing prevents all transactions."""
        found = next((row for row in card.transactions if row["transactionId"] == transaction_id), None)
        if found is None:
            raise ApiError(404, f"Transaction with id '{transaction_id}' does not exist.")
        if any(store.frozen for store, _ in self._moves(card, found)):
            raise ApiError(400, "The card is frozen.")
        ended = any(row.get("parentTransactionId") == transaction_id for row in card.transactions)
        if found["transactionType"] != kind or ended:
            raise ApiError(400, f"Transaction '{transaction_id}' is not an open {kind}.")
        return found

    def _moves(self, card: SandboxCard, row: Json) -> Moves:
        stores = {store.id: store for store in card.stores}
        return [(stores[part["valueStoreId"]], part["value"]) for part in row["transactionBreakdown"]]

    def _available(self, card: SandboxCard) -> int:
        now = self.now()
        return sum(store.value for store in card.stores if store.state(now) == "ACTIVE")

    def _record(
        self,
        card: SandboxCard,
        kind: str,
        moves: Moves,
        body: Json,
        method: str,
        *,
        dry: bool = False,
        parent: str = "",
    ) -> Json:
        total = sum(part for _, part in moves)
        breakdown = []
        for store, part in moves:
            breakdown.append(
                {"value": part, "valueAvailableAfterTransaction": store.value + part, "valueStoreId": store.id}
            )
            store.value += 0 if dry else part
        metadata = body.get("metadata")
        row = {
            "transactionId": None if dry else self.name("transaction"), "value": total,
            "userSuppliedId": body["userSuppliedId"], "dateCreated": None if dry else stamp(self.now()),
            "transactionType": kind, "transactionAccessMethod": method,
            "valueAvailableAfterTransaction": self._available(card) + (total if dry else 0),
            "giftbitUserId": "user-sandbox-TEST", "cardId": card.id, "currency": card.json["currency"],
            "transactionBreakdown": breakdown,
        }  # fmt: skip
        if parent:
            row["parentTransactionId"] = parent
            metadata = (metadata or {}) | {"giftbit_initial_transaction_id": parent}
        row |= ({"metadata": metadata} if metadata else {}) | ({"codeLastFour": card.code[-4:]} if card.code else {})
        if not dry:
            card.transactions.append(row)
        return row

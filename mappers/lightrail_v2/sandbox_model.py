"""The sandbox of Lightrail V2: values, transactions and contacts, and the order in which it refuses."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from mappers.lightrail_sandbox import CODE_LETTERS, ApiError, Json, stamp

LARGEST_BALANCE = 2147483647
# Automatic voids are made by a job that runs every ten minutes.
AUTOMATIC_VOID_DELAY = timedelta(minutes=10)


def masked(value: Json) -> str | None:
    """Return a value's code as it is shown: generic codes whole, secret ones by their last four characters."""
    code: str | None = value["code"]
    return code if code is None or value["isGenericCode"] else "…" + code[-4:]


@dataclass
class StoredTransaction:
    """A transaction: its JSON, the exact second it was written, the first of its chain, and whether it reserves."""

    json: Json
    created: datetime
    root: str
    void_after: datetime | None = None

    @property
    def kind(self) -> str:
        return str(self.json["transactionType"])


@dataclass
class SandboxState:
    """The whole state of the sandbox. Hold `lock` around anything that must not interleave with requests."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    read_lag_seconds: float = 0.0
    values: dict[str, Json] = field(default_factory=dict)
    transactions: dict[str, StoredTransaction] = field(default_factory=dict)
    currencies: dict[str, Json] = field(default_factory=dict)
    programs: dict[str, Json] = field(default_factory=dict)
    contacts: dict[str, Json] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ahead: timedelta = timedelta()

    # What a test does "elsewhere"

    def now(self) -> datetime:
        return self.clock() + self.ahead

    def advance(self, step: timedelta) -> None:
        """Let time pass."""
        self.ahead += step

    def by_code(self, code: str) -> Json:
        """Return the value with `code`, to read or to change. Raises KeyError."""
        return next(value for value in self.values.values() if value["code"] == code)

    def spend(self, code: str, amount: int) -> None:
        """Take `amount` from a card in some shop."""
        value = self.by_code(code)
        self.debit({"id": f"shop-{uuid4()}", "amount": amount, "currency": value["currency"]}, {"code": code}, None)

    # Values

    def create_value(self, body: Json) -> Json:
        program = self._program(body)
        currency = body.get("currency") or (program or {}).get("currency")
        if currency not in self.currencies:
            raise ApiError(409, f"Currency '{currency}' does not exist. See the documentation.", "CurrencyNotFound")
        balance = body.get("balance", None if body.get("balanceRule") else 0)
        self._check_program(program, balance, currency)
        if body["id"] in self.values:
            raise ApiError(409, f"The Value '{body['id']}' already exists.", "ValueIdExists")
        code = self._new_code(body)
        if code is not None and any(value["code"] == code for value in self.values.values()):
            raise ApiError(409, "The code already exists.", "ValueCodeExists")
        now = self.now()
        given = {key: body[key] for key in body if key not in ("generateCode", "genericCodeOptions")}
        value = (
            {"id": body["id"], "currency": currency, "balance": balance, "usesRemaining": None, "programId": None}
            | {"issuanceId": None, "code": code, "isGenericCode": False, "contactId": None, "pretax": False}
            | {"active": True, "canceled": False, "frozen": False, "discount": False, "discountSellerLiability": None}
            | {"discountSellerLiabilityRule": None, "redemptionRule": None, "balanceRule": None, "startDate": None}
            | {"endDate": None, "metadata": {}, "createdDate": stamp(now), "updatedDate": stamp(now)}
            | {"updatedContactIdDate": None, "createdBy": "user-sandbox-TEST"}
            | given
        )
        if balance is not None:
            # It shares the transactions' ids: a debit can never have the id of a value.
            self._insert(self._json(body["id"], "initialBalance", value, balance, before=0), body["id"])
        self.values[body["id"]] = value
        return value

    def _program(self, body: Json) -> Json | None:
        name = body.get("programId")
        if name is not None and name not in self.programs:
            raise ApiError(404, f"Program with id '{name}' not found.", "ProgramNotFound")
        return self.programs.get(name) if name else None

    @staticmethod
    def _check_program(program: Json | None, balance: int | None, currency: str) -> None:
        if program is None:
            return
        name, low, high = program["id"], program["minInitialBalance"], program["maxInitialBalance"]
        if currency != program["currency"]:
            raise ApiError(409, f"Value's currency {currency} cannot be different than the Program ({name})'s.")
        if low is not None and (balance or 0) < low:
            raise ApiError(409, f"Value's balance {balance} is less than the Program ({name}) minInitialBalance {low}.")
        if high is not None and (balance or 0) > high:
            raise ApiError(
                409, f"Value's balance {balance} is more than the Program ({name}) maxInitialBalance {high}."
            )

    @staticmethod
    def _new_code(body: Json) -> str | None:
        rules = body.get("generateCode")
        if rules is None:
            return body.get("code")
        letters = rules.get("charset", CODE_LETTERS)
        middle = "".join(secrets.choice(letters) for _ in range(rules.get("length", 16)))
        return f"{rules.get('prefix', '')}{middle}{rules.get('suffix', '')}"

    # Transactions: the checks come in the order of the real server, which decides what a repeat is answered

    def debit(self, body: Json, source: Json, pending_until: datetime | None) -> Json:
        value = self._party(source, body["currency"])
        missing = max(0, body["amount"] - value["balance"])
        if missing and not body.get("allowRemainder"):
            raise ApiError(409, "Insufficient balance for the transaction.", "InsufficientBalance")
        uses = self._uses(value, body)
        self._refuse_lower_case(body["currency"])
        taken = missing - body["amount"]
        json = self._json(body["id"], "debit", value, taken, uses=-uses, metadata=body.get("metadata"))
        json["totals"] = {"remainder": missing}
        if pending_until is not None:
            json |= {"pending": True, "pendingVoidDate": stamp(pending_until)}
        return self._execute(json, body, json["id"], pending_until)

    @staticmethod
    def _uses(value: Json, body: Json) -> int:
        """Return how many uses a debit takes: none by its amount alone."""
        uses = int(body.get("uses", 0))
        if uses and value["usesRemaining"] is None:
            raise ApiError(409, f"Value '{value['id']}' has no usesRemaining.", "NullUses")
        if uses > (value["usesRemaining"] or 0):
            raise ApiError(409, "Insufficient usesRemaining for the transaction.", "InsufficientUsesRemaining")
        return uses

    def credit(self, body: Json, destination: Json) -> Json:
        value = self._party(destination, body["currency"])
        if value["balance"] + body["amount"] > LARGEST_BALANCE:
            raise ApiError(409, "The balance would become too large.", "ValueBalanceTooLarge")
        self._refuse_lower_case(body["currency"])
        json = self._json(body["id"], "credit", value, body["amount"], metadata=body.get("metadata"))
        return self._execute(json, body, json["id"])

    def capture(self, pending_id: str, body: Json) -> Json:
        root = self._pending(pending_id, "captured")
        if root.void_after is not None and root.void_after <= self.now():
            raise ApiError(409, f"Transaction '{pending_id}' is about to be voided.", "TransactionVoiding")
        value = self._value_of(root)
        self._refuse_frozen(value)
        json = self._json(body["id"], "capture", value, 0, metadata=body.get("metadata"))
        json["steps"] = []
        return self._execute(json, body, pending_id)

    def void(self, pending_id: str, body: Json, created_by: str = "user-sandbox-TEST") -> Json:
        root = self._pending(pending_id, "voided")
        value = self._value_of(root)
        self._refuse_inactive(value)
        amount, uses = self._given_back(root)
        json = self._json(body["id"], "void", value, amount, uses=uses, metadata=body.get("metadata"))
        json |= {"totals": {"remainder": 0}, "createdBy": created_by}
        return self._execute(json, body, pending_id)

    def reverse(self, transaction_id: str, body: Json) -> Json:
        target = self._entry(transaction_id)
        if target.json["pending"]:
            raise ApiError(409, f"Transaction '{transaction_id}' is pending: void or capture it.", "TransactionPending")
        if target.kind in ("reverse", "void"):
            raise ApiError(409, f"A {target.kind} cannot be reversed.", "TransactionNotReversible")
        if by := next((one for one in self.chain(target.root) if one.kind == "reverse"), None):
            raise ApiError(
                409, f"Transaction '{transaction_id}' was reversed by '{by.json['id']}'.", "TransactionReversed"
            )
        root = self.transactions[target.root]
        value = self._value_of(root)
        self._refuse_frozen(value)
        self._refuse_inactive(value)
        amount, uses = self._given_back(root)
        if value["balance"] + amount < 0:
            raise ApiError(409, "Insufficient balance for the transaction.", "InsufficientBalance")
        json = self._json(body["id"], "reverse", value, amount, uses=uses, metadata=body.get("metadata"))
        return self._execute(json, body, target.root)

    def chain(self, root: str) -> list[StoredTransaction]:
        """Return a transaction with what followed it, oldest first."""
        return [entry for entry in self.transactions.values() if entry.root == root]

    def visible(self, entry: StoredTransaction) -> bool:
        """Tell whether reads, which may come from a replica, show `entry` yet."""
        return entry.created + timedelta(seconds=self.read_lag_seconds) <= self.now()

    def void_overdue(self) -> None:
        """Do what the automatic void job would have done by now."""
        for entry in list(self.transactions.values()):
            overdue = entry.void_after is not None and entry.void_after + AUTOMATIC_VOID_DELAY <= self.now()
            if overdue and len(self.chain(entry.root)) == 1 and self._value_of(entry)["active"]:
                self.void(entry.json["id"], {"id": f"automatic-void-{uuid4()}"}, "automatic-void")

    def _party(self, party: Json, currency: str) -> Json:
        if "valueId" in party:
            value = self.values.get(party["valueId"])
        else:
            wanted = party["code"].strip()
            value = next((one for one in self.values.values() if one["code"] == wanted), None)
        if value is None:
            raise ApiError(409, "Could not resolve the source to a transactable Value.", "InvalidParty")
        now = self.now()
        refusals = {
            "WrongCurrency": value["currency"] != currency.upper(),
            "ValueFrozen": value["frozen"],
            "ValueCanceled": value["canceled"],
            "ValueInactive": not value["active"],
            "ValueNotStarted": value["startDate"] and datetime.fromisoformat(value["startDate"]) > now,
            "ValueEnded": value["endDate"] and datetime.fromisoformat(value["endDate"]) < now,
            "NullBalance": value["balance"] is None,
        }
        for code, applies in refusals.items():
            if applies:
                raise ApiError(409, f"Value '{value['id']}' cannot be transacted against.", code)
        return value

    def _entry(self, transaction_id: str) -> StoredTransaction:
        entry = self.transactions.get(transaction_id)
        if entry is None:
            raise ApiError(404, f"Transaction with id '{transaction_id}' not found.", "TransactionNotFound")
        return entry

    def _pending(self, transaction_id: str, wanted: str) -> StoredTransaction:
        entry = self._entry(transaction_id)
        if not entry.json["pending"]:
            raise ApiError(409, f"Transaction '{transaction_id}' is not pending.", "TransactionNotPending")
        for follower in self.chain(transaction_id)[1:]:
            done = {"capture": "Captured", "void": "Voided"}.get(follower.kind)
            if done:
                name = follower.json["id"]
                message = f"Cannot be {wanted}: it was {done.lower()} by Transaction '{name}'."
                raise ApiError(409, message, f"Transaction{done}")
        return entry

    def _value_of(self, entry: StoredTransaction) -> Json:
        return self.values[entry.json["steps"][0]["valueId"]]

    @staticmethod
    def _given_back(root: StoredTransaction) -> tuple[int, int]:
        """Return the amount and the uses that undoing a transaction gives back."""
        [step] = root.json["steps"]
        return -step["balanceChange"], -(step["usesRemainingChange"] or 0)

    @staticmethod
    def _refuse_frozen(value: Json) -> None:
        if value["frozen"]:
            raise ApiError(409, f"Value '{value['id']}' is frozen.", "ValueFrozen")

    @staticmethod
    def _refuse_inactive(value: Json) -> None:
        # The real server's update asks for active=true, finds nothing to update and fails inside.
        if not value["active"]:
            raise ApiError(500, "Internal Server Error")

    @staticmethod
    def _refuse_lower_case(currency: str) -> None:
        if currency != currency.upper():
            raise ApiError(500, "Internal Server Error")

    def _json(
        self,
        name: str,
        kind: str,
        value: Json,
        change: int,
        *,
        before: int | None = None,
        uses: int = 0,
        metadata: Any = None,
    ) -> Json:
        before = value["balance"] if before is None else before
        left = value["usesRemaining"]
        step = {"rail": "lightrail", "valueId": value["id"], "contactId": value["contactId"], "code": masked(value)}
        step |= {"balanceBefore": before, "balanceChange": change, "balanceAfter": before + change}
        step |= {"usesRemainingBefore": left, "usesRemainingChange": None if left is None else uses}
        step |= {"usesRemainingAfter": None if left is None else left + uses, "balanceRule": None}
        return (
            {"id": name, "transactionType": kind, "currency": value["currency"], "createdDate": stamp(self.now())}
            | {"tax": None, "totals": None, "lineItems": None, "steps": [step], "paymentSources": None}
            | {"pending": False, "metadata": metadata, "createdBy": "user-sandbox-TEST"}
        )

    def _execute(self, json: Json, body: Json, root: str, void_after: datetime | None = None) -> Json:
        if body.get("simulate"):
            return json | {"simulated": True}
        self._insert(json, root, void_after)
        for step in json["steps"]:
            value = self.values[step["valueId"]]
            value["balance"], value["usesRemaining"] = step["balanceAfter"], step["usesRemainingAfter"]
        return json

    def _insert(self, json: Json, root: str, void_after: datetime | None = None) -> None:
        if json["id"] in self.transactions:
            raise ApiError(409, f"A Transaction with id '{json['id']}' already exists.", "TransactionExists")
        self.transactions[json["id"]] = StoredTransaction(json, self.now(), root, void_after)

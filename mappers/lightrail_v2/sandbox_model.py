"""The sandbox of Lightrail V2: values, transactions and contacts, and the order in which it refuses.

Reads go to a replica that is `read_lag_seconds` late, and so do the look-ups of each POST; what they plan is then done
to what is there by now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from mappers.lightrail_sandbox import ApiError, Json, stamp
from mappers.lightrail_v2.sandbox_durations import pending_until
from mappers.lightrail_v2.sandbox_rules import paid_by
from mappers.lightrail_v2.sandbox_values import INHERITED, check_program, masked, new_code, new_value

LARGEST_BALANCE = 2147483647
# Automatic voids are made by a job that runs every ten minutes.
AUTOMATIC_VOID_DELAY = timedelta(minutes=10)


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
        self.debit({"id": f"shop-{uuid4()}", "amount": amount, "currency": value["currency"], "source": {"code": code}})

    # What the replica shows

    def visible(self, entry: StoredTransaction) -> bool:
        """Tell whether the replica has `entry` yet."""
        return entry.created + timedelta(seconds=self.read_lag_seconds) <= self.now()

    def shown(self, value: Json) -> Json | None:
        """Return a value as the replica has it, None where it is not there yet. What people changed shows at once."""
        created = self.transactions.get(value["id"])
        if created is not None and not self.visible(created):
            return None
        late = [
            step
            for entry in (self.transactions.values() if self.read_lag_seconds else ())
            if not self.visible(entry)
            for step in entry.json["steps"]
            if step["valueId"] == value["id"]
        ]
        missed = {
            name: None if value[name] is None else value[name] - sum(step[f"{name}Change"] or 0 for step in late)
            for name in ("balance", "usesRemaining")
        }
        return value | missed

    def find_transaction(self, transaction_id: str) -> StoredTransaction:
        """Return a transaction that the replica has. Raises ApiError 404."""
        entry = self.transactions.get(transaction_id)
        if entry is None or not self.visible(entry):
            raise ApiError(404, f"Transaction with id '{transaction_id}' not found.", "TransactionNotFound")
        return entry

    # Values

    def create_value(self, body: Json) -> Json:
        program = self._program(body)
        given = {name: program[name] for name in INHERITED} if program else {}
        given |= {key: body[key] for key in body if key != "generateCode"}
        currency = body.get("currency") or (program or {}).get("currency")
        balance = body.get("balance", None if given.get("balanceRule") else 0)
        check_program(program, body, balance, currency)
        self._refuse_lower_case(str(currency))
        if currency not in self.currencies:
            raise ApiError(409, f"Currency '{currency}' does not exist. See the documentation.", "CurrencyNotFound")
        contact = body.get("contactId")
        if contact is not None and contact not in self.contacts:
            raise ApiError(409, f"Contact '{contact}' not found.", "ContactNotFound")
        if body["id"] in self.values:
            raise ApiError(409, f"The Value '{body['id']}' already exists.", "ValueIdExists")
        code = new_code(body)
        if code is not None and any(value["code"] == code for value in self.values.values()):
            raise ApiError(409, "The code already exists.", "ValueCodeExists")
        value = new_value(body | given | {"balance": balance, "currency": currency, "code": code}, stamp(self.now()))
        # It shares the transactions' ids: a debit can never have the id of a value.
        empty = value | {"balance": None if balance is None else 0}
        self._insert(self._json(body["id"], "initialBalance", empty, balance), body["id"])
        self.values[body["id"]] = value
        return value

    def attach(self, contact_id: str, value: Json) -> Json:
        """Give a contact a value, or a value of its own of a generic code: the same one again when repeated."""
        if not value["isGenericCode"]:
            value.update(contactId=contact_id, updatedContactIdDate=stamp(self.now()))
            return value
        mine = (row for row in self.values.values() if row.get("attachedFromValueId") == value["id"])
        if found := next((row for row in mine if row["contactId"] == contact_id), None):
            return found
        kept = {name: value[name] for name in ("currency", *INHERITED, "metadata")}
        per_contact = (value.get("genericCodeOptions") or {}).get("perContact") or {}
        given = {name: per_contact[name] for name in ("balance", "usesRemaining") if per_contact.get(name) is not None}
        new = kept | given | {"id": f"{value['id']}-{len(self.values)}", "contactId": contact_id}
        return self.create_value(new | {"attachedFromValueId": value["id"]})

    def _program(self, body: Json) -> Json | None:
        name = body.get("programId")
        if name is not None and name not in self.programs:
            raise ApiError(404, f"Program with id '{name}' not found.", "ProgramNotFound")
        return self.programs.get(name) if name else None

    # Transactions: the checks come in the order of the real server, which decides what a repeat is answered

    def debit(self, body: Json) -> Json:
        value = self._party(body["source"], body)
        until = pending_until(body.get("pending", False), self.now())
        self._refuse_lower_case(body["currency"])
        amount, uses = body.get("amount", 0), body.get("uses", 0)
        missing = max(0, amount - (value["balance"] or 0))
        if missing and not body.get("allowRemainder"):
            raise ApiError(409, "Insufficient balance for the transaction.", "InsufficientBalance")
        if uses > (value["usesRemaining"] or 0):
            raise ApiError(409, "Insufficient usesRemaining for the transaction.", "InsufficientUsesRemaining")
        json = self._json(body["id"], "debit", value, missing - amount, -uses, body.get("metadata"))
        json["totals"] = {"remainder": missing}
        if until is not None:
            json |= {"pending": True, "pendingVoidDate": stamp(until)}
        return self._execute(json, body, json["id"], until)

    def credit(self, body: Json) -> Json:
        value = self._party(body["destination"], body)
        self._refuse_lower_case(body["currency"])
        json = self._json(body["id"], "credit", value, body.get("amount", 0), body.get("uses", 0), body.get("metadata"))
        return self._execute(json, body, json["id"])

    def checkout(self, body: Json) -> Json:
        """Let the sources pay for the line items, as their rules say; those that cannot pay are left out."""
        self._refuse_lower_case(body["currency"])
        items = [{"quantity": 1, "type": "product"} | item for item in body["lineItems"]]
        for item in items:
            item["payable"] = item["unitPrice"] * item["quantity"]
        subtotal = sum(item["payable"] for item in items)
        steps: list[Json] = []
        discount = paid = 0
        # Discounts come first: they lower what is to be paid.
        for value in sorted(self._payers(body), key=lambda value: not value["discount"]):
            amount = paid_by(value, value["balance"], items, body.get("metadata"))
            if not amount:
                continue
            uses = 0 if value["usesRemaining"] is None else -1
            steps += self._json("", "checkout", value, None if value["balance"] is None else -amount, uses)["steps"]
            discount, paid = (discount + amount, paid) if value["discount"] else (discount, paid + amount)
        remainder = sum(item.pop("payable") for item in items)
        if remainder and not body.get("allowRemainder"):
            raise ApiError(409, "Insufficient balance for the transaction.", "InsufficientBalance")
        totals = {"subtotal": subtotal, "tax": 0, "discount": discount, "payable": subtotal - discount}
        totals |= {"remainder": remainder, "forgiven": 0, "discountLightrail": discount, "paidLightrail": paid}
        totals |= {"paidStripe": 0, "paidInternal": 0}
        json = self._shape(body["id"], "checkout", body["currency"], steps, body.get("metadata"))
        json |= {"totals": totals, "lineItems": items, "paymentSources": body["sources"]}
        return self._execute(json, body, json["id"])

    def capture(self, pending_id: str, body: Json) -> Json:
        root = self._pending(pending_id, "captured")
        if root.void_after is not None and root.void_after <= self.now():
            raise ApiError(409, f"Transaction '{pending_id}' is about to be voided.", "TransactionVoiding")
        value = self._value_of(root)
        self._refuse_frozen(value)
        json = self._shape(body["id"], "capture", value["currency"], [], body.get("metadata"))
        return self._execute(json, body, pending_id)

    def void(self, pending_id: str, body: Json, created_by: str = "user-sandbox-TEST") -> Json:
        root = self._pending(pending_id, "voided")
        json = self._undoing(root, "void", body) | {"totals": {"remainder": 0}, "createdBy": created_by}
        return self._execute(json, body, pending_id)

    def reverse(self, transaction_id: str, body: Json) -> Json:
        target = self.find_transaction(transaction_id)
        if target.json["pending"]:
            raise ApiError(409, f"Transaction '{transaction_id}' is pending: void or capture it.", "TransactionPending")
        if target.kind in ("reverse", "void"):
            raise ApiError(409, f"A {target.kind} cannot be reversed.", "TransactionNotReversible")
        followers = (one for one in self.chain(target.root) if self.visible(one))
        if by := next((one for one in followers if one.kind == "reverse"), None):
            raise ApiError(
                409, f"Transaction '{transaction_id}' was reversed by '{by.json['id']}'.", "TransactionReversed"
            )
        root = self.transactions[target.root]
        value = self._value_of(root)
        self._refuse_frozen(value)
        json = self._undoing(root, "reverse", body)
        if root.json["totals"]:
            json["totals"] = {"remainder": root.json["totals"]["remainder"]}
        if (value["balance"] or 0) + (json["steps"][0]["balanceChange"] or 0) < 0:
            raise ApiError(409, "Insufficient balance for the transaction.", "InsufficientBalance")
        return self._execute(json, body, target.root)

    def chain(self, root: str) -> list[StoredTransaction]:
        """Return a transaction with what followed it, oldest first."""
        return [entry for entry in self.transactions.values() if entry.root == root]

    def void_overdue(self) -> None:
        """Do what the automatic void job would have done by now."""
        for entry in list(self.transactions.values()):
            overdue = entry.void_after is not None and entry.void_after + AUTOMATIC_VOID_DELAY <= self.now()
            if overdue and len(self.chain(entry.root)) == 1 and self._value_of(entry)["active"]:
                self.void(entry.json["id"], {"id": f"automatic-void-{uuid4()}"}, "automatic-void")

    def _party(self, party: Json, body: Json) -> Json:
        value = self._value(party)
        if value is None:
            raise ApiError(409, "Could not resolve the source to a transactable Value.", "InvalidParty")
        code = next((code for code, applies in self._refusals(value, body["currency"]).items() if applies), None)
        if code is None and "amount" in body and value["balance"] is None:
            code = "NullBalance"
        if code is None and "uses" in body and value["usesRemaining"] is None:
            code = "NullUses"
        if code is not None:
            raise ApiError(409, f"Value '{value['id']}' cannot be transacted against.", code)
        return value

    def _value(self, party: Json) -> Json | None:
        if "valueId" in party:
            value = self.values.get(party["valueId"])
        else:
            wanted = party["code"].strip()
            value = next((one for one in self.values.values() if one["code"] == wanted), None)
        return value and self.shown(value)

    def _refusals(self, value: Json, currency: str) -> dict[str, bool]:
        now = self.now()
        return {
            "WrongCurrency": value["currency"] != currency.upper(),
            "ValueCanceled": value["canceled"],
            "ValueFrozen": value["frozen"],
            "ValueInactive": not value["active"],
            "ValueNotStarted": bool(value["startDate"]) and datetime.fromisoformat(value["startDate"]) > now,
            "ValueEnded": bool(value["endDate"]) and datetime.fromisoformat(value["endDate"]) < now,
        }

    def _payers(self, body: Json) -> list[Json]:
        """Return the values that a checkout may take from."""
        found = [value for party in body["sources"] if "contactId" not in party and (value := self._value(party))]
        contacts = {party["contactId"] for party in body["sources"] if "contactId" in party}
        own = (self.shown(value) for value in self.values.values() if value["contactId"] in contacts)
        found += [value for value in own if value]
        usable = {value["id"]: value for value in found if not any(self._refusals(value, body["currency"]).values())}
        return [value for value in usable.values() if value["usesRemaining"] != 0 and not value["isGenericCode"]]

    def _pending(self, transaction_id: str, wanted: str) -> StoredTransaction:
        entry = self.find_transaction(transaction_id)
        if not entry.json["pending"]:
            raise ApiError(409, f"Transaction '{transaction_id}' is not pending.", "TransactionNotPending")
        for follower in filter(self.visible, self.chain(transaction_id)[1:]):
            done = {"capture": "Captured", "void": "Voided"}.get(follower.kind)
            if done:
                name = follower.json["id"]
                message = f"Cannot be {wanted}: it was {done.lower()} by Transaction '{name}'."
                raise ApiError(409, message, f"Transaction{done}")
        return entry

    def _value_of(self, entry: StoredTransaction) -> Json:
        return self.values[entry.json["steps"][0]["valueId"]]

    @staticmethod
    def _refuse_frozen(value: Json) -> None:
        if value["frozen"]:
            raise ApiError(409, f"Value '{value['id']}' is frozen.", "ValueFrozen")

    @staticmethod
    def _refuse_lower_case(currency: str) -> None:
        if currency != currency.upper():
            raise ApiError(500, "Internal Server Error")

    def _undoing(self, root: StoredTransaction, kind: str, body: Json) -> Json:
        """Return a transaction that gives back what `root` took."""
        value, (took, *_) = self._value_of(root), root.json["steps"]
        balance, uses = (took[name] for name in ("balanceChange", "usesRemainingChange"))
        return self._json(
            body["id"], kind, value, None if balance is None else -balance, -(uses or 0), body.get("metadata")
        )

    def _json(
        self, name: str, kind: str, value: Json, change: int | None, uses: int = 0, metadata: Json | None = None
    ) -> Json:
        """Return a transaction that changes one value; `change` is None where it has no balance."""
        step = {"rail": "lightrail", "valueId": value["id"], "contactId": value["contactId"], "code": masked(value)}
        for member, by in (("balance", change), ("usesRemaining", uses)):
            before = value[member]
            none = before is None or by is None
            step |= {f"{member}Before": before, f"{member}Change": None if none else by}
            step |= {f"{member}After": None if none else before + by}
        return self._shape(name, kind, value["currency"], [step | {"balanceRule": value["balanceRule"]}], metadata)

    def _shape(self, name: str, kind: str, currency: str, steps: list[Json], metadata: Json | None) -> Json:
        return (
            {"id": name, "transactionType": kind, "currency": currency, "createdDate": stamp(self.now())}
            | {"tax": None, "totals": None, "lineItems": None, "steps": steps, "paymentSources": None}
            | {"pending": False, "metadata": metadata, "createdBy": "user-sandbox-TEST"}
        )

    def _execute(self, json: Json, body: Json, root: str, void_after: datetime | None = None) -> Json:
        """Write what was planned, to what is there by now."""
        if body.get("simulate"):
            return json | {"simulated": True}
        kind = json["transactionType"]
        self._refuse_id(json["id"])
        # A hold, and what was taken, ends once, whatever the replica showed.
        ends = {"capture": ("capture", "void"), "void": ("capture", "void"), "reverse": ("reverse",)}.get(kind, ())
        if any(entry.kind in ends for entry in self.chain(root)):
            raise ApiError(409, f"'{root}' has been ended already.", "TransactionExists")
        for step in json["steps"]:
            self._change(step, kind)
        self._insert(json, root, void_after)
        return json

    def _change(self, step: Json, kind: str) -> None:
        value = self.values[step["valueId"]]
        # The real server's update asks for active=true, finds nothing to update and fails inside.
        if kind in ("void", "reverse") and not value["active"]:
            raise ApiError(500, "Internal Server Error")
        after = {
            name: value[name] + change
            for name in ("balance", "usesRemaining")
            if value[name] is not None and (change := step[f"{name}Change"])
        }
        # It plans anew from the replica, and gives up at the third time.
        if any(number < 0 for number in after.values()):
            raise ApiError(500, "Internal Server Error")
        if after.get("balance", 0) > LARGEST_BALANCE:
            raise ApiError(409, "The balance would become too large.", "ValueBalanceTooLarge")
        value.update(after)
        for name, number in after.items():
            step |= {f"{name}Before": number - step[f"{name}Change"], f"{name}After": number}

    def _refuse_id(self, name: str) -> None:
        if name in self.transactions:
            raise ApiError(409, f"A Transaction with id '{name}' already exists.", "TransactionExists")

    def _insert(self, json: Json, root: str, void_after: datetime | None = None) -> None:
        self._refuse_id(json["id"])
        self.transactions[json["id"]] = StoredTransaction(json, self.now(), root, void_after)

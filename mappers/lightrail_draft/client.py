"""The draft's calls: paths, and which statuses are refusals (Lightrail V2 draft, April 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from mappers.deadline import Deadline
from mappers.http import segment
from mappers.lightrail import LightrailClient, Program, Rejected, own
from mappers.lightrail_draft.objects import (
    Posting,
    ValueStore,
    anything,
    full_code,
    posting,
    program,
    simulated,
    value_store,
)
from mappers.parsing import understood

# What a transaction may be refused with because nothing pays it: the released V2 says the second.
TOO_LITTLE = {"InsufficientValue", "InsufficientBalance"}
NOBODY_PAYS = TOO_LITTLE | {"InvalidParty"}


class Client(LightrailClient):
    """Calls to the draft of Lightrail V2."""

    refusals = (409, 422)
    own_refusals = (400, 404)
    repeated_status = "statusCode"

    # Cards

    def simulate(self, path: str, operation: str, body: Mapping[str, Any], deadline: Deadline) -> dict[str, int]:
        """POST a transaction, simulated: what it would take of each value store, by its id; `path` as for `post`."""
        sent = {"transactionId": f"gb-simulated-{uuid4().hex}", **body, "simulate": True, "allowRemainder": True}
        try:
            answer = self._answer(f"/transactions{path}", operation, deadline, body=sent)
        except Rejected as rejected:
            if rejected.code in NOBODY_PAYS and self._is_refusal(rejected):
                return {}
            raise self._set_up_error(rejected, operation) from rejected
        return understood(answer.body, partial(simulated, status=answer.status), "Lightrail", operation)

    def store(self, store_id: str, deadline: Deadline, *, breaker: bool = True) -> ValueStore | None:
        """GET /valueStores/{valueStoreId}; None where there is none."""
        path = f"/valueStores/{segment(store_id)}"
        return self._read(path, "get", deadline, value_store, missing=own(404), breaker=breaker)

    def code(self, store_id: str, deadline: Deadline) -> str | None:
        """GET /valueStores/{valueStoreId}/code; None where it is not shown whole."""
        return self._read(f"/valueStores/{segment(store_id)}/code", "code", deadline, full_code)

    def create_store(self, body: Mapping[str, Any], deadline: Deadline) -> ValueStore:
        """POST /valueStores."""
        return self._write("/valueStores", "issue", body, deadline, value_store)

    def program(self, program_id: str, deadline: Deadline) -> Program | None:
        """GET /programs/{programId}; None where there is none."""
        return self._read(f"/programs/{segment(program_id)}", "program", deadline, program, missing=own(404))

    def list_programs(self, deadline: Deadline) -> None:
        """GET /programs: a harmless call that needs the key."""
        self._read("/programs", "ping", deadline, anything, query={"limit": "1"})

    # Transactions

    def post(
        self, path: str, operation: str, body: Mapping[str, Any] | None, deadline: Deadline, *, breaker: bool
    ) -> Posting:
        """POST a transaction, or what ends one; `path` comes after /transactions."""
        return self._write(f"/transactions{path}", operation, body, deadline, posting, breaker=breaker)

    def transaction(self, transaction_id: str, deadline: Deadline) -> Posting | None:
        """GET /transactions/{transactionId}; None where there is none, or none to be seen yet."""
        path = f"/transactions/{segment(transaction_id)}"
        return self._read(path, "ask", deadline, posting, missing=own(404), breaker=False)

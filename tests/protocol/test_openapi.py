"""The description of the protocol says what is served; its examples are real; it agrees with VTEX's own document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from app.ledger.service import Movement
from app.protocol import errors, openapi
from mappers.base import Card, IssuedCard
from tests.protocol import described
from tests.protocol.described import document, resolved
from tests.protocol.fakes import NOON, FakeCards, FakeLedger, HubCall, spendable

Json = dict[str, Any]

VTEX: Json = json.loads(Path(__file__).with_name("vtex_openapi.json").read_text())

OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in document()["paths"].items()
    for method, operation in operations.items()
}


def answered(operation: Json) -> Json:
    answer: Json = operation["responses"]["200"]["content"]["application/json"]
    return answer


def taken(operation: Json) -> Json:
    body: Json = operation.get("requestBody", {"content": {"application/json": {"schema": {}}}})
    content: Json = body["content"]["application/json"]
    return content


def members(schema: Json, prefix: str = "") -> Iterator[tuple[str, set[str], bool]]:
    """Yield (dotted name, types, whether it is required) of every member below a schema."""
    schema = resolved(schema)
    if "items" in schema:
        yield from members(schema["items"], f"{prefix.removesuffix('.')}[].")
    for name, below in schema.get("properties", {}).items():
        member = resolved(below)
        types = member["type"]
        yield prefix + name, {types} if isinstance(types, str) else set(types), name in schema.get("required", ())
        yield from members(member, f"{prefix}{name}.")


class TestExamples:
    """Each example was really sent and answered."""

    @pytest.fixture
    def answers(self, cards: FakeCards, ledger: FakeLedger, call: HubCall) -> dict[str, Any]:
        """What the service answers to the examples of requests."""
        cards.found = [spendable("3b1abc17_24", relation_name="loyalty-program")]
        cards.issued = IssuedCard(Card("card-38", 0, "BRL"), code="QFJA-AUKP-TXKU-GCKV", token=None)
        ledger.names = ["gb-07aa"]
        ledger.entries = [Movement("gb-07settled", 410, NOON)]
        parameters = {"card_id": "3b1abc17_24", "transaction_id": "gb-07aa"}
        found = {}
        for name, operation in OPERATIONS.items():
            method, path = name.split()
            response = call(method, path.format(**parameters), json=taken(operation).get("example"))
            assert response.status_code == 200, name
            found[name] = response.get_json()
        return found

    def test_a_request_is_taken_and_an_answer_has_what_its_example_has(self, answers: dict[str, Any]) -> None:
        for name, operation in OPERATIONS.items():
            assert shape(answers[name]) == shape(answered(operation)["example"]), name

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_an_example_is_as_its_schema_says(self, name: str) -> None:
        operation = OPERATIONS[name]
        described.validator(f"{operation['operationId']} 200").validate(answered(operation)["example"])
        if "requestBody" in operation:
            components = {"schemas": document()["components"]["schemas"]}
            OAS31Validator(taken(operation)["schema"] | {"components": components}).validate(
                taken(operation)["example"]
            )

    @pytest.mark.parametrize("status", [status for status in openapi.MEANINGS if status not in (401, 403)])
    def test_an_error_is_as_its_schema_says(self, status: int) -> None:
        example = document()["components"]["responses"][str(status)]["content"]["application/json"]["example"]
        described.validator(f"authorize {status}").validate(example)


def shape(value: Any) -> Any:
    """Return the names in a JSON value, and the kinds of what is there."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


class TestErrors:
    def test_every_status_of_an_error_is_described(self) -> None:
        assert {status for status, _ in errors.STATUSES.values()} <= set(openapi.MEANINGS)

    def test_every_code_is_listed_under_its_status(self) -> None:
        for status, code in errors.STATUSES.values():
            assert code in openapi.codes(status)

    def test_refused_credentials_are_described_without_a_body(self) -> None:
        responses = document()["components"]["responses"]
        assert [status for status, response in responses.items() if "content" not in response] == ["401", "403"]


class TestWhatIsNotDescribedFails:
    """The check of the answers in these tests can fail."""

    def test_another_member(self) -> None:
        validator = described.validator("settle 200")
        made = answered(OPERATIONS["POST /giftcards/{card_id}/transactions/{transaction_id}/settlements"])["example"]
        assert validator.is_valid(made)
        assert not validator.is_valid(made | {"more": 1})

    @pytest.mark.parametrize("wrong", [{"value": "15.3"}, {"date": "yesterday"}, {"oid": None}])
    def test_another_type(self, wrong: Json) -> None:
        assert not described.validator("settle 200").is_valid(openapi.MOVED | wrong)

    def test_another_code(self) -> None:
        error = {"error": {"code": "CardNotFound", "message": "no", "exception": None}}
        assert described.validator("settle 404").is_valid(error)
        assert not described.validator("settle 409").is_valid(error)


# Members that VTEX requires of what it sends, and that nothing depends on here: they are read where they are there.
LENIENT = {"client", "cart", "description", "redemptionToken", "redemptionCode", "orderInfo"}

# Members that VTEX documents as text or an object, and that it also sends as null; and numbers that are no integers.
WIDER = {"null", "integer", "number"}


@pytest.mark.parametrize("name", VTEX["calls"])
class TestAgainstTheDocumentOfVtex:
    def test_whatever_vtex_promises_to_be_answered_is_answered_with_that_type(self, name: str) -> None:
        ours = {member: (types, required) for member, types, required in members(answered(OPERATIONS[name])["schema"])}
        for member, theirs in VTEX["calls"][name]["answers"].items():
            types, _ = ours[member]
            # A description that was not sent is null; VTEX's Hub itself leaves it out of its example.
            assert types - {"null"} == {theirs["type"]}, member

    def test_whatever_vtex_requires_in_an_answer_is_always_there(self, name: str) -> None:
        always = {member for member, _, required in members(answered(OPERATIONS[name])["schema"]) if required}
        assert {member for member, theirs in VTEX["calls"][name]["answers"].items() if theirs["required"]} <= always

    def test_nothing_is_required_that_vtex_does_not_always_send(self, name: str) -> None:
        sent = {member for member, theirs in VTEX["calls"][name].get("takes", {}).items() if theirs["required"]}
        required = {member for member, _, needed in members(taken(OPERATIONS[name])["schema"]) if needed}
        assert required <= sent
        assert {member.partition(".")[0] for member in sent - required} <= LENIENT

    def test_what_vtex_sends_is_taken_with_its_type(self, name: str) -> None:
        ours = {member: types for member, types, _ in members(taken(OPERATIONS[name])["schema"])}
        for member, theirs in VTEX["calls"][name].get("takes", {}).items():
            types = {theirs["type"]} if isinstance(theirs["type"], str) else set(theirs["type"])
            # What is not described is not read.
            assert member not in ours or types - ours[member] <= {"integer"}, member
            assert member not in ours or ours[member] - types <= WIDER, member

    def test_the_media_type_of_vtex_is_one_of_those_that_are_taken(self, name: str) -> None:
        media_type = VTEX["calls"][name].get("media_type")
        assert media_type is None or media_type in OPERATIONS[name]["requestBody"]["content"]

    def test_the_headers_of_vtex_are_described(self, name: str) -> None:
        parameters = [resolved(parameter) for parameter in OPERATIONS[name]["parameters"]]
        headers = {parameter["name"] for parameter in parameters if parameter["in"] == "header"}
        # OpenAPI describes these two as media types.
        assert set(VTEX["calls"][name]["headers"]) - {"Content-Type", "Accept"} <= headers


def test_vtex_documents_the_same_calls() -> None:
    assert set(VTEX["calls"]) == set(OPERATIONS)


def test_the_credentials_are_those_of_vtex() -> None:
    schemes = document()["components"]["securitySchemes"]
    assert {name: [one["in"], one["name"]] for name, one in schemes.items()} == VTEX["security"]


def test_vtex_describes_no_errors_and_each_call_here_describes_its_own() -> None:
    assert {status for call in VTEX["calls"].values() for status in call["statuses"]} == {"200"}
    for operation in OPERATIONS.values():
        assert {"200", "401", "403", "404", "500", "503"} <= set(operation["responses"])


# What giftbridge answers beyond VTEX's document, because the Hub or the checkout reads it.
BEYOND = {
    "POST /giftcards/_search": {
        "[].caption",  # shown to the shopper
        "[].relationName",
        "[].emissionDate",
        "[].expiringDate",
        "[].redemptionCode",
        "[].transaction",
        "[].transaction.href",
    },
    # VTEX's own gift cards answer these, and its document has the second link under either name.
    "GET /giftcards/{card_id}": {"provider", "caption", "relationName", "transaction", "transaction.href"},
    # The code is told in this answer alone.
    "POST /giftcards": {
        "provider",
        "redemptionCode",
        "redemptionToken",
        "balance",
        "discount",
        "transaction",
        "transaction.href",
    },
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_answered_beyond_the_document_of_vtex_is_known(name: str) -> None:
    ours = {member for member, _, _ in members(answered(OPERATIONS[name])["schema"])}
    assert ours - set(VTEX["calls"][name]["answers"]) == BEYOND.get(name, set())

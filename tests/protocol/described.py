"""A client that holds every answer to the description of the protocol."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app.ledger.cards import CardService
from app.ledger.service import LedgerService
from app.protocol import openapi
from app.protocol.routes import NAME, OWN, create_blueprint
from app.settings import Settings
from providers.registry import Registry

Json = dict[str, Any]


@cache
def document() -> Json:
    """Return the description of the protocol."""
    application = Flask("described", static_folder=None)
    nobody: Any = None
    ledger: LedgerService = nobody
    cards: CardService = nobody
    application.register_blueprint(create_blueprint(Registry(()), ledger, cards, Settings()))
    return openapi.document(application.url_map.iter_rules())


def resolved(value: Json) -> Json:
    """Return what `value` refers to, or `value`."""
    while (reference := value.get("$ref")) is not None:
        value = document()
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]
    return value


@cache
def validator(schema: str) -> OAS31Validator:
    """Return what validates an answer: by the schema of the operation and status that `schema` names.

    A member that the description does not have is an error, too: whatever is answered is described.
    """
    operation_id, status = schema.split()
    response = resolved(operation(operation_id)["responses"][status])
    components = {"schemas": document()["components"]["schemas"]}
    described = response["content"]["application/json"]["schema"] | {"components": components}
    return OAS31Validator(_closed(described), format_checker=oas31_format_checker)


def operation(operation_id: str) -> Json:
    for operations in document()["paths"].values():
        for one in operations.values():
            if one["operationId"] == operation_id:
                found: Json = one
                return found
    raise LookupError(operation_id)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return closed | {"additionalProperties": False} if schema.get("type") == "object" else closed


def check(operation_id: str, response: TestResponse) -> None:
    """Hold an answer to what is described: its status, media type, headers and body."""
    status = str(response.status_code)
    answers = operation(operation_id)["responses"]
    assert status in answers, f"{operation_id} answered {status}, which is not described"
    described = resolved(answers[status])
    for name, header in described.get("headers", {}).items():
        sent = response.headers.get(name)
        assert sent is not None or name == "Retry-After", f"{operation_id} answered without {name}"
        assert sent is None or re.search(header["schema"].get("pattern", r"^\d+$"), sent), f"{name}: {sent}"
    if "content" not in described:
        assert (response.data, "Content-Type" in response.headers) == (b"", False), operation_id
        return
    assert response.mimetype == "application/json"
    validator(f"{operation_id} {status}").validate(response.get_json())


class DescribedClient(FlaskClient):
    """Validates every answer to one of the eleven calls; one that a test takes piece by piece is the test's."""

    def open(self, *arguments: Any, buffered: bool = True, **options: Any) -> TestResponse:
        response = super().open(*arguments, buffered=buffered, **options)
        if buffered and (called := _called(self.application, response)):
            check(called, response)
        return response


def _called(application: Flask, response: TestResponse) -> str | None:
    """Return the operation of the request that was answered; None where it is none of the protocol."""
    path = re.sub("/{2,}", "/", response.request.path)
    try:
        rule, _ = application.url_map.bind("localhost").match(path, response.request.method, return_rule=True)
    except HTTPException:
        return None
    blueprint, _, name = rule.endpoint.partition(".")
    return name if blueprint == NAME and not path.startswith(f"/{OWN}/") else None

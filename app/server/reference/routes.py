"""`/-/openapi.json` and `/-/openapi`: the description of the protocol, and the same as a page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request

Json = dict[str, Any]

# The page needs nothing but its style sheet, and no script.
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def create_blueprint() -> Blueprint:
    """Return the two routes. Each is made at its first request: few processes are ever asked for one."""
    blueprint = Blueprint("reference", __name__, template_folder="templates")

    @cache
    def document() -> Json:
        # Of no use to a call of the protocol, and slow to import.
        from app.protocol import openapi  # noqa: PLC0415

        return openapi.document(current_app.url_map.iter_rules())

    @cache
    def as_json() -> str:
        return json.dumps(document(), indent=1)

    @cache
    def as_page() -> str:
        def resolved(value: Json) -> Json:
            return _resolved(document(), value)

        return render_template(
            "openapi.html",
            document=document(),
            resolved=resolved,
            members=lambda schema: members(schema, resolved),
            kind=lambda schema: kind(schema, resolved),
            pretty=lambda value: json.dumps(value, indent=2),
        )

    @cache
    def style() -> str:
        return render_template("openapi.css")

    @blueprint.get("/-/openapi.json")
    def openapi_json() -> Response:
        return _cacheable(as_json(), "application/json")

    @blueprint.get("/-/openapi")
    def openapi_page() -> Response:
        return _cacheable(as_page(), "text/html")

    @blueprint.get("/-/openapi.css")
    def openapi_style() -> Response:
        return _cacheable(style(), "text/css")

    return blueprint


def members(schema: Json, resolved: Callable[[Json], Json], prefix: str = "") -> Iterator[tuple[str, Json, bool]]:
    """Yield (dotted name, its schema, whether it is required) of every member of an object, or of a list of objects."""
    schema = resolved(schema)
    if "items" in schema:
        schema, prefix = resolved(schema["items"]), f"{prefix.removesuffix('.')}[]." if prefix else ""
    for name, member in schema.get("properties", {}).items():
        described = resolved(member)
        yield prefix + name, described, name in schema.get("required", ())
        yield from members(described, resolved, f"{prefix}{name}.")


def kind(schema: Json, resolved: Callable[[Json], Json]) -> str:
    """Return the type of a value in words, with its limits."""
    schema = resolved(schema)
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"]).lower()
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    words = " or ".join("date and time" if schema.get("format") == "date-time" else one for one in types)
    if schema.get("maxLength"):
        words += f", up to {schema['maxLength']} characters"
    if schema.get("exclusiveMinimum") == 0:
        words += " above 0"
    return words


def _resolved(document: Json, value: Json) -> Json:
    """Return what `value` refers to, with what it says beside the reference; or `value`."""
    reference = value.get("$ref")
    if reference is None:
        return value
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found | {name: member for name, member in value.items() if name != "$ref"}


def _cacheable(text: str, mimetype: str) -> Response:
    response = Response(text, mimetype=mimetype)
    response.set_etag(hashlib.sha256(text.encode()).hexdigest())
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.make_conditional(request)
    return response

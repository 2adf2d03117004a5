"""The tables that repeat the code say what the code says."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from flask import Flask

from app.protocol import errors
from app.protocol.routes import create_blueprint
from app.settings import FILE, Settings, is_secret, variable
from mappers.capabilities import BUILT_IN, describe
from providers.registry import KEYS, Registry
from tests.docs.documents import document, documents
from tests.docs.tables import TABLES


@pytest.mark.parametrize(("name", "mark"), TABLES)
def test_a_table_is_what_the_code_makes(name: str, mark: str) -> None:
    made = TABLES[name, mark]()
    assert document(name).between(mark) == made, f"run `make tables`; {name} should have\n{made}"


def test_every_mark_belongs_to_a_table() -> None:
    marks = {(page.name, mark) for page in documents() for mark in re.findall(r"^<!-- (\w+) -->$", page.text, re.M)}
    assert marks == set(TABLES)


def test_every_setting_that_a_document_names_exists() -> None:
    known = {variable(name) for name in Settings.__dataclass_fields__} | {"GIFTBRIDGE_HUB_URL"}
    known |= {f"{variable(setting.name)}{FILE}" for setting in fields(Settings) if is_secret(setting)}
    for page in documents():
        if page.name != "CHANGELOG.md":
            assert set(re.findall(r"\bGIFTBRIDGE_[A-Z_]*[A-Z]\b", page.text)) <= known, page.name


def test_the_table_of_errors_has_every_code_under_its_status_and_no_other() -> None:
    rows = document("docs/troubleshooting.md").rows("status", "code")
    listed = {(int(status), code) for row in rows for status in re.findall(r"\d+", row[0]) for code in codes(row[1])}
    from_http = {(404, "NotFound"), (405, "MethodNotAllowed"), (500, "InternalError"), (413, "BodyTooLarge")}
    assert listed == set(errors.STATUSES.values()) | from_http


def codes(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_table_of_calls_has_every_route_and_no_other() -> None:
    app = Flask("documents", static_folder=None)
    app.register_blueprint(create_blueprint(Registry(()), None, None, Settings()))  # type: ignore[arg-type]
    routes = {
        (method, rule.rule.removeprefix("/<provider_id>").replace("_id>", ">"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    listed = [(row[0], row[1].strip("`")) for row in document("docs/protocol.md").rows("method", "path")]
    assert len(listed) == 11
    assert set(listed) == routes


def test_the_page_of_the_providers_file_has_every_key() -> None:
    page = document("docs/providers.md")
    listed = {row[0].strip("`") for row in page.rows("key")}
    assert {key for keys in KEYS.values() for key in keys} <= listed


def test_every_built_in_mapper_has_a_page() -> None:
    pages = {page.name for page in documents()}
    for described in describe():
        assert described.guide in pages or described.origin != BUILT_IN, described.name

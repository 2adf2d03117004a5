"""`providers check`: what is found out about one provider, and what the admin is told to do."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from flask import Flask, Response, jsonify, redirect, request

from app.admin.providers.checks import Check, check_provider
from app.admin.providers.provider_file import Pair, ProviderFile
from app.ledger.errors import LedgerUnavailable
from mappers.base import BackendUnavailable, Secret
from mappers.memory.mapper import Memory
from mappers.sandbox import create_sandbox, running
from tests.admin.conftest import Service

NAMES = [
    "configuration",
    "backend",
    "redis",
    "redis clock",
    "address",
    "reachability",
    "credentials missing",
    "credentials wrong",
    "credentials right",
    "double slash",
    "clock",
]


class Storage:
    """A Redis that is as told."""

    def __init__(self, complaints: tuple[str, ...] = (), ahead_seconds: float = 0, *, down: bool = False) -> None:
        self._complaints = list(complaints)
        self._ahead_seconds = ahead_seconds
        self._down = down

    def complaints(self) -> list[str]:
        if self._down:
            raise LedgerUnavailable("Redis cannot be reached: try again")
        return self._complaints

    def now_milliseconds(self) -> int:
        return int((time.time() + self._ahead_seconds) * 1000)


def checks(service: Any, **more: Any) -> dict[str, Check]:
    return {check.name: check for check in check_provider(service.file, "acme", **{"redis": Storage(), **more})}


def test_all_is_well(service: Service) -> None:
    found = checks(service)
    assert list(found) == NAMES
    assert [check for check in found.values() if not check.ok] == []


def test_every_failure_has_a_remedy(service: Service) -> None:
    service.file.set_service_url("acme", "http://127.0.0.1:9/acme")
    failed = [check for check in checks(service, redis=Storage(("it forgets: mend it",), 60)).values() if not check.ok]
    assert len(failed) == 3
    assert all(check.problem and check.remedy for check in failed)


def test_no_secret_is_told(service: Service) -> None:
    assert "first-token" not in f"{checks(service)}"


def test_a_wrong_file_is_all_there_is_to_say(service: Service) -> None:
    service.file.path.write_text(service.file.path.read_text().replace("BRL", "XX"))
    (found,) = check_provider(service.file, "acme")
    assert "currency" in found.problem
    assert found.ok is False


def test_an_unknown_provider_is_told(service: Service) -> None:
    (found,) = check_provider(service.file, "nobody")
    assert found.ok is False


def test_a_backend_that_refuses_us_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def ping(*_: Any) -> None:
        raise BackendUnavailable("the backend refuses the api key")

    monkeypatch.setattr(Memory, "ping", ping)
    assert checks(service)["backend"].problem == "the backend refuses the api key"


def test_a_redis_that_forgets_is_told_with_its_remedy(service: Service) -> None:
    found = checks(service, redis=Storage(("it keeps no append-only file: set appendonly yes",)))["redis"]
    assert (found.ok, found.remedy) == (False, "set appendonly yes")


def test_a_redis_that_is_down_is_told(service: Service) -> None:
    assert checks(service, redis=Storage(down=True))["redis"].ok is False


@pytest.mark.parametrize(("ahead", "words"), [(60, "60 s ahead"), (-3600, "3600 s behind")])
def test_a_redis_in_another_time_is_told(service: Service, ahead: int, words: str) -> None:
    found = checks(service, redis=Storage(ahead_seconds=ahead))["redis clock"]
    assert not found.ok
    assert words in found.problem
    assert ("nothing is expired" in found.problem) == (abs(ahead) > 300)


def test_an_address_is_needed(file: ProviderFile) -> None:
    found = {check.name: check for check in check_provider(file, "acme")}
    assert found["address"].ok is False
    assert "reachability" not in found


def test_the_address_ends_with_the_id(service: Service) -> None:
    service.file.set_service_url("acme", f"{service.url}/other")
    assert "does not end with /acme" in checks(service)["address"].problem


def test_a_service_that_is_not_there_is_told(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    service.file.set_service_url("acme", f"http://127.0.0.1:{port}/acme")
    assert "refused" in checks(service)["reachability"].problem


def test_an_address_inside_ones_own_network_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def private(host: str, port: Any, *more: Any, **named: Any) -> Any:
        return [(2, 1, 6, "", ("10.1.2.3", 0))] if port is None else real(host, port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", private)
    assert "own network" in checks(service)["reachability"].problem


def test_without_a_token_the_right_credentials_are_not_tried(service: Service) -> None:
    text = service.file.path.read_text()
    pair = service.file.add_credentials("acme")
    service.file.remove_credentials("acme", "first-key")
    assert checks(service)["credentials right"].ok is None
    assert checks(service, pair=pair)["credentials right"].ok
    service.file.path.write_text(text)


def test_a_token_that_is_turned_away_is_told(service: Service) -> None:
    found = checks(service, pair=Pair("first-key", Secret("another")))["credentials right"]
    assert "turned away with 403" in found.problem


def test_a_service_whose_backend_is_down_lets_the_pair_in(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*_: Any) -> None:
        raise BackendUnavailable("down")

    monkeypatch.setattr(Memory, "find", find)
    assert "let in, but the backend" in checks(service)["credentials right"].problem


# What may stand between VTEX and the service.


@pytest.fixture
def proxy(service: Service) -> Iterator[Flask]:
    """Something at the provider's address that turns everybody away as it should, until a test spoils it."""
    app = create_sandbox("proxy")
    app.url_map.merge_slashes = False

    @app.post("/acme/giftcards/_search")
    @app.post("/acme//giftcards/_search")
    def search() -> Any:
        key, token = (request.headers.get(f"X-PROVIDER-API-App{name}") for name in ("Key", "Token"))
        if (key, token) == ("first-key", "first-token"):
            return jsonify([])
        return Response(status=403 if key else 401)

    with running(app) as sandbox:
        service.file.set_service_url("acme", f"{sandbox.url}/acme")
        yield app


def test_a_proxy_that_keeps_the_rules_is_fine(service: Service, proxy: Flask) -> None:
    assert [check for check in checks(service).values() if not check.ok] == []


def test_a_proxy_that_lets_everybody_in_is_told(service: Service, proxy: Flask) -> None:
    proxy.before_request(lambda: jsonify([]))
    found = checks(service)
    assert "cancels every payment" in found["credentials missing"].problem
    assert "cancels every payment" in found["credentials wrong"].problem


def test_a_proxy_that_adds_a_body_is_told(service: Service, proxy: Flask) -> None:
    @proxy.after_request
    def page(response: Response) -> Response:
        if response.status_code == 401:
            response.set_data("<h1>Unauthorized</h1>")
        return response

    assert "with a body" in checks(service)["credentials missing"].problem


def test_a_proxy_with_another_answer_is_told(service: Service, proxy: Flask) -> None:
    proxy.before_request(lambda: Response(status=404))
    assert "404 instead of 401" in checks(service)["credentials missing"].problem


def test_a_proxy_that_redirects_double_slashes_is_told(service: Service, proxy: Flask) -> None:
    @proxy.before_request
    def tidy() -> Any:
        return redirect("/acme/giftcards/_search", 308) if "//" in request.path else None

    found = checks(service)["double slash"]
    assert "308" in found.problem
    assert "without redirects" in found.remedy


def test_a_service_in_another_time_is_told(service: Service, proxy: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    late = formatdate(time.time() - 7200, usegmt=True)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: late)
    assert re.search(r"720\d s behind", checks(service)["clock"].problem)

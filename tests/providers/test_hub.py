"""The Gift Card Hub client, and the sandbox it is tried against: real HTTP between the two."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from flask import Response, jsonify, request
from structlog.testing import capture_logs

import providers.hub.sandbox_model
from mappers.sandbox import Sandbox, create_sandbox, running
from providers.hub import sandbox as hub_sandbox
from providers.hub.client import (
    EDIT,
    NATIVE,
    VIEW,
    GiftCardHub,
    HubMisconfigured,
    HubRefused,
    HubUnavailable,
    Registration,
)
from providers.hub.sandbox_model import Account
from tests.mappers.servers import answering, serving

ACME = Registration.of("acme", "http://127.0.0.1:9/acme", "Acme", "acme-key", "acme-secret-token")
PROVIDERS = "giftcardproviders"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(hub_sandbox.create_app()) as sandbox:
        yield sandbox


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    answer: Account = sandbox.app.extensions["backend"].account("store")
    return answer


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def hub(sandbox: Sandbox, pauses: list[float]) -> GiftCardHub:
    return connect(sandbox, pause=pauses.append)


def connect(
    sandbox: Sandbox, key: str = hub_sandbox.APP_KEY, token: str = hub_sandbox.APP_TOKEN, **more: Any
) -> GiftCardHub:
    return GiftCardHub(f"{sandbox.url}/{{account}}", "store", key, token, **more)


def registered(hub: GiftCardHub) -> list[str]:
    return [registration.id for registration in hub.list()]


# What the sandbox does, as the contract says.


def test_an_account_starts_with_the_native_provider(hub: GiftCardHub) -> None:
    assert registered(hub) == [NATIVE]


def test_the_first_put_overwrites_the_native_provider(hub: GiftCardHub) -> None:
    hub.put(ACME)
    assert registered(hub) == ["acme"]


def test_the_first_put_does_not_overwrite_a_native_provider_saved_before(hub: GiftCardHub) -> None:
    (native,) = hub.list()
    hub.put(native)
    hub.put(ACME)
    assert registered(hub) == [NATIVE, "acme"]
    assert hub.get(NATIVE) == native


def test_accounts_are_apart(hub: GiftCardHub, sandbox: Sandbox) -> None:
    hub.put(ACME)
    other = GiftCardHub(f"{sandbox.url}/{{account}}", "other", hub_sandbox.APP_KEY, hub_sandbox.APP_TOKEN)
    assert registered(other) == [NATIVE]


def test_the_hub_shows_neither_key_nor_token(hub: GiftCardHub) -> None:
    hub.put(ACME)
    found = hub.get("acme")
    assert found is not None
    assert not {"appKey", "appToken"} & set(found.fields)


def test_unknown_ids_are_answered_with_500(sandbox: Sandbox) -> None:
    keys = {"X-VTEX-API-AppKey": hub_sandbox.APP_KEY, "X-VTEX-API-AppToken": hub_sandbox.APP_TOKEN}
    assert requests.get(f"{sandbox.url}/api/{PROVIDERS}/nobody", headers=keys, timeout=5).status_code == 500


# The client.


def test_what_is_put_is_sent_as_the_protocol_says(hub: GiftCardHub, sandbox: Sandbox) -> None:
    hub.put(ACME)
    sent = sandbox.requests[-1]
    assert (sent.method, sent.path) == ("PUT", f"/store/api/{PROVIDERS}/acme")
    assert sent.body == {
        "id": "acme",
        "serviceUrl": "http://127.0.0.1:9/acme",
        "oauthProvider": "vtex",
        "preAuthEnabled": True,
        "cancelEnabled": True,
        "appKey": "acme-key",
        "appToken": "acme-secret-token",
        "caption": "Acme",
    }


def test_an_unknown_provider_is_none(hub: GiftCardHub) -> None:
    assert hub.get("acme") is None


def test_a_provider_whose_own_page_fails_is_taken_from_the_list(hub: GiftCardHub, sandbox: Sandbox) -> None:
    hub.put(ACME)
    sandbox.faults.add("status", method="GET", path=f"{PROVIDERS}/acme", status=500)
    found = hub.get("acme")
    assert found is not None
    assert found.service_url == "http://127.0.0.1:9/acme"


def test_a_removed_provider_is_gone_and_may_be_removed_again(hub: GiftCardHub) -> None:
    hub.put(ACME)
    hub.delete("acme")
    hub.delete("acme")
    assert registered(hub) == []


def test_removing_is_repeated_after_a_failure(hub: GiftCardHub, sandbox: Sandbox) -> None:
    hub.put(ACME)
    sandbox.faults.add("status", method="DELETE", status=500)
    hub.delete("acme")
    assert registered(hub) == []


def test_a_list_longer_than_a_page_comes_whole(hub: GiftCardHub, sandbox: Sandbox, account: Account) -> None:
    everything = [{"id": f"p{number:03d}"} for number in range(120)]

    @sandbox.app.before_request
    def page() -> Response | None:
        if request.method == "GET" and request.path.endswith(PROVIDERS):
            first, _, last = request.headers["REST-Range"].removeprefix("resources=").partition("-")
            return jsonify(everything[int(first) : int(last) + 1])
        return None

    assert registered(hub) == [row["id"] for row in everything]


def test_a_hub_that_ignores_pages_is_not_asked_for_ever(hub: GiftCardHub, sandbox: Sandbox) -> None:
    everything = [{"id": f"p{number:03d}"} for number in range(60)]
    sandbox.app.before_request(lambda: jsonify(everything))
    assert registered(hub) == [row["id"] for row in everything]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize(("method", "act"), [("GET", lambda hub: hub.list()), ("PUT", lambda hub: hub.put(ACME))])
def test_passing_failures_are_retried(
    hub: GiftCardHub, sandbox: Sandbox, pauses: list[Any], status: int, method: str, act: Callable[..., Any]
) -> None:
    sandbox.faults.add("status", method=method, status=status, times=2)
    act(hub)
    assert pauses == [0.5, 1.0]


def test_a_lost_answer_is_asked_for_again(hub: GiftCardHub, sandbox: Sandbox) -> None:
    sandbox.faults.add("drop_after", method="PUT")
    hub.put(ACME)
    assert registered(hub) == ["acme"]


def test_a_retry_after_is_honored(hub: GiftCardHub, sandbox: Sandbox, pauses: list[Any]) -> None:
    sandbox.faults.add("status", status=429, headers={"Retry-After": "7"})
    hub.list()
    assert pauses == [7.0]


def test_a_retry_after_beyond_the_time_there_is_ends_the_call(
    hub: GiftCardHub, sandbox: Sandbox, pauses: list[Any]
) -> None:
    sandbox.faults.add("status", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(HubUnavailable, match="try again in 3600 s"):
        hub.list()
    assert pauses == []


def test_retries_end(hub: GiftCardHub, sandbox: Sandbox, pauses: list[Any]) -> None:
    sandbox.faults.add("status", status=503, times=99)
    with pytest.raises(HubUnavailable, match="status 503"):
        hub.list()
    assert len(pauses) == 4


def test_a_dripping_hub_does_not_hold_the_call_beyond_its_time(sandbox: Sandbox) -> None:
    sandbox.faults.add("slow_body", seconds=0.05, times=99)
    hub = connect(sandbox, call_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(HubUnavailable):
        hub.list()
    assert time.monotonic() - started < 3


def test_a_put_that_may_have_been_done_says_so(hub: GiftCardHub, sandbox: Sandbox) -> None:
    sandbox.faults.add("drop_after", method="PUT", times=99)
    with pytest.raises(HubUnavailable) as caught:
        hub.put(ACME)
    assert caught.value.maybe_done


def test_a_refused_put_was_certainly_not_done(hub: GiftCardHub, sandbox: Sandbox) -> None:
    sandbox.faults.add("status", method="PUT", status=400)
    with pytest.raises(HubRefused) as caught:
        hub.put(ACME)
    assert not caught.value.maybe_done


def test_a_put_refused_after_a_lost_answer_may_have_been_done(hub: GiftCardHub, sandbox: Sandbox) -> None:
    sandbox.faults.add("drop_after", method="PUT")
    sandbox.faults.add("status", method="PUT", status=403)
    with pytest.raises(HubRefused) as caught:
        hub.put(ACME)
    assert caught.value.maybe_done


@pytest.mark.parametrize("status", [401, 403, 400])
def test_refusals_are_not_retried(hub: GiftCardHub, sandbox: Sandbox, pauses: list[Any], status: int) -> None:
    sandbox.faults.add("status", status=status)
    with pytest.raises(HubRefused):
        hub.list()
    assert pauses == []


def test_wrong_keys_are_explained(sandbox: Sandbox) -> None:
    with pytest.raises(HubRefused, match=r"VTEX_APP_KEY and VTEX_APP_TOKEN must be an active .* account store"):
        connect(sandbox, token="wrong").list()


@pytest.mark.parametrize(
    ("missing", "act"),
    [(VIEW, lambda hub: hub.list()), (EDIT, lambda hub: hub.put(ACME)), (EDIT, lambda hub: hub.delete("acme"))],
)
def test_a_missing_permission_is_named(
    hub: GiftCardHub, sandbox: Sandbox, missing: str, act: Callable[..., Any]
) -> None:
    sandbox.app.extensions["backend"].resources.remove(missing)
    with pytest.raises(HubRefused, match=f'License Manager resource "{missing}"'):
        act(hub)


@pytest.mark.parametrize(("key", "token", "named"), [("", "t", "VTEX_APP_KEY"), ("k", None, "VTEX_APP_TOKEN")])
def test_a_missing_key_is_named(key: str, token: str | None, named: str) -> None:
    with pytest.raises(HubMisconfigured, match=f"{named} is not set"):
        GiftCardHub("https://{account}.example.com", "store", key, token)


@pytest.mark.parametrize("account", ["", "a/b", "store.evil.example.com", "store@evil", "-x"])
def test_an_account_is_a_name_and_nothing_else(account: str) -> None:
    with pytest.raises(HubMisconfigured, match="the account must be"):
        GiftCardHub("https://{account}.example.com", account, "k", "t")


@pytest.mark.parametrize("address", ["http://{account}.example.com", "ftp://x", "{account}", "https://u:p@x"])
def test_keys_go_nowhere_in_the_clear(address: str) -> None:
    with pytest.raises(HubMisconfigured, match="GIFTBRIDGE_HUB_URL"):
        GiftCardHub(address, "store", "k", "t")


def test_a_certificate_of_somebody_else_gets_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(answering(body=b"[]"), context) as server:
        with pytest.raises(HubUnavailable, match="certificate verify failed"):
            GiftCardHub(server.url, "store", "k", "t", pause=lambda _: None).list()
        assert server.requests == []
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert GiftCardHub(server.url, "store", "k", "t").list() == ()


def test_redirects_are_not_followed(hub: GiftCardHub, sandbox: Sandbox) -> None:
    sandbox.faults.add("status", status=302, headers={"Location": f"{sandbox.url}/elsewhere"})
    with pytest.raises(HubRefused, match="redirect"):
        hub.list()
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("body", ["<html>", "{}", '[{"id": 1}]', '["x"]'])
def test_answers_of_something_else_are_not_believed(hub: GiftCardHub, sandbox: Sandbox, body: str) -> None:
    sandbox.faults.add("status", status=200, body=body)
    with pytest.raises(HubUnavailable, match="something else"):
        hub.list()


def test_secrets_stay_out_of_errors_logs_and_reprs(
    hub: GiftCardHub, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    echo = f"{hub_sandbox.APP_TOKEN} {hub_sandbox.APP_KEY} acme-secret-token because"
    sandbox.faults.add("status", method="PUT", status=400, body=echo)
    with capture_logs() as logs, pytest.raises(HubRefused, match="because") as caught:
        hub.put(ACME)
    seen = f"{caught.value} {caught.value!r} {hub!r} {ACME!r} {ACME.fields['appToken']!r} {caplog.text} {logs}"
    assert hub_sandbox.APP_TOKEN not in seen
    assert "acme-secret-token" not in seen


# The sandbox as the Hub at work, with a provider that does as told.


class Provider:
    """A provider of one card, as careless as the test wants it."""

    def __init__(self) -> None:
        self.app = create_sandbox("provider")
        self.guard: Callable[[str | None, str | None], int] = lambda key, token: 401 if not token else 403
        self.moves: dict[str, list[dict[str, Any]]] = {"settlements": [], "cancellations": []}
        self.headers: list[dict[str, str]] = []
        rules = "/acme//giftcards"
        self.app.url_map.merge_slashes = False
        self.app.before_request(self.enter)
        self.app.add_url_rule(f"{rules}/_search", "search", lambda: jsonify([{"id": "card"}]), methods=["POST"])
        self.app.add_url_rule(f"{rules}/card", "card", lambda: jsonify(redemptionCode="****", balance=100))
        self.app.add_url_rule(
            f"{rules}/card/transactions", "pay", lambda: jsonify(id="t", cardId="card"), methods=["POST"]
        )
        self.app.add_url_rule(f"{rules}/card/transactions/t/<kind>", "moves", self.move, methods=["GET", "POST"])

    def enter(self) -> Any:
        self.headers.append(dict(request.headers))
        key, token = (request.headers.get(f"X-PROVIDER-API-App{name}") for name in ("Key", "Token"))
        if (key, token) == ("acme-key", "acme-secret-token") or request.path.startswith("/_sandbox"):
            return None
        status = self.guard(key, token)
        return None if status == 200 else ("", status)

    def move(self, kind: str) -> Any:
        if request.method == "GET":
            return jsonify(self.moves[kind])
        self.moves[kind].append({"oid": "o", "value": request.get_json()["value"]})
        return jsonify(self.moves[kind][-1])


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def acme(provider: Provider, hub: GiftCardHub) -> Iterator[Sandbox]:
    with running(provider.app) as service:
        hub.put(Registration({**ACME.fields, "serviceUrl": f"{service.url}/acme"}))
        yield service


def test_registering_brings_probes_with_bad_credentials(acme: Sandbox, account: Account) -> None:
    assert [(probe.what, probe.status, probe.empty) for probe in account.probes] == [
        ("missing", 401, True),
        ("wrong", 403, True),
    ]


def test_the_hub_doubles_the_slash_and_sends_its_headers(acme: Sandbox, account: Account, provider: Provider) -> None:
    assert account.search("acme", "CODE-1").body == [{"id": "card"}]
    assert acme.requests[-1].path == "/acme//giftcards/_search"
    sent = provider.headers[-1]
    assert sent["Accept"] == sent["Content-Type"] == "application/vnd.vtex.giftcards.v1+json"
    assert sent["X-Vtex-Operation-Id"]


def test_a_provider_that_lets_anybody_in_has_its_payments_canceled(
    acme: Sandbox, account: Account, provider: Provider
) -> None:
    provider.guard = lambda key, token: 200
    account.probe("acme")
    paid = account.pay("acme", "card", Decimal(10))
    assert paid.canceled
    assert provider.moves["cancellations"] == [{"oid": "o", "value": 10}]


def test_the_hub_settles_what_the_list_lacks(acme: Sandbox, account: Account, provider: Provider) -> None:
    provider.moves["settlements"].append({"oid": "lost answer", "value": 30})
    account.settle("acme", "card", "t", Decimal(40))
    assert [move["value"] for move in provider.moves["settlements"]] == [30, 10]


def test_the_hub_swallows_a_second_refund_equal_to_the_earlier_ones(
    acme: Sandbox, account: Account, provider: Provider
) -> None:
    assert account.refund("acme", "card", "t", Decimal(10)).posted
    swallowed = account.refund("acme", "card", "t", Decimal(10))
    assert (swallowed.status, swallowed.posted) == (200, False)
    assert account.refund("acme", "card", "t", Decimal(5)).posted


def test_a_call_over_the_limit_is_cut_and_shown_as_401(
    acme: Sandbox, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers.hub.sandbox_model, "HUB_SECONDS", 0.3)
    acme.faults.add("delay_before", seconds=5)
    assert account.search("acme", "CODE-1").status == 401


def test_the_hub_acts_on_request_of_a_person_at_a_terminal(acme: Sandbox, sandbox: Sandbox) -> None:
    def act(name: str, **wanted: Any) -> Any:
        return requests.post(f"{sandbox.url}/_sandbox/hub/store/acme/{name}", json=wanted, timeout=5).json()

    assert act("probe")["body"] == {"missing": 401, "wrong": 403}
    assert act("search", code="CODE-1")["body"] == [{"id": "card"}]
    assert act("pay", card="card", value="12.50")["body"]["id"] == "t"
    assert act("settle", card="card", transaction="t", value=12.5)["posted"]
    assert act("settlements", card="card", transaction="t")["body"] == [{"oid": "o", "value": 12.5}]
    assert act("refund", card="card", transaction="t", value=12.5)["posted"]

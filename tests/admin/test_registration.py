"""Registering with the Gift Card Hub: the plan, the steps, and what happens when it is cut off."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from app.admin.providers import probe, registration
from app.admin.providers.credentials import InUse, revoke
from app.admin.providers.plans import Change, RegistrationFailed, Step, plan_registration, plan_removal
from app.admin.providers.probe import NotAccepted, Patience
from app.admin.providers.provider_file import ProviderFile
from app.admin.providers.registration import QUIET, Registered, open_hub, register, unregister
from mappers.sandbox import Sandbox
from providers.hub import sandbox as hub_sandbox
from providers.hub.client import NATIVE, GiftCardHub, HubMisconfigured, HubRefused, HubUnavailable
from providers.hub.sandbox_model import Account
from tests.admin.conftest import FIRST, HOPELESS, IMPATIENT, Service

NATIVE_FIELDS = {
    "id": NATIVE,
    "serviceUrl": "http://api.vtex.com/store",
    "oauthProvider": "vtex",
    "preAuthEnabled": True,
    "cancelEnabled": True,
}


class Killed(BaseException):
    """Stands for the end of the process."""


def run(service: Service, hub: GiftCardHub, token: str | None = None, **more: Any) -> Registered:
    plan = plan_registration(hub, service.file, "acme", app_token=token)
    return register(plan, hub, service.file, **{"patience": IMPATIENT, **more})


def accepted(service: Service, app_key: str, app_token: str) -> bool:
    headers = {"X-PROVIDER-API-AppKey": app_key, "X-PROVIDER-API-AppToken": app_token}
    body: dict[str, Any] = {"client": {}, "cart": {}}
    return (
        requests.post(f"{service.url}/acme/giftcards/_search", json=body, headers=headers, timeout=5).status_code == 200
    )


def assert_the_store_works(service: Service, account: Account) -> None:
    """The native provider is as it was; ours is not there, or there with credentials that the service accepts."""
    assert account.registered[NATIVE] == NATIVE_FIELDS
    service.file.registry()
    assert accepted(service, FIRST.app_key, FIRST.app_token)
    if ours := account.registered.get("acme"):
        assert accepted(service, ours["appKey"], ours["appToken"])
        assert ours["serviceUrl"] == f"{service.url}/acme"


# The plan.


def test_a_plan_shows_before_and_after(service: Service, hub: GiftCardHub) -> None:
    plan = plan_registration(hub, service.file, "acme")
    assert plan.changes == (
        Change("acme", "id", None, "acme"),
        Change("acme", "serviceUrl", None, f"{service.url}/acme"),
        Change("acme", "oauthProvider", None, "vtex"),
        Change("acme", "preAuthEnabled", None, "true"),
        Change("acme", "cancelEnabled", None, "true"),
        Change("acme", "appKey", None, "(made now)"),
        Change("acme", "appToken", None, "(the token, shown to nobody)"),
        Change("acme", "caption", None, "Acme gift cards"),
    )


def test_a_plan_names_its_steps(service: Service, hub: GiftCardHub) -> None:
    assert plan_registration(hub, service.file, "acme").steps == (
        Step.READ, Step.INSTALL, Step.ACCEPT, Step.PROTECT, Step.PUT, Step.VERIFY, Step.RECORD, Step.TIDY,
    )  # fmt: skip


def test_a_plan_does_nothing(service: Service, hub: GiftCardHub, hub_server: Sandbox) -> None:
    before = service.file.path.read_text()
    plan_registration(hub, service.file, "acme")
    assert service.file.path.read_text() == before
    assert [request.method for request in hub_server.requests] == ["GET"]


def test_the_steps_that_happen_are_those_of_the_plan(service: Service, hub: GiftCardHub) -> None:
    plan = plan_registration(hub, service.file, "acme")
    seen: list[Step] = []
    register(plan, hub, service.file, progress=seen.append, patience=IMPATIENT)
    assert tuple(seen) == plan.steps


def test_a_token_is_known_by_its_digest_and_not_shown(service: Service, hub: GiftCardHub) -> None:
    plan = plan_registration(hub, service.file, "acme", app_token="first-token")
    assert Change("acme", "appKey", None, "first-key") in plan.changes
    assert "first-token" not in f"{plan!r}"


def test_a_token_of_no_pair_is_refused(service: Service, hub: GiftCardHub) -> None:
    with pytest.raises(RegistrationFailed, match="not the token of any pair of acme"):
        plan_registration(hub, service.file, "acme", app_token="guess")


def test_an_address_is_needed(file: ProviderFile, hub: GiftCardHub) -> None:
    with pytest.raises(RegistrationFailed, match="--service-url"):
        plan_registration(hub, file, "acme")


def test_a_missing_native_provider_is_told(service: Service, hub: GiftCardHub, account: Account) -> None:
    account.registered = {"elsewhere": {"id": "elsewhere"}}
    assert NATIVE in plan_registration(hub, service.file, "acme").warnings[0]


def test_another_address_of_ours_is_told(service: Service, hub: GiftCardHub, account: Account) -> None:
    account.registered["acme"] = {"id": "acme", "serviceUrl": "https://elsewhere.example.com/acme"}
    assert "another address" in plan_registration(hub, service.file, "acme").warnings[0]


def test_a_plan_that_is_outdated_is_not_carried_out(service: Service, hub: GiftCardHub, account: Account) -> None:
    plan = plan_registration(hub, service.file, "acme")
    account.registered["surprise"] = {"id": "surprise"}
    with pytest.raises(RegistrationFailed, match="have changed meanwhile"):
        register(plan, hub, service.file, patience=IMPATIENT)
    assert set(account.registered) == {NATIVE, "surprise"}


# Registering.


def test_registering_leaves_the_hub_with_a_pair_that_works(
    service: Service, hub: GiftCardHub, account: Account
) -> None:
    done = run(service, hub)
    assert account.registered["acme"]["appKey"] == done.app_key
    assert done.fresh
    assert done.others == ("first-key",)
    assert_the_store_works(service, account)


def test_a_given_token_is_registered_and_no_pair_is_made(service: Service, hub: GiftCardHub, account: Account) -> None:
    done = run(service, hub, "first-token")
    assert done == Registered("first-key", False, (), (), ())
    assert [pair.app_key for pair in service.file.installed("acme")] == ["first-key"]
    assert_the_store_works(service, account)


def test_the_native_provider_is_saved_first(
    service: Service, hub: GiftCardHub, account: Account, hub_server: Sandbox
) -> None:
    run(service, hub)
    puts = [request.path.rpartition("/")[2] for request in hub_server.requests if request.method == "PUT"]
    assert puts == [NATIVE, "acme"]
    assert account.registered[NATIVE] == NATIVE_FIELDS


def test_a_native_provider_that_is_lost_all_the_same_is_put_back(
    service: Service, hub: GiftCardHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "to_protect", lambda _: None)
    run(service, hub)
    assert_the_store_works(service, account)


def test_an_account_with_other_providers_gets_ours_and_nothing_else(
    service: Service, hub: GiftCardHub, account: Account, hub_server: Sandbox
) -> None:
    other = {"id": "other", "serviceUrl": "http://127.0.0.1:9/other"}
    account.registered["other"] = dict(other)
    account.ever_saved = True
    run(service, hub)
    assert account.registered["other"] == other
    assert [request.method for request in hub_server.requests].count("PUT") == 1


def test_registering_again_gives_the_hub_a_newer_pair(service: Service, hub: GiftCardHub, account: Account) -> None:
    first = run(service, hub)
    second = run(service, hub)
    assert account.registered["acme"]["appKey"] == second.app_key
    assert second.others == ("first-key", first.app_key)
    assert_the_store_works(service, account)


def test_the_pair_the_hub_has_is_noted(service: Service, hub: GiftCardHub) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    done = run(service, hub, now=lambda: moment)
    [pair] = [one for one in tomllib.loads(service.file.path.read_text())["acme"]["credentials"] if len(one) > 2]
    assert (pair["app_key"], pair["registered"], "pending" in pair) == (done.app_key, {"store": moment}, False)


def test_a_pair_registered_with_two_stores_is_kept_with_both(
    service: Service, hub: GiftCardHub, hub_server: Sandbox
) -> None:
    run(service, hub, "first-token")
    address = f"{hub_server.url}/{{account}}"
    run(service, GiftCardHub(address, "second", hub_sandbox.APP_KEY, hub_sandbox.APP_TOKEN), "first-token")
    [pair] = service.file.installed("acme")
    assert set(pair.registered) == {"store", "second"}
    with pytest.raises(InUse, match="store, second is registered with first-key"):
        revoke(service.file, "acme", "first-key", even_if_used=False)


def test_a_comment_somebody_wrote_stays(service: Service, hub: GiftCardHub) -> None:
    run(service, hub, "first-token")
    assert '"first-key"  # made by hand' in service.file.path.read_text()


def test_an_address_given_is_kept(service: Service, hub: GiftCardHub, account: Account) -> None:
    service.file.set_service_url("acme", "https://gift.example.com/acme")
    plan = plan_registration(hub, service.file, "acme", service_url=f"{service.url}/acme")
    register(plan, hub, service.file, patience=IMPATIENT)
    served = service.file.registry().get("acme")
    assert served is not None
    assert served.service_url == f"{service.url}/acme"
    assert_the_store_works(service, account)


def test_no_secret_shows(
    service: Service,
    hub: GiftCardHub,
    account: Account,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    with capture_logs() as logs:
        done = run(service, hub)
    token = account.registered["acme"]["appToken"]
    out, err = capfd.readouterr()
    assert token not in f"{done!r} {logs} {caplog.text} {out} {err} {service.file.path.read_text()}"


# What is not accepted is not registered.


def test_a_service_that_reads_another_file_is_not_registered(
    service: Service, hub: GiftCardHub, account: Account, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(service.file.path.read_text())
    other = type(service)(service.url, type(service.file)(copy))
    with pytest.raises(NotAccepted, match="does not accept"):
        run(other, hub, patience=HOPELESS)
    assert account.registered == {NATIVE: NATIVE_FIELDS}
    assert [pair.app_key for pair in other.file.installed("acme")] == ["first-key"]


def test_a_service_that_cannot_be_reached_is_not_registered(
    service: Service, hub: GiftCardHub, account: Account
) -> None:
    service.file.set_service_url("acme", "http://127.0.0.1:9/acme")
    with pytest.raises(NotAccepted, match="cannot be reached from here"):
        run(service, hub, patience=HOPELESS)
    assert account.registered == {NATIVE: NATIVE_FIELDS}
    assert [pair.app_key for pair in service.file.installed("acme")] == ["first-key"]


def test_a_service_that_cannot_be_reached_from_here_is_trusted_on_request(
    service: Service, hub: GiftCardHub, account: Account
) -> None:
    service.file.set_service_url("acme", "http://127.0.0.1:9/acme")
    done = run(service, hub, unreachable_ok=True, patience=HOPELESS)
    assert account.registered["acme"]["appKey"] == done.app_key


def test_a_service_that_refuses_is_not_trusted_on_request(
    service: Service, hub: GiftCardHub, account: Account, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(service.file.path.read_text())
    other = type(service)(service.url, type(service.file)(copy))
    with pytest.raises(NotAccepted):
        run(other, hub, unreachable_ok=True, patience=HOPELESS)
    assert set(account.registered) == {NATIVE}


def test_something_else_at_the_address_is_not_registered(
    service: Service, hub: GiftCardHub, hub_server: Sandbox, account: Account
) -> None:
    service.file.set_service_url("acme", f"{hub_server.url}/acme")
    with pytest.raises(NotAccepted, match="is not this service"):
        run(service, hub, patience=HOPELESS)
    assert set(account.registered) == {NATIVE}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_one_process_that_has_read_the_file_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, verdicts = Clock(), iter([probe.Verdict.ACCEPTED] * 3 + [probe.Verdict.REFUSED])
    monkeypatch.setattr(probe, "time", clock)
    monkeypatch.setattr(probe, "try_pair", lambda *_: (next(verdicts, probe.Verdict.ACCEPTED), "status"))
    probe.wait_until_accepted("http://127.0.0.1:9/acme", FIRST, Patience(10, steady_seconds=1.0, pause_seconds=0.25))
    assert clock.now == 3 * 0.25 + 0.25 + 1.0


# Failures.


def test_a_refusal_takes_the_fresh_pair_back(
    service: Service, hub: GiftCardHub, hub_server: Sandbox, account: Account
) -> None:
    hub_server.faults.add("status", method="PUT", path="acme", status=403)
    with pytest.raises(HubRefused):
        run(service, hub)
    assert [pair.app_key for pair in service.file.installed("acme")] == ["first-key"]
    assert_the_store_works(service, account)


def test_a_hub_that_may_have_it_leaves_both_pairs(
    service: Service, hub: GiftCardHub, hub_server: Sandbox, account: Account
) -> None:
    hub_server.faults.add("drop_after", method="PUT", path="acme", times=99)
    with pytest.raises(HubUnavailable):
        run(service, hub)
    assert len(service.file.installed("acme")) == 2
    assert "acme" in account.registered
    assert_the_store_works(service, account)


def test_a_refusal_after_a_lost_answer_leaves_both_pairs(
    service: Service, hub: GiftCardHub, hub_server: Sandbox, account: Account
) -> None:
    hub_server.faults.add("drop_after", method="PUT", path="acme")
    hub_server.faults.add("status", method="PUT", path="acme", status=403)
    with pytest.raises(HubRefused):
        run(service, hub)
    assert "acme" in account.registered
    assert_the_store_works(service, account)


def test_a_hub_that_keeps_something_else_is_reported(
    service: Service, hub: GiftCardHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "VERIFY_SECONDS", 0.1)
    put = account.put
    monkeypatch.setattr(account, "put", lambda name, fields: put(name, {**fields, "cancelEnabled": name == NATIVE}))
    with pytest.raises(RegistrationFailed, match="cancelEnabled"):
        run(service, hub)
    assert len(service.file.installed("acme")) == 2


def test_a_hub_that_shows_another_key_is_reported(
    service: Service, hub: GiftCardHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "VERIFY_SECONDS", 0.1)
    monkeypatch.setattr(account, "_shown", lambda fields: {**fields, "appKey": "another", "_self": {}})
    with pytest.raises(RegistrationFailed, match="appKey"):
        run(service, hub)


def test_a_hub_that_is_slow_to_show_it_is_waited_for(
    service: Service, hub: GiftCardHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, answers = account.listed, iter([None, None, "old", "old"])

    def slow() -> Any:
        rows = listed()
        return rows if next(answers, None) is None else [row for row in rows if row["id"] != "acme"]

    monkeypatch.setattr(account, "listed", slow)
    run(service, hub)
    assert_the_store_works(service, account)


# Cut off.


@pytest.mark.parametrize("at", range(8))
def test_cut_off_before_any_step_the_store_works_and_a_repeat_finishes(
    service: Service, hub: GiftCardHub, account: Account, at: int
) -> None:
    seen: list[Step] = []

    def kill(step: Step) -> None:
        if len(seen) == at:
            raise Killed
        seen.append(step)

    start = datetime.now(UTC)
    with pytest.raises(Killed):
        run(service, hub, progress=kill, now=lambda: start)
    assert_the_store_works(service, account)
    done = run(service, hub, now=lambda: start + QUIET)
    assert account.registered["acme"]["appKey"] == done.app_key
    assert_the_store_works(service, account)
    assert not any(pair.pending for pair in service.file.installed("acme"))


def test_a_pair_that_a_run_may_still_be_giving_to_the_hub_stays(
    service: Service, hub: GiftCardHub, account: Account
) -> None:
    start = datetime.now(UTC)

    def kill(step: Step) -> None:
        if step is Step.PUT:
            raise Killed

    with pytest.raises(Killed):
        run(service, hub, progress=kill, now=lambda: start)
    young = run(service, hub, now=lambda: start + QUIET - timedelta(seconds=1))
    assert len(young.interrupted) == 1
    assert young.removed == ()
    old = run(service, hub, now=lambda: start + QUIET)
    assert old.removed == young.interrupted
    assert_the_store_works(service, account)


def test_pairs_of_another_store_stay(service: Service, hub: GiftCardHub, account: Account) -> None:
    pair = service.file.add_credentials("acme", {"otherstore": datetime(2020, 1, 1, tzinfo=UTC)})
    done = run(service, hub)
    assert done.removed == ()
    assert pair.app_key in done.others


# Removing.


def test_a_registered_provider_is_removed(service: Service, hub: GiftCardHub, account: Account) -> None:
    run(service, hub)
    plan = plan_removal(hub, "acme")
    assert Change("acme", "serviceUrl", f"{service.url}/acme", None) in plan.changes
    assert "refunded" in plan.warnings[0]
    unregister(plan, hub)
    assert account.registered == {NATIVE: NATIVE_FIELDS}


def test_removing_what_is_not_there_changes_nothing(hub: GiftCardHub, hub_server: Sandbox) -> None:
    plan = plan_removal(hub, "acme")
    assert (plan.changes, plan.steps, plan.warnings) == ((), (), ())
    unregister(plan, hub)
    assert {request.method for request in hub_server.requests} == {"GET"}


def test_the_native_provider_is_not_ours_to_remove(hub: GiftCardHub) -> None:
    with pytest.raises(RegistrationFailed, match="VTEX's own"):
        plan_removal(hub, NATIVE)


def test_a_plan_to_remove_registers_nothing(service: Service, hub: GiftCardHub) -> None:
    with pytest.raises(RegistrationFailed):
        register(plan_removal(hub, "acme"), hub, service.file)


def test_a_provider_that_does_not_go_is_reported(
    service: Service, hub: GiftCardHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(service, hub)
    monkeypatch.setattr(registration, "VERIFY_SECONDS", 0.1)
    monkeypatch.setattr(account, "delete", lambda _: None)
    with pytest.raises(RegistrationFailed, match="acme is still there"):
        unregister(plan_removal(hub, "acme"), hub)


# Where the Hub is.


def test_the_hub_is_found_by_the_environment(hub_server: Sandbox, hub: GiftCardHub) -> None:
    environment = {
        "GIFTBRIDGE_HUB_URL": f"{hub_server.url}/{{account}}",
        "VTEX_APP_KEY": "vtexappkey-demo",
        "VTEX_APP_TOKEN": "demo-vtex-token",
    }
    assert open_hub("store", environment).list() == hub.list()


def test_without_keys_the_missing_one_is_named() -> None:
    with pytest.raises(HubMisconfigured, match="VTEX_APP_TOKEN is not set"):
        open_hub("store", {"VTEX_APP_KEY": "k"})


def test_without_an_address_it_is_vtex() -> None:
    hub = open_hub("store", {"VTEX_APP_KEY": "k", "VTEX_APP_TOKEN": "t"})
    assert hub.url == "https://store.vtexcommercestable.com.br/api/giftcardproviders"

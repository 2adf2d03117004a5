"""A provider whose mapper is broken goes without it; the others are served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import redis
import structlog

from app import create_app
from mappers.base import BackendUnavailable, Holds, Query
from mappers.deadline import Deadline
from providers.problems import InvalidProviders
from providers.provider import Provider
from providers.registry import Registry
from providers.unloadable import Unloadable
from tests.patience import patient

from .conftest import WORKING, Install

BROKEN = "import no_such_library"

# A mapper that is imported, and cannot be made.
UNMAKEABLE = (
    WORKING + "    def __init__(self, provider_id, currency, holds, options):\n        raise KeyError(options.seed)\n"
)

TABLE = """
[{name}]
caption = "{name}"
currency = "BRL"
mapper = "{mapper}"
[[{name}.credentials]]
app_key = "key"
app_token = "token"
"""


def load(folder: Path, **mappers: str) -> Registry:
    file = folder / "providers.toml"
    file.write_text("".join(TABLE.format(name=name, mapper=mapper) for name, mapper in mappers.items()))
    return Registry.load(file, environment={})


def provider(registry: Registry, name: str) -> Provider:
    found = registry.get(name)
    assert found is not None
    return found


def test_the_others_are_served_and_the_boot_says_who_is_not(install: Install, tmp_path: Path) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": BROKEN})
    with structlog.testing.capture_logs() as logs:
        registry = load(tmp_path, good="memory", bad="acme")
    assert provider(registry, "good").mapper.find(Query(code="MEMORY-ACTIVE-10"), Deadline.after(1))
    [error] = [line for line in logs if line["log_level"] == "error"]
    assert error["provider"] == "bad"
    assert "the mapper acme of giftbridge-acme 1.5 cannot be used" in error["reason"]


def test_a_provider_that_would_be_alone_stops_the_boot(install: Install, tmp_path: Path) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": BROKEN})
    with pytest.raises(InvalidProviders, match=r"\[bad\] mapper: the mapper acme of giftbridge-acme 1.5"):
        load(tmp_path, bad="acme")


def test_its_options_are_not_judged(install: Install, tmp_path: Path) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": BROKEN})
    file = tmp_path / "providers.toml"
    good, bad = (TABLE.format(name=name, mapper=mapper) for name, mapper in (("good", "memory"), ("bad", "acme")))
    file.write_text(f'{good}{bad}[bad.options]\nregion = "eu"\n')
    assert Registry.load(file, environment={}).get("bad")


def test_a_mapper_that_cannot_be_made_is_broken_too_and_its_options_are_not_told(
    install: Install, tmp_path: Path
) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": UNMAKEABLE})
    registry = load(tmp_path, good="memory", bad="acme")
    broken = provider(registry, "bad").mapper
    assert isinstance(broken, Unloadable)
    assert "KeyError in" in broken.reason
    assert "demo" not in broken.reason


def test_every_call_is_turned_away_as_unavailable(install: Install, tmp_path: Path) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": BROKEN})
    bad = provider(load(tmp_path, good="memory", bad="acme"), "bad")
    broken = bad.mapper
    assert set(broken.supported_holds) == set(Holds)
    calls = (
        lambda: broken.find(Query(code="CODE"), Deadline.after(1)),
        lambda: broken.get_card("card", Deadline.after(1)),
        lambda: broken.ping(Deadline.after(1)),
        lambda: broken.statement(1),
        bad.require_mapper,
    )
    for call in calls:
        with pytest.raises(BackendUnavailable, match="giftbridge-acme"):
            call()


def test_the_ledger_writes_nothing_down_for_it(install: Install, tmp_path: Path, empty_redis_url: str) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": BROKEN})
    settings = patient(redis_url=empty_redis_url)
    app = create_app(settings, load(tmp_path, good="memory", bad="acme"))
    headers = {"X-PROVIDER-API-AppKey": "key", "X-PROVIDER-API-AppToken": "token"}
    body = {"operation": "Debit", "value": 1.0, "requestId": "one"}
    with redis.Redis.from_url(empty_redis_url) as storage:
        for name, status in (("bad", 503), ("good", 404)):
            before = storage.dbsize()
            answer = app.test_client().post(f"/{name}/giftcards/a-card/transactions", json=body, headers=headers)
            assert answer.status_code == status
            assert (storage.dbsize() > before) is (name == "good")


def test_what_was_begun_before_it_broke_is_left_as_it_is(tmp_path: Path, empty_redis_url: str) -> None:
    settings = patient(redis_url=empty_redis_url)
    registry = load(tmp_path, good="memory", bad="memory")
    headers = {"X-PROVIDER-API-AppKey": "key", "X-PROVIDER-API-AppToken": "token"}
    client = create_app(settings, registry).test_client()
    search = {"client": {}, "cart": {"redemptionCode": "MEMORY-ACTIVE-10"}}
    [card] = client.post("/bad/giftcards/_search", json=search, headers=headers).get_json()
    transactions = f"/bad/giftcards/{card['id']}/transactions"
    body = {"operation": "Debit", "value": 3.0, "requestId": "one"}
    transaction = f"{transactions}/{client.post(transactions, json=body, headers=headers).get_json()['id']}"

    good, bad = (provider(registry, name) for name in ("good", "bad"))
    mapper = Unloadable.because("it broke")("bad", bad.currency, Holds.NATIVE, None)
    later = create_app(settings, Registry([good, replace(bad, mapper=mapper)]))
    for path in ("settlements", "cancellations"):
        change = {"value": 3.0, "requestId": "two"}
        refused = later.test_client().post(f"{transaction}/{path}", json=change, headers=headers)
        assert refused.status_code == 503
        assert "it broke" in refused.text
        assert later.test_client().get(f"{transaction}/{path}", headers=headers).get_json() == []
    assert later.test_client().get(transaction, headers=headers).get_json()["value"] == 3
    parts = later.extensions["giftbridge"]
    [address] = parts.index.of_card("bad", card["id"])
    assert parts.storage.load(address).unresolved is None

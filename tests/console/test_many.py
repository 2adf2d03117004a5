"""Pages are quick with very many transactions kept: they read so much and no more, however many there are."""

from __future__ import annotations

import pytest
import redis

from app.admin.people.users import Role
from app.admin.transactions import search
from app.admin.transactions.cards import COUNTED, SHOWN, show_card
from app.admin.transactions.search import Wanted
from bench.pages import fill, look, pages
from tests.commands.conftest import Installation

from .conftest import Console

COUNT = 20_000
MOST_READ = 700
MOST_COMMANDS = 1600
# What somebody looks for that few are, or none, is looked for among so many at a time.
MOST_LOOKED_AT = 2300
# Totals lie apart by bucket and day, names by bucket and whether they are packed.
MOST_OF_TOTALS = 6500
MOST_OF_NAMES = 9000


@pytest.fixture
def client(console: Console) -> redis.Redis:
    return redis.Redis.from_url(console.installation.environment["GIFTBRIDGE_REDIS_URL"], decode_responses=True)


@pytest.fixture
def reserved(installation: Installation, client: redis.Redis) -> str:
    """One of very many transactions; a tenth of them are on one card, and some of those are reserved."""
    reserved, over = installation.pay("1.00"), installation.pay("1.00", "order-2", settled="1.00")
    fill(installation.parts, client, (reserved, over), COUNT)
    return reserved


def test_no_page_reads_everything(console: Console, client: redis.Redis, reserved: str) -> None:
    owner = console.user(Role.OWNER).client
    looked = [look(owner, client, path, rounds=1) for path in pages(console.installation.card(), reserved)]
    assert {one.path: one.status for one in looked if one.status != 200} == {}
    of_totals = ("/", "/report")
    far = ("/transactions?state=declined", "/transactions?name=0000123-0")
    assert {one.path: one.read for one in looked if one.read > (MOST_LOOKED_AT if one.path in far else MOST_READ)} == {}
    most = dict.fromkeys(of_totals, MOST_OF_TOTALS) | dict.fromkeys(far, MOST_OF_NAMES)
    assert {one.path: one.commands for one in looked if one.commands > most.get(one.path, MOST_COMMANDS)} == {}


def test_every_page_of_the_navigation_is_among_them(console: Console) -> None:
    looked = {path.partition("?")[0] for path in pages("card", "transaction")}
    with console.app.test_request_context():
        navigation = [page for page in console.app.jinja_env.globals["navigation"] if page.name != "try_it"]  # type: ignore[attr-defined]
        wanted = {console.app.url_for(f"{page.name}.index").removeprefix("/-/console") for page in navigation}
    assert wanted <= looked


def test_a_card_with_very_many_orders_says_what_its_sums_are_of(console: Console, reserved: str) -> None:
    parts, card = console.installation.parts, console.installation.card()
    found = show_card(parts, "acme", card)
    # Every 20th of all is reserved, and each of those is on this card.
    assert found.holding == COUNT // 20 + 1
    assert len(found.transactions) == SHOWN
    assert found.held_there == COUNTED
    assert found.holding + found.others == COUNT // 10 + 2
    dates = [one.date for one in found.transactions]
    assert dates == sorted(dates, reverse=True)
    page = console.user(Role.VIEWER).get("/cards", provider="acme", card=card).text
    assert f"{SHOWN} of {found.holding} such orders are shown, the newest." in page
    assert f"is the sum of the newest {COUNTED}" in page


def test_the_history_of_a_card_has_every_order_once_newest_first(console: Console, reserved: str) -> None:
    wanted = Wanted(provider_id="acme", card_id=console.installation.card())
    found = list(search.every(console.installation.parts, wanted))
    assert len({one.id for one in found}) == len(found) == COUNT // 10 + 2
    assert [one.date for one in found] == sorted((one.date for one in found), reverse=True)


def test_what_is_looked_for_is_found_far_back(console: Console, reserved: str) -> None:
    viewer = console.user(Role.VIEWER)
    assert "1500000019999-01" in viewer.get("/transactions", name="1500000019999-01").text
    assert "1500000000123-01" in viewer.get("/transactions", name="0000123").text
    first = viewer.get("/transactions", name="0019999").text
    assert "older ones are on the next page" in first
    assert "1500000019999-01" not in first

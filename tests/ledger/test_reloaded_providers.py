"""A providers file that would move a provider away from its open transactions is refused, and the old one counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from app.parts import Parts, build
from app.settings import Settings
from mappers.base import Query
from mappers.deadline import Deadline
from providers.registry import Registry
from providers.watch import CHECK_INTERVAL_SECONDS, REFUSED_INTERVAL_SECONDS, ProvidersFile

ACME = """
[acme]
caption = "Acme gift cards"
currency = "BRL"
mapper = "memory"
account = "first"
[[acme.credentials]]
app_key = "acme-key"
app_token = "acme-token"
"""


class Installation:
    """A service whose providers file is changed while it runs."""

    def __init__(self, path: Path, redis_url: str) -> None:
        self._path = path
        self._now = 0.0
        path.write_text(ACME)
        self.registry = ProvidersFile(path, environment={}, clock=lambda: self._now)
        self.parts: Parts = build(Settings(), self.registry, redis_url)

    def write(self, text: str) -> list[list[str]]:
        """Write the file, and return what is logged about it when it is looked at."""
        self._path.write_text(text)
        return self.after(CHECK_INTERVAL_SECONDS)

    def after(self, seconds: float) -> list[list[str]]:
        self._now += seconds
        with capture_logs() as logs:
            self.registry.all()
        return [line["problems"] for line in logs if line["log_level"] == "error"]

    @property
    def account(self) -> str:
        (provider,) = self.registry.all()
        return provider.backend.account

    def open(self) -> tuple[str, str]:
        (provider,) = self.registry.all()
        deadline = Deadline.after(5)
        (card,) = provider.mapper.find(Query(code="MEMORY-ACTIVE-100"), deadline)
        request = AuthorizationRequest(card.id, Operation.DEBIT, 4_000, "order-1")
        return card.id, self.parts.ledger.authorize(provider, request, deadline)

    def cancel(self, card_id: str, transaction_id: str) -> None:
        (provider,) = self.registry.all()
        change = ChangeRequest(card_id, transaction_id, 4_000, "cancel-1")
        self.parts.ledger.cancel(provider, change, Deadline.after(5))


@pytest.fixture
def installation(tmp_path: Path, empty_redis_url: str) -> Installation:
    return Installation(tmp_path / "providers.toml", empty_redis_url)


MOVED = ACME.replace('"first"', '"second"')


def test_a_provider_stays_where_its_transactions_are_open(installation: Installation) -> None:
    _, transaction = installation.open()
    ((problem,),) = installation.write(MOVED)
    assert transaction in problem
    assert installation.account == "first"


def test_a_provider_without_open_transactions_may_move(installation: Installation) -> None:
    installation.cancel(*installation.open())
    assert installation.write(MOVED) == []
    assert installation.account == "second"


def test_a_refused_file_counts_once_the_transactions_are_over(installation: Installation) -> None:
    opened = installation.open()
    assert installation.write(MOVED)
    installation.cancel(*opened)
    assert installation.after(CHECK_INTERVAL_SECONDS) == []
    assert installation.account == "first"
    assert installation.after(REFUSED_INTERVAL_SECONDS) == []
    assert installation.account == "second"


def test_a_file_that_is_put_right_is_read_at_once(installation: Installation) -> None:
    installation.open()
    assert installation.write(MOVED)
    assert installation.write(ACME.replace("Acme gift cards", "New caption")) == []
    (provider,) = installation.registry.all()
    assert provider.caption == "New caption"


def test_a_provider_stays_while_nobody_knows_what_is_open(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "providers.toml", "redis://127.0.0.1:1/0")
    ((problem,),) = installation.write(MOVED)
    assert "nobody knows what is open" in problem
    assert installation.account == "first"


def test_a_file_that_counts_is_not_read_again_because_an_earlier_one_was_refused(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = installation.open()
    assert installation.write(MOVED)
    installation.cancel(*opened)
    installation.after(REFUSED_INTERVAL_SECONDS)
    assert installation.account == "second"
    monkeypatch.setattr(Registry, "load", lambda *_, **__: pytest.fail("it was read"))
    installation.after(2 * REFUSED_INTERVAL_SECONDS)

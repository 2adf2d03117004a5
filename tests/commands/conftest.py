"""An installation as a store admin has it: providers.toml, a real Redis, a backend's sandbox and the Hub's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.commands.cli import main
from app.ledger.lost_answers import PAUSES_SECONDS
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation, Transaction
from app.parts import Parts, build
from mappers.base import Query
from mappers.deadline import Deadline
from mappers.lightrail_v2 import sandbox as lightrail
from mappers.sandbox import Sandbox, running
from mappers.vauchar import sandbox as vauchar
from providers.hub import sandbox as hub_sandbox
from providers.provider import Provider
from providers.registry import Registry
from tests.docs import shapes
from tests.money import minor
from tests.patience import patient

CODE = "LIGHT-ACTIVE-250"

# Nothing that is printed, logged or written may hold these.
BACKEND_KEY = lightrail.API_KEY
VTEX_TOKEN = hub_sandbox.APP_TOKEN

PROVIDERS = """\
# Acme's gift cards
[acme]
caption = "Acme gift cards"
currency = "BRL"
mapper = "lightrail_v2"
service_url = "https://gift.example.com/acme"

[[acme.credentials]]
app_key = "first-key"  # made by hand
app_token = "first-token"

[acme.options]
base_url = "{lightrail}/v2"
api_key = "${{ACME_API_KEY}}"

[vouch]
caption = "Vouchers"
currency = "BRL"
mapper = "vauchar"

[[vouch.credentials]]
app_key = "first-key"
app_token = "first-token"

[vouch.options]
{vauchar}
"""


@dataclass
class Installation:
    """One installation; `run` is what its admin types, the rest is what shoppers and VTEX do meanwhile."""

    folder: Path
    environment: dict[str, str]
    backend: Sandbox
    vouchers: Sandbox
    parts: Parts
    outputs: list[str] = field(default_factory=list)

    def run(self, *arguments: str, stdin: str | None = None, **environment: str | None) -> Result:
        result = CliRunner().invoke(main, list(arguments), input=stdin, env=self.environment | environment)
        self.outputs.append(result.output)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: str, stdin: str | None = None, exit_code: int = 0, **environment: str) -> Any:
        result = self.run(*arguments, "--json", stdin=stdin, **environment)
        assert result.exit_code == exit_code, result.output
        return shapes.printed(result.stdout, arguments)

    @property
    def file(self) -> Path:
        return self.folder / "providers.toml"

    def card(self, code: str = CODE, provider: str = "acme") -> str:
        (card,) = self._provider(provider).mapper.find(Query(code=code), Deadline.after(5))
        return card.id

    def pay(
        self,
        value: str = "60.00",
        order: str = "order-1",
        *,
        settled: str | None = None,
        provider: str = "acme",
        code: str = CODE,
    ) -> str:
        """Pay an order, as VTEX would; return the transaction's id."""
        card = self.card(code, provider)
        request = AuthorizationRequest(card, Operation.DEBIT, minor(value), f"request-of-{order}", order_id=order)
        transaction = self.parts.ledger.authorize(self._provider(provider), request, Deadline.after(5))
        if settled:
            change = ChangeRequest(card, transaction, minor(settled), f"settle-{order}")
            self.parts.ledger.settle(self._provider(provider), change, Deadline.after(5))
        return transaction

    def record(self, transaction: str) -> Transaction:
        record = self.parts.storage.load(transaction)
        assert record is not None
        return record

    def at_the_backend(self, code: str = CODE) -> int:
        """What the backend has on the card, in minor units."""
        found = self._provider("acme").mapper.get_card(self.card(code), Deadline.after(5))
        return found.balance

    def _provider(self, provider: str) -> Provider:
        found = self.parts.registry.get(provider)
        assert found is not None
        return found


@contextmanager
def installed(folder: Path, redis_url: str) -> Iterator[Installation]:
    """An installation with its files in `folder` and its ledger at `redis_url`."""
    with running(lightrail.create_app()) as backend, running(vauchar.create_app()) as vouchers:
        file = folder / "providers.toml"
        options = "\n".join(f'{name} = "{value}"' for name, value in vauchar.DEMO_OPTIONS(vouchers.url).items())
        file.write_text(PROVIDERS.format(lightrail=backend.url, vauchar=options))
        file.chmod(0o600)
        environment = {
            "GIFTBRIDGE_PROVIDERS": str(file),
            "GIFTBRIDGE_REDIS_URL": redis_url,
            "GIFTBRIDGE_DATA": str(folder / "data"),
            "GIFTBRIDGE_REDIS_TIMEOUT_SECONDS": "1",  # the cores may be busy
            "ACME_API_KEY": BACKEND_KEY,
            "COLUMNS": "200",
        }
        settings = patient(providers=file)
        parts = build(settings, Registry.load(file, environment=environment), redis_url)
        yield Installation(folder, environment, backend, vouchers, parts)
        parts.connection.close()


@pytest.fixture
def installation(
    tmp_path: Path, empty_redis_url: str, ledger_id: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    # Whoever asks again does so soon: a backend that is down here stays so.
    monkeypatch.setattr("app.ledger.lost_answers.PAUSES_SECONDS", (0.01,) * len(PAUSES_SECONDS))
    with installed(tmp_path, empty_redis_url) as found:
        yield found

"""The service: `create_app` is the only place that builds things; every collaborator is passed as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Flask

from app import health
from app.ledger.cards import CardService
from app.ledger.executor import Executor
from app.ledger.service import LedgerService
from app.ledger.store import Store, StoreTimes, connect
from app.ledger.sweeper import Sweeper
from app.protocol.paths import CollapsedSlashes
from app.protocol.routes import create_blueprint
from app.settings import Settings
from providers.registry import Registry

# Beside the threads that serve requests: the sweeper, readiness, and a hand at the command line.
SPARE_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Giftbridge:
    """The service's parts, wired: what the web, the command line and the tests share."""

    settings: Settings
    registry: Registry
    store: Store
    ledger: LedgerService
    cards: CardService
    sweeper: Sweeper


def build(settings: Settings, registry: Registry) -> Giftbridge:
    """Wire the use cases to the store that `settings` name. Connects to nothing yet."""
    client = connect(settings.redis_url, settings.store_timeout_seconds, settings.threads + SPARE_CONNECTIONS)
    times = StoreTimes(
        lease=timedelta(seconds=settings.lease_seconds),
        abandon_after=timedelta(seconds=settings.abandon_after_seconds),
        retention=timedelta(days=settings.retention_days),
    )
    store = Store(client, times)
    executor = Executor(store)
    return Giftbridge(
        settings=settings,
        registry=registry,
        store=store,
        ledger=LedgerService(store, executor),
        cards=CardService(store, settings.code_misses_per_customer, settings.code_misses_per_provider),
        sweeper=Sweeper(
            store,
            executor,
            registry,
            interval_seconds=settings.sweep_interval_seconds,
            deadline_seconds=settings.money_deadline_seconds,
        ),
    )


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> Flask:
    """Return the WSGI application; its parts are at `app.extensions["giftbridge"]`.

    Without arguments everything comes from the environment. Configuration errors stop it here and name the setting.
    """
    settings = settings or Settings.from_environment()
    parts = build(settings, registry or Registry.load(settings.providers))
    app = Flask(__name__)
    app.extensions["giftbridge"] = parts
    app.register_blueprint(health.create_blueprint(parts.store, allow_unsafe_store=settings.allow_unsafe_store))
    app.register_blueprint(create_blueprint(parts.registry, parts.ledger, parts.cards, settings))
    app.wsgi_app = CollapsedSlashes(app.wsgi_app)  # type: ignore[method-assign]
    return app

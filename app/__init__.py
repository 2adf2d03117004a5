"""The service: `create_app` is the only place that builds things; every collaborator is passed as an argument."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask

from app import health, telemetry
from app.ledger.cards import CardService
from app.ledger.commands import StoreTimes
from app.ledger.connection import Connection, Fleet
from app.ledger.embedded import EmbeddedStore
from app.ledger.executor import Executor
from app.ledger.index import Index
from app.ledger.recovery import Recovery
from app.ledger.service import LedgerService
from app.ledger.store import Store
from app.ledger.sweeper import Sweeper
from app.protocol.paths import CollapsedSlashes
from app.protocol.routes import create_blueprint
from app.settings import Settings
from providers.registry import Registry
from providers.watch import ProvidersFile

# Beside the threads that serve requests: the sweeper, readiness, and a hand at the command line.
SPARE_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Giftbridge:
    """The service's parts, wired: what the web, the command line and the tests share."""

    settings: Settings
    registry: Registry
    connection: Connection
    store: Store
    index: Index
    ledger: LedgerService
    executor: Executor
    recovery: Recovery
    cards: CardService
    sweeper: Sweeper


def build(settings: Settings, registry: Registry) -> Giftbridge:
    """Wire the use cases to the store that `settings` name, starting the embedded one where they name none."""
    connection = Connection.to(
        settings.redis_url or _embedded_store(settings),
        timeout_seconds=settings.store_timeout_seconds,
        connections=settings.threads + SPARE_CONNECTIONS,
        replicas=settings.store_replicas,
    )
    fleet = Fleet(connection)
    times = StoreTimes(
        lease=timedelta(seconds=settings.lease_seconds),
        abandon_after=timedelta(seconds=settings.abandon_after_seconds),
        retention=timedelta(days=settings.retention_days),
    )
    store = Store(connection, times)
    index = Index(connection)
    executor = Executor(store)
    recovery = Recovery(store)
    return Giftbridge(
        settings=settings,
        registry=registry,
        connection=connection,
        store=store,
        index=index,
        ledger=LedgerService(store, index, executor, recovery),
        executor=executor,
        recovery=recovery,
        cards=CardService(store, fleet, settings.code_misses_per_customer, settings.code_misses_per_provider),
        sweeper=Sweeper(
            store,
            index,
            fleet,
            executor,
            registry,
            interval_seconds=settings.sweep_interval_seconds,
            deadline_seconds=settings.money_deadline_seconds,
        ),
    )


def _embedded_store(settings: Settings) -> str:
    """Start or join the store under the data directory, for as long as this process lives; return its address."""
    store = EmbeddedStore(settings.data)
    store.start()
    atexit.register(store.stop)
    return store.url


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> Flask:
    """Return the WSGI application; its parts are at `app.extensions["giftbridge"]`.

    Without arguments everything comes from the environment. Configuration errors stop it here and name the setting.
    """
    settings = settings or Settings.from_environment()
    telemetry.configure(settings)
    parts = build(settings, registry or ProvidersFile(settings.providers))
    app = Flask(__name__, static_folder=None)
    app.extensions["giftbridge"] = parts
    telemetry.log_requests(app)
    app.register_blueprint(health.create_blueprint(parts.connection, allow_unsafe_store=settings.allow_unsafe_store))
    app.register_blueprint(create_blueprint(parts.registry, parts.ledger, parts.cards, settings))
    app.wsgi_app = CollapsedSlashes(app.wsgi_app)  # type: ignore[method-assign]
    return app

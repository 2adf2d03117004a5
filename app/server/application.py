"""The WSGI application: the protocol at /; probes, its description and the console below /-/; the parts behind all."""

from __future__ import annotations

from flask import Flask

from app import telemetry
from app.console import NAME as CONSOLE
from app.console import create_console
from app.parts import build
from app.protocol.routes import create_blueprint
from app.server import health
from app.server.embedded import redis_url
from app.server.metrics import endpoint
from app.server.metrics.endpoint import Endpoint
from app.server.metrics.figures import Figures
from app.server.metrics.meters import Meters
from app.server.mounts import mount, mount_apart
from app.server.reference import routes as reference
from app.server.request_log import log_requests
from app.settings import Settings
from providers.registry import Registry
from providers.watch import ProvidersFile


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> Flask:
    """Return the WSGI application; its parts are at `app.extensions["giftbridge"]`.

    Without arguments everything comes from the environment. Configuration errors stop it here and name the setting.
    """
    settings = settings or Settings.from_environment()
    telemetry.configure(settings)
    registry = registry or ProvidersFile(settings.providers)
    meters = Meters(threads_for_a_backend=settings.threads_for_a_backend) if settings.has_metrics else None
    parts = build(settings, registry, redis_url(settings), meters)
    app = Flask(__name__, static_folder=None)
    app.extensions["giftbridge"] = parts
    if meters is not None:
        meters.watch(app, registry)
    log_requests(app, reads_share=settings.log_reads)
    app.register_blueprint(
        health.create_blueprint(parts.connection, parts.clock, redis_allow_unsafe=settings.redis_allow_unsafe)
    )
    app.register_blueprint(reference.create_blueprint())
    app.register_blueprint(create_blueprint(parts.registry, parts.ledger, parts.cards, settings))
    console = create_console(parts)
    log_requests(console)
    metrics = Endpoint(meters, Figures(parts), settings.metrics_token) if meters else None
    beside = {
        CONSOLE: (console, settings.console_address),
        endpoint.NAME: (metrics, settings.metrics_address),
    }
    mount(app, {name: one for name, (one, address) in beside.items() if one and not address})
    for name, (one, address) in beside.items():
        if one and address:
            mount_apart(app, name, one, address)
    return app

"""The service. Only wsgi.py, a WSGI server and tests ask for `create_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings
    from providers.registry import Registry


def create_app(settings: Settings | None = None, registry: Registry | None = None) -> Flask:
    """Return the WSGI application; its parts are at `app.extensions["giftbridge"]`.

    Without arguments everything comes from the environment. Configuration errors stop it here and name the setting.
    """
    # Every command imports this package, too, and most need no web framework: it takes most of their start.
    from app.server import application  # noqa: PLC0415

    return application.create_app(settings, registry)

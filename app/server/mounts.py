"""Other applications of the service, each at /-/NAME: what they answer there, errors included, is their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app.protocol.paths import CollapsedSlashes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def mount(app: Flask, applications: Mapping[str, WSGIApplication]) -> None:
    """Serve each application below /-/ and its name, beside `app`, which has the protocol and the probes.

    The protocol's hooks and JSON errors do not reach them: a page's 404 is a page. Each logs its own requests.
    """
    # Slashes are collapsed first, so that no doubled slash leads past a mount.
    paths = {f"/-/{name}": application for name, application in applications.items()}
    app.wsgi_app = CollapsedSlashes(DispatcherMiddleware(app.wsgi_app, paths))  # type: ignore[method-assign]

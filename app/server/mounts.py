"""Other applications of the service, each at /-/NAME: what they answer there, errors included, is their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.utils import redirect

from app.protocol.paths import CollapsedSlashes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def mount(app: Flask, applications: Mapping[str, WSGIApplication]) -> None:
    """Serve each application below /-/ and its name, beside `app`, which has the protocol and the probes.

    The protocol's hooks and JSON errors do not reach them: a page's 404 is a page. Each logs its own requests.
    """
    # Slashes are collapsed first, so that no doubled slash leads past a mount.
    paths = {f"/-/{name}": application for name, application in applications.items()}
    app.wsgi_app = CollapsedSlashes(DispatcherMiddleware(app.wsgi_app, paths))  # type: ignore[method-assign]


def mount_apart(app: Flask, name: str, application: WSGIApplication, address: tuple[str, int]) -> None:
    """Serve an application below /-/ and its name at this address, with nothing beside it, and nowhere else."""
    path = f"/-/{name}"
    beside, apart = app.wsgi_app, CollapsedSlashes(DispatcherMiddleware(_leads_to(f"{path}/"), {path: application}))

    def at_the_address(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The server's own word on which of its sockets the request came in by; each has a port of its own.
        here = int(environ["SERVER_PORT"]) == address[1]
        return (apart if here else beside)(environ, start_response)

    app.wsgi_app = at_the_address  # type: ignore[method-assign]


def _leads_to(start: str) -> WSGIApplication:
    def lead(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = redirect(start) if environ["PATH_INFO"] in ("", "/") else NotFound().get_response(environ)
        return answer(environ, start_response)

    return lead

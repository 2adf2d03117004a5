"""The console: a store admin's pages, a Flask application of its own over the use cases in app/admin."""

from __future__ import annotations

from flask import Flask

from app.admin.people.single_sign_on import Issuer
from app.console import errors, formats, guard, headers, languages, pages, static_files
from app.parts import Parts

# Where it is mounted.
NAME = "console"
PATH = f"/-/{NAME}"


def create_console(parts: Parts) -> Flask:
    """Return the application to mount at /-/console."""
    app = Flask(__name__)
    app.extensions["giftbridge"] = parts
    app.extensions["giftbridge-issuer"] = Issuer.of(parts.settings)
    app.config.update(
        SESSION_COOKIE_NAME="giftbridge-console",
        APPLICATION_ROOT=PATH,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=64 * 1024,
        WTF_CSRF_TIME_LIMIT=None,  # a token lasts as long as its session
        WTF_CSRF_SSL_STRICT=False,  # pages send no Referer
        TRAP_HTTP_EXCEPTIONS=False,
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    languages.speak(app)
    formats.add_filters(app)
    static_files.add_addresses(app)
    guard.protect(app)
    headers.add_headers(app)
    errors.add_pages(app)
    pages.register(app, demo=parts.settings.demo is not None)
    return app

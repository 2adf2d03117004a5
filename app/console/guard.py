"""Who may ask for what: every view declares the role it needs, and this is the one place that looks.

A view without a declaration is closed to everybody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, flash, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.wrappers import Request, Response
from flask_wtf import CSRFProtect
from werkzeug.wrappers import Response as BaseResponse

from app import settings
from app.admin.people import sessions, users
from app.admin.people.sign_in import SignedIn
from app.admin.people.users import Role
from app.console.current import DEVICE_COOKIE, parts, signed_in
from app.console.texts import _
from app.ledger.errors import LedgerUnavailable

View = TypeVar("View", bound=Callable[..., Any])
R = TypeVar("R", bound=BaseResponse)

DEVICE_SECONDS = 365 * 24 * 3600

# The name in the cookie of the secret of a session.
SECRET = "session"  # noqa: S105 - a name

_DECLARED = "console_role"
_PUBLIC = "public"
_CHANGES_NOTHING = "console_changes_nothing"

# What signs the cookies, shared by all processes on one Redis.
_COLLECTION = "console"
_KEY = "cookies"


def allowed(role: Role) -> Callable[[View], View]:
    """Declare who may use a view: users with this role, or with one that includes it."""

    def mark(view: View) -> View:
        setattr(view, _DECLARED, role)
        return view

    return mark


def public(view: View) -> View:
    """Declare that a view is for everybody, signed in or not."""
    setattr(view, _DECLARED, _PUBLIC)
    return view


def changes_nothing(view: View) -> View:
    """Say of a POST that it only looks something up which must not stand in an address; so viewers may send it."""
    setattr(view, _CHANGES_NOTHING, True)
    return view


def declared(app: Flask, endpoint: str) -> Role | str | None:
    """Return the role of a view, `public`, or None where it declares nothing."""
    return getattr(app.view_functions[endpoint], _DECLARED, None)


def says_it_changes_nothing(app: Flask, endpoint: str) -> bool:
    return getattr(app.view_functions[endpoint], _CHANGES_NOTHING, False)


def protect(app: Flask) -> None:
    """Have every request looked at, and forms carry a token."""
    app.session_interface = _Sessions()
    app.before_request(_admit)
    CSRFProtect(app)
    app.view_functions["static"] = public(app.view_functions["static"])


def may(role: Role) -> bool:
    """Tell whether whoever asks has this role: templates leave out what they could not do."""
    found = signed_in()
    return found is not None and found.role.includes(role)


def local_path(address: str | None) -> str:
    """Return where to go after a sign-in: a path of the console, whatever was asked for."""
    start = url_for("overview.index")
    parts_of_it = urlsplit(address or "")
    path = parts_of_it.path
    if parts_of_it.scheme or parts_of_it.netloc or "\\" in path or not path.startswith(start):
        return start
    return f"{path}?{parts_of_it.query}" if parts_of_it.query else path


def is_loopback(host: str) -> bool:
    """Tell whether a Host header names this machine, where a browser needs no TLS."""
    return settings.is_loopback(urlsplit(f"//{host}").hostname or "")


def _admit() -> BaseResponse | None:
    secret = session.get(SECRET)
    g.user = sessions.user_of(parts(), secret, present=not _asks_by_itself()) if secret else None
    if g.user is None and not users.exist(parts()):
        abort(404)
    if request.endpoint is None:
        return None  # the router says what is wrong
    role = declared(current_app, request.endpoint)
    if role == _PUBLIC:
        return None
    if g.user is None:
        return _to_sign_in(ended=secret is not None)
    if not isinstance(role, Role) or not g.user.role.includes(role):
        abort(403)
    return None


def _to_sign_in(*, ended: bool) -> BaseResponse:
    session.clear()
    if _asks_by_itself():
        # In place of a piece of a page; htmx goes there with the whole of it.
        return Response(status=204, headers={"HX-Redirect": url_for("sign_in.form")})
    if ended and request.method == "POST":
        flash(_("You were signed out before this came. Nothing was done: sign in and do it again."), "problem")
    elif ended:
        flash(_("You were signed out after a while without a request, or by somebody else."), "note")
    wanted = request.full_path if request.query_string else request.path
    return redirect(url_for("sign_in.form", next=f"{request.script_root}{wanted}"), 303)


def _asks_by_itself() -> bool:
    return "X-Background" in request.headers


class _Sessions(SecureCookieSessionInterface):
    """Flask's signed cookie: it holds the secret of a session and the token of the forms, and no state."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if app.secret_key is None:
            try:
                app.secret_key = _signing_key(app)
            except LedgerUnavailable:
                return None
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        return not is_loopback(request.host)


def _signing_key(app: Flask) -> str:
    documents = app.extensions["giftbridge"].documents
    documents.replace(_COLLECTION, _KEY, None, {"key": secrets.token_hex(32)})
    return str(documents.read(_COLLECTION, _KEY)["key"])


def remember_device(response: R, done: SignedIn) -> R:
    """Have a device remembered on which somebody signed in."""
    set_cookie(response, DEVICE_COOKIE, done.device, DEVICE_SECONDS)
    return response


def set_cookie(response: BaseResponse, name: str, value: str, seconds: int, *, same_site: str = "Strict") -> None:
    """Set a cookie of the console that outlives the session."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=current_app.config["APPLICATION_ROOT"],
        secure=not is_loopback(request.host),
        httponly=True,
        samesite=same_site,
    )

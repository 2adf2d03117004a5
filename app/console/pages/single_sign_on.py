"""Single sign-on: the browser goes to the issuer, comes back, and the person is signed in, or has proved it anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

import structlog
from flask import abort, current_app, redirect, render_template, request, session, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from app.admin.people import single_sign_on
from app.admin.people.sign_in import SignedIn
from app.admin.people.single_sign_on import PENDING_LASTS_SECONDS, Issuer, IssuerUnavailable, NotProved, Pending
from app.admin.people.users import Role
from app.console.current import parts, visitor
from app.console.guard import SECRET, allowed, is_loopback, local_path, public, remember_device, set_cookie
from app.console.pages._page import Page
from app.console.proof import own_session
from app.console.texts import _, _l

page = Page("single_sign_on", _l("Single sign-on"))

# Lax: the browser comes back from another site, and brings no cookie that is strict.
COOKIE = "giftbridge-single-sign-on"

log = structlog.get_logger()

Answer = str | tuple[str, int] | Response


@page.get("/single-sign-on")
@public
def begin() -> Answer:
    return _go(Pending.new())


@page.get("/single-sign-on/again")
@allowed(Role.VIEWER)
def again() -> Answer:
    """Prove who is signed in once more, in the middle of an act that moves much money."""
    return _go(Pending.new(own_session()))


@page.get("/single-sign-on/back")
@public
def back() -> Answer:
    """Let in whom the issuer has named. The page leads on by itself: only so the browser sends strict cookies again."""
    pending, where = _pending()
    if pending is None:
        return _refused(_("This took too long, or was begun in another browser. Nothing was done: try again."))
    try:
        proven = _issuer().proven(pending, request.args, _redirect_uri())
    except NotProved as error:
        log.warning("single sign-on proved nothing", reason=str(error))
        return _refused(_("What your company's sign-in sent does not prove who you are. Nothing was done: try again."))
    except IssuerUnavailable as error:
        return _unavailable(error)
    if pending.session:
        if not single_sign_on.prove_again(parts(), pending.session, proven, visitor()):
            return _refused(
                _("Your company's sign-in names somebody else than who is signed in here. Nothing was done.")
            )
        return _led_on(where)
    done = single_sign_on.come_in(parts(), proven, visitor())
    if not isinstance(done, SignedIn):
        return _refused(
            _("Your company's sign-in knows you, but nobody has let you in here. Ask an owner of this console.")
        )
    session.clear()
    session[SECRET] = done.session
    return remember_device(_led_on(where), done)


def _issuer() -> Issuer:
    return cast("Issuer | None", current_app.extensions["giftbridge-issuer"]) or abort(404)


def _go(pending: Pending) -> Answer:
    try:
        address = _issuer().address_to_ask(pending, _redirect_uri())
    except IssuerUnavailable as error:
        return _unavailable(error)
    response = redirect(address, 303)
    kept = _serializer().dumps(asdict(pending) | {"next": local_path(request.args.get("next"))})
    set_cookie(response, COOKIE, str(kept), PENDING_LASTS_SECONDS, same_site="Lax")
    return response


def _pending() -> tuple[Pending | None, str]:
    try:
        found = _serializer().loads(request.cookies.get(COOKIE, ""), max_age=PENDING_LASTS_SECONDS)
    except BadData:
        return None, ""
    where = local_path(found.pop("next"))
    return Pending(**found), where


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="giftbridge-single-sign-on")


def _redirect_uri() -> str:
    # A proxy in front ends TLS, so that the request itself does not tell that the browser's address is https.
    return url_for(".back", _external=True, _scheme="http" if is_loopback(request.host) else "https")


def _led_on(where: str) -> Response:
    return _over(render_template("single_sign_on.html", where=where))


def _refused(problem: str, status: int = 403) -> Response:
    return _over(render_template("single_sign_on.html", problem=problem), status)


def _unavailable(error: IssuerUnavailable) -> Response:
    log.error("the issuer of single sign-on cannot be asked", reason=str(error))
    return _refused(_("Your company's sign-in does not answer now. Try again in a minute."), 503)


def _over(page: str, status: int = 200) -> Response:
    response = Response(page, status, content_type="text/html; charset=utf-8")
    response.delete_cookie(COOKIE, path=current_app.config["APPLICATION_ROOT"])
    return response

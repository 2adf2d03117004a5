"""The user's own account: language, theme, time zone, password, codes and sessions."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin.people import passwords, sessions, users
from app.admin.people.passwords import WeakPassword
from app.admin.people.users import Role
from app.console import proof
from app.console.current import parts, user
from app.console.guard import allowed
from app.console.languages import LANGUAGES, THEMES
from app.console.pages._page import Page
from app.console.pages.sign_in import why_weak
from app.console.texts import _, _l, _n

page = Page("account", _l("Your account"), place=95)

Answer = str | tuple[str, int] | Response


@page.get("/account")
@allowed(Role.VIEWER)
def index() -> str:
    return _shown()


@page.post("/account/look")
@allowed(Role.VIEWER)
def look() -> Answer:
    form = request.form
    language, theme, zone = form.get("language", ""), form.get("theme", ""), form.get("zone", "").strip()
    if zone and zone not in available_timezones():
        return _shown(zone=_("There is no such time zone. Write it like America/Sao_Paulo.")), 422
    users.prefer(
        parts(),
        user().name,
        language=language if language in LANGUAGES else "",
        theme=theme if theme in THEMES else "",
        zone=zone,
    )
    return redirect(url_for(".index"), 303)


@page.post("/account/password")
@allowed(Role.VIEWER)
def password() -> Answer:
    if problem := _not_proved():
        return _shown(old=problem), 422
    try:
        users.change_password(parts(), user().name, request.form.get("password", ""))
    except WeakPassword as weak:
        return _shown(password=why_weak(weak)), 422
    sessions.end_all(parts(), user().name, but=proof.own_session())
    return _done(_("The password is changed. All other sessions are ended."))


@page.post("/account/codes")
@allowed(Role.VIEWER)
def codes() -> Answer:
    """Want a code at each sign-in, once one was typed that fits the new secret."""
    secret = request.form.get("secret", "")
    if problem := _not_proved():
        return _shown(secret=secret, codes_password=problem), 422
    if not users.enroll_totp(parts(), user().name, secret, request.form.get("code", "")):
        return _shown(secret=secret, code=_("This is not the code of now. Look at the clock of your phone.")), 422
    return _done(_("From now on each sign-in asks for a code."))


@page.post("/account/no-codes")
@allowed(Role.VIEWER)
def no_codes() -> Answer:
    if problem := _not_proved():
        return _shown(codes_password=problem), 422
    users.drop_totp(parts(), user().name)
    return _done(_("Sign-ins ask for no code any more."))


@page.post("/account/end-sessions")
@allowed(Role.VIEWER)
def end_sessions() -> Answer:
    count = sessions.end_all(parts(), user().name, but=proof.own_session())
    return _done(_n("One session is ended.", "%(num)d sessions are ended.", count))


def _shown(secret: str = "", **problems: str) -> str:
    if users.TOTP_SECRET.fullmatch(secret) is None:
        secret = users.new_totp()
    return render_template(
        "account.html",
        person=user(),
        problems=problems,
        themes=THEMES,
        zones=sorted(available_timezones()),
        secret=secret,
        address=users.totp_address(user().name, secret),
        sessions=sessions.every(parts(), user().name),
        own=proof.own_session(),
        least=passwords.LEAST_CHARACTERS,
    )


def _not_proved() -> str:
    """Return why the password that was typed does not prove who asks; nothing where it does.

    Who comes in with single sign-on has none, so nothing proves it.
    """
    return proof.wrong_password(request.form.get("old", "")) or ""


def _done(said: str) -> Response:
    flash(said, "good")
    return redirect(url_for(".index"), 303)

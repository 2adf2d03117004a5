"""How users come in and go: the sign-in, the link of an invitation, the sign-out."""

from __future__ import annotations

from typing import cast

from flask import abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from app.admin.people import passwords, sessions, sign_in, users
from app.admin.people.passwords import WeakPassword
from app.admin.people.sign_in import Outcome, SignedIn
from app.admin.people.users import Role, UserError, secret_digest
from app.console.current import parts, signed_in, user, visitor
from app.console.guard import SECRET, allowed, is_loopback, local_path, public, remember_device
from app.console.pages._page import Page
from app.console.texts import _, _l

page = Page("sign_in", _l("Sign in"))


@page.get("/sign-in")
@public
def form() -> str | Response:
    if signed_in() is not None:
        return redirect(local_path(request.args.get("next")), 303)
    return _form()


@page.post("/sign-in")
@public
def send() -> str | tuple[str, int] | Response:
    name, password = request.form.get("name", "").strip().lower(), request.form.get("password", "")
    done = sign_in.sign_in(parts(), name, password, request.form.get("code", ""), visitor())
    match done:
        case SignedIn():
            return let_in(done, local_path(request.args.get("next")))
        case Outcome.WAIT:
            flash(_("Too many tries. Wait a minute, then try again."), "problem")
            return _form(), 429
    flash(_("The name, the password or the code is wrong."), "problem")
    return _form(), 403


@page.get("/invitation/<name>/<secret>")
@public
def invitation(name: str, secret: str) -> str | tuple[str, int]:
    if users.invited(parts(), name, secret) is None:
        return render_template("sign_in_link_over.html"), 404
    return _invitation(name)


@page.post("/invitation/<name>/<secret>")
@public
def accept(name: str, secret: str) -> str | tuple[str, int] | Response:
    if users.invited(parts(), name, secret) is None:
        return render_template("sign_in_link_over.html"), 404
    try:
        users.accept(parts(), name, secret, request.form.get("password", ""))
    except WeakPassword as weak:
        return _invitation(name, why_weak(weak)), 422
    except UserError:
        return render_template("sign_in_link_over.html"), 404
    sessions.end_all(parts(), name)
    return let_in(sign_in.begin(parts(), name, visitor(), Outcome.INVITED), url_for("overview.index"))


@page.post("/sign-out")
@allowed(Role.VIEWER)
def leave() -> Response:
    sessions.end(parts(), secret_digest(cast("str", session[SECRET])))
    sign_in.note(parts(), user().name, Outcome.SIGNED_OUT, visitor())
    session.clear()
    flash(_("You are signed out."), "note")
    return redirect(url_for("sign_in.form"), 303)


def let_in(done: SignedIn, where: str) -> Response:
    """Lead somebody who has proved who they are to where they want to go."""
    session.clear()  # with the token of the forms: what somebody saw of the old session is of no use
    session[SECRET] = done.session
    return remember_device(redirect(where, 303), done)


def _form() -> str:
    return render_template(
        "sign_in.html",
        name=request.form.get("name", ""),
        needs_tls=not is_loopback(request.host),
        single_sign_on=parts().settings.console_oidc_issuer is not None,
        next=request.args.get("next"),
    )


def _invitation(name: str, error: str | None = None) -> str:
    if users.get(parts(), name) is None:
        abort(404)
    return render_template("sign_in_invitation.html", name=name, error=error, least=passwords.LEAST_CHARACTERS)


def why_weak(weak: WeakPassword) -> str:
    """Return in the user's language why a password will not do, and what will."""
    match weak.why:
        case "too short":
            return _("Too short: take at least %(least)d characters.", least=passwords.LEAST_CHARACTERS)
        case "too long":
            return _("Too long: take at most %(most)d characters.", most=passwords.MOST_CHARACTERS)
        case "the name":
            return _("This is your name. Take something that nobody can guess.")
    return _("Many people take this password. Take something that nobody can guess, such as four words.")

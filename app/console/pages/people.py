"""People: who may come in, what they may do, and who came. For owners."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import activity
from app.admin.people import sessions, sign_in, users
from app.admin.people.users import LINK_LASTS, Role, User, UserError
from app.console.current import parts, user
from app.console.guard import allowed, is_loopback
from app.console.pages._page import Page
from app.console.texts import _, _l, _n

page = Page("people", _l("People"), place=90, role=Role.OWNER)

# Of the newest tries to sign in.
SIGN_INS = 50

Answer = str | tuple[str, int] | Response


@page.get("/people")
@allowed(Role.OWNER)
def index() -> str:
    return _list()


@page.post("/people")
@allowed(Role.OWNER)
def add() -> Answer:
    name = request.form.get("name", "").strip().lower()
    if users.NAME.fullmatch(name) is None:
        problem = _("Take up to 64 small letters, digits and . - _ @, with a letter or digit at both ends.")
        return _list(name, problem), 422
    if users.get(parts(), name) is not None:
        return _list(name, _("There is a user of this name already.")), 422
    role = _role()
    if _has_single_sign_on() and request.form.get("way_in") == "single-sign-on":
        users.add_for_single_sign_on(parts(), name, role)
        activity.note(parts(), user().name, "add user", name, role=role)
        return _done(name, _("%(name)s may come in with single sign-on.", name=name))
    secret = users.add(parts(), name, role)
    activity.note(parts(), user().name, "add user", name, role=role)
    return _link(name, secret)


@page.get("/people/<name>")
@allowed(Role.OWNER)
def person(name: str) -> str:
    found = _found(name)
    return render_template(
        "people_person.html",
        person=found,
        sessions=sessions.every(parts(), name),
        roles=_roles(),
        own=name == user().name,
        single_sign_on=_has_single_sign_on(),
    )


@page.post("/people/<name>/role")
@allowed(Role.OWNER)
def change_role(name: str) -> Answer:
    before, role = _found(name).role, _role()
    try:
        users.set_role(parts(), name, role)
    except UserError:
        flash(_("%(name)s is the only owner. Make somebody else an owner first.", name=name), "problem")
        return redirect(url_for(".person", name=name), 303)
    activity.note(parts(), user().name, "change role", name, before=before, after=role)
    return _done(name, _("The role is changed; it counts from the next request on."))


@page.post("/people/<name>/disable")
@allowed(Role.OWNER)
def disable(name: str) -> Answer:
    if name == user().name:
        flash(_("You cannot keep yourself out. Another owner can."), "problem")
        return redirect(url_for(".person", name=name), 303)
    users.disable(parts(), _found(name).name)
    sessions.end_all(parts(), name)
    activity.note(parts(), user().name, "disable user", name)
    return _done(name, _("%(name)s may not come in any more.", name=name))


@page.post("/people/<name>/enable")
@allowed(Role.OWNER)
def enable(name: str) -> Answer:
    users.disable(parts(), _found(name).name, disabled=False)
    activity.note(parts(), user().name, "enable user", name)
    return _done(name, _("%(name)s may come in again.", name=name))


@page.post("/people/<name>/reset")
@allowed(Role.OWNER)
def reset(name: str) -> Answer:
    secret = users.reset(parts(), _found(name).name)
    sessions.end_all(parts(), name)
    activity.note(parts(), user().name, "reset user", name)
    return _link(name, secret)


@page.post("/people/<name>/single-sign-on")
@allowed(Role.OWNER)
def only_single_sign_on(name: str) -> Answer:
    """Let somebody in with single sign-on, and in no other way. Who is the only owner is kept out by no mistake so."""
    if not _has_single_sign_on():
        abort(404)
    if name == user().name:
        flash(_("Your own way in is changed by another owner: you could not come in again, if it fails."), "problem")
        return redirect(url_for(".person", name=name), 303)
    users.reset_for_single_sign_on(parts(), _found(name).name)
    sessions.end_all(parts(), name)
    activity.note(parts(), user().name, "reset user", name)
    return _done(name, _("%(name)s may come in with single sign-on.", name=name))


@page.post("/people/<name>/end-sessions")
@allowed(Role.OWNER)
def end_sessions(name: str) -> Answer:
    count = sessions.end_all(parts(), _found(name).name)
    activity.note(parts(), user().name, "end sessions", name)
    return _done(name, _n("One session is ended.", "%(num)d sessions are ended.", count))


def _list(name: str = "", problem: str | None = None) -> str:
    return render_template(
        "people.html",
        people=users.every(parts()),
        sign_ins=sign_in.newest(parts(), SIGN_INS),
        roles=_roles(),
        name=name,
        problem=problem,
        single_sign_on=_has_single_sign_on(),
        way_in=request.form.get("way_in", ""),
    )


def _link(name: str, secret: str) -> str:
    """Show a link that works once. It is not kept, and so shown in the answer to the form itself."""
    # A proxy in front ends TLS, so that the request itself does not tell that the browser's address is https.
    scheme = "http" if is_loopback(request.host) else "https"
    link = url_for("sign_in.invitation", name=name, secret=secret, _external=True, _scheme=scheme)
    return render_template("people_link.html", name=name, link=link, hours=int(LINK_LASTS.total_seconds() // 3600))


def _has_single_sign_on() -> bool:
    return parts().settings.console_oidc_issuer is not None


def _done(name: str, said: str) -> Response:
    flash(said, "good")
    return redirect(url_for(".person", name=name), 303)


def _found(name: str) -> User:
    return users.get(parts(), name) or abort(404)


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        abort(400)


def _roles() -> list[tuple[Role, str]]:
    return [
        (Role.VIEWER, _("viewer: sees everything")),
        (Role.OPERATOR, _("operator: moves money and repairs orders, too")),
        (Role.OWNER, _("owner: changes providers and people, too")),
    ]

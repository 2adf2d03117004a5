"""Before much money moves, whoever is signed in proves once more who they are: by password, or with single sign-on.

With single sign-on the browser goes to the issuer and comes back, so what was typed is kept meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from flask import request, session, url_for

from app.admin.people import sessions, sign_in
from app.admin.people.sign_in import Outcome
from app.admin.people.users import secret_digest
from app.console.current import parts, user, visitor
from app.console.guard import SECRET
from app.console.texts import _

# As long as a browser may take to come back.
KEPT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for: a password, or to go to `address` and come back. `error`: what was given will not do."""

    address: str | None
    error: str | None = None


def asked(back: str, typed: Mapping[str, str] | None = None, error: str | None = None) -> Asked | None:
    """Return what to ask whoever is signed in; None where they have just proved it.

    `back`: the address of the form, `typed`: what stands in it.
    """
    if not user().has_single_sign_on:
        return Asked(None, error)
    if error is None and sessions.is_proved(parts(), own_session()):
        return None
    if typed is not None:
        name = secrets.token_urlsafe(16)
        parts().documents.note(_note(name), {"user": user().name, "at": back, "form": dict(typed)}, KEPT)
        back = f"{back}?kept={name}"
    return Asked(url_for("single_sign_on.again", next=back), error)


def kept() -> Mapping[str, str] | None:
    """Return what this person had typed into the form at this address before they went to prove who they are."""
    found = parts().documents.noted(_note(request.args.get("kept", "")))
    here = f"{request.script_root}{request.path}"
    if found is None or (found["user"], found["at"]) != (user().name, here):
        return None
    return cast("Mapping[str, str]", found["form"])


def problem() -> str | None:
    """Return why the form that was sent does not prove who sent it; None where it does, for this once."""
    if user().has_single_sign_on:
        if sessions.use_proof(parts(), own_session()):
            return None
        return _("Sign in once more first: this has not been proved in the last minutes.")
    return wrong_password(request.form.get("password", ""))


def wrong_password(password: str) -> str | None:
    """Return what is wrong with a password, None where it is that of whoever is signed in."""
    match sign_in.prove(parts(), user().name, password, "", visitor(), again=True):
        case Outcome.DONE:
            return None
        case Outcome.WAIT:
            return _("Too many tries. Wait a minute, then try again.")
    return _("This is not your password.")


def own_session() -> str:
    """Return the id of the session of whoever asks."""
    return secret_digest(cast("str", session[SECRET]))


def _note(name: str) -> str:
    return f"form:{secret_digest(name)}"

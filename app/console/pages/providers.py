"""Providers: what each can do, which stores use which key, whether it works; and what an owner changes there."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import activity
from app.admin.people.users import Role
from app.admin.providers import credentials, listing, work
from app.admin.providers.checks import check_provider
from app.admin.providers.credentials import InUse
from app.admin.providers.listing import Provider
from app.admin.providers.plans import Plan, RegistrationFailed, known_pair, plan_registration, plan_removal
from app.admin.providers.provider_file import NOT_EDITED, EditRefused, ProviderFile
from app.admin.providers.registration import VTEX_KEYS, has_keys, open_hub, register, unregister
from app.admin.providers.work import FAILURES, Progress
from app.console.current import parts, user
from app.console.guard import allowed
from app.console.pages._page import Page
from app.console.texts import _, _l
from app.ledger.errors import LedgerUnavailable
from app.parts import Parts

page = Page("providers", _l("Providers"), place=50)

Answer = str | tuple[str, int] | Response

# Of the newest entries of the activity, those that are about the provider are shown.
ACTIVITY_READ, ACTIVITY_SHOWN = 1000, 20

CAPABILITIES = {
    "adds_value": _l("adds value to cards"),
    "issues": _l("makes new cards"),
    "finds_by_customer": _l("finds the cards of a customer"),
    "rules": _l("has rules for what a card pays"),
    "keeps_terms": _l("keeps a card's owner and limits"),
    "statement": _l("lists what happened, so that it can be compared"),
    "lists_cards": _l("lists its cards"),
    "repeatable": _l("does what is asked twice only once"),
    "checks_credentials": _l("tells whether its credentials are right"),
}


@dataclass(frozen=True, slots=True)
class Keys:
    """A store's keys for this one act: typed, or those in the service's environment. Kept nowhere."""

    account: str
    environment: dict[str, str] = field(repr=False)

    @classmethod
    def sent(cls) -> Keys:
        typed = {name: request.form.get(name, "").strip() for name in VTEX_KEYS}
        # One that is typed is of no use with the other of another store.
        chosen = typed if any(typed.values()) else {}
        return cls(request.form.get("account", "").strip(), {**os.environ, **chosen})


@page.get("/providers")
@allowed(Role.VIEWER)
def index() -> str:
    found, problem = [], ""
    for provider in parts().registry.all():
        stores: list[listing.Store] = []
        try:
            stores = listing.stores(_file(), provider.id)
        except EditRefused as error:
            problem = str(error)
        found.append((provider, stores))
    return render_template("providers.html", found=found, problem=problem)


@page.get("/providers/<provider>")
@allowed(Role.VIEWER)
def one(provider: str) -> str:
    return _one(_provider(provider))


@page.post("/providers/<provider>/check")
@allowed(Role.OPERATOR)
def check(provider: str) -> Answer:
    """Every check of the command line. It calls the backend and the public address, so a viewer does not start it."""
    found, token, pair = _provider(provider), request.form.get("app_token", ""), None
    if token:
        try:
            pair = known_pair(found, token)
        except RegistrationFailed as error:
            return _one(found, token_problem=str(error)), 422
    checks = list(check_provider(_file(), found.id, redis=parts().connection, pair=pair))
    return render_template("providers_checks.html", provider=found, checks=checks)


@page.get("/providers/<provider>/check")
@allowed(Role.OPERATOR)
def checked(provider: str) -> Response:
    """Where a reload of what was checked leads."""
    return redirect(url_for(".one", provider=_provider(provider).id), 303)


@page.get("/providers/<provider>/rotate")
@allowed(Role.OWNER)
def ask_rotate(provider: str) -> str:
    return render_template("providers_rotate.html", provider=_provider(provider))


@page.post("/providers/<provider>/rotate")
@allowed(Role.OWNER)
def rotate(provider: str) -> Answer:
    found = _provider(provider)
    try:
        pair = _file().add_credentials(found.id)
    except NOT_EDITED as error:
        return _failed(found, error)
    activity.note(parts(), user().name, "add key", found.id, key=pair.app_key)
    # It is kept nowhere, and so shown in the answer to the form itself.
    return render_template("providers_pair.html", provider=found, app_key=pair.app_key, app_token=str(pair.app_token))


@page.get("/providers/<provider>/keys/<key>/revoke")
@allowed(Role.OWNER)
def ask_revoke(provider: str, key: str) -> Answer:
    found = _provider(provider)
    try:
        return _ask_revoke(found, key)
    except EditRefused as error:
        return _failed(found, error)


@page.post("/providers/<provider>/keys/<key>/revoke")
@allowed(Role.OWNER)
def revoke(provider: str, key: str) -> Answer:
    found = _provider(provider)
    try:
        stores = credentials.stores_using(_file(), found.id).get(key, ())
        credentials.revoke(_file(), found.id, key, even_if_used=request.form.get("even_if_used") == "yes")
    except InUse:
        return _ask_revoke(
            found, key, problem=_("Say that you mean it: payments of these stores fail from then on.")
        ), 422
    except NOT_EDITED as error:
        return _failed(found, error)
    activity.note(parts(), user().name, "revoke key", found.id, key=key, stores=", ".join(stores) or "-")
    flash(_("%(key)s is revoked: the service refuses it within a second or two.", key=key), "good")
    return redirect(url_for(".one", provider=found.id), 303)


@page.get("/providers/<provider>/register")
@allowed(Role.OWNER)
def ask_register(provider: str) -> str:
    found = _provider(provider)
    return _form(found, "register", request.args.get("account", ""), found.service_url or "")


@page.post("/providers/<provider>/register")
@allowed(Role.OWNER)
def send_register(provider: str) -> Answer:
    found, keys = _provider(provider), Keys.sent()
    address = request.form.get("service_url", "").strip()
    unreachable_ok = request.form.get("unreachable_ok") == "yes"
    file = _file()
    try:
        hub = open_hub(keys.account, keys.environment)
        plan = plan_registration(hub, file, found.id, service_url=address or None)
    except FAILURES as error:
        return _form(found, "register", keys.account, address, str(error)), 422
    if request.form.get("plan") != _digest(plan):
        return _confirm(found, "register", plan, address, unreachable_ok=unreachable_ok)
    who, all_parts = user().name, parts()

    def do(progress: Progress) -> tuple[str, ...]:
        done = register(plan, hub, file, progress=progress, unreachable_ok=unreachable_ok)
        _note(all_parts, who, "register", plan, f"{plan.service_url}, {done.app_key}")
        return done.others

    return _begin(found, plan, do)


@page.get("/providers/<provider>/unregister")
@allowed(Role.OWNER)
def ask_unregister(provider: str) -> str:
    return _form(_provider(provider), "unregister", request.args.get("account", ""))


@page.post("/providers/<provider>/unregister")
@allowed(Role.OWNER)
def send_unregister(provider: str) -> Answer:
    found, keys = _provider(provider), Keys.sent()
    try:
        hub = open_hub(keys.account, keys.environment)
        plan = plan_removal(hub, found.id)
    except FAILURES as error:
        return _form(found, "unregister", keys.account, problem=str(error)), 422
    if not plan.changes:
        flash(_("%(provider)s is not registered with %(store)s.", provider=found.id, store=plan.account), "note")
        return redirect(url_for(".one", provider=found.id), 303)
    if request.form.get("plan") != _digest(plan):
        return _confirm(found, "unregister", plan)
    who, all_parts = user().name, parts()

    def do(progress: Progress) -> tuple[str, ...]:
        unregister(plan, hub, progress=progress)
        _note(all_parts, who, "unregister", plan, "-")
        return ()

    return _begin(found, plan, do)


@page.get("/providers/<provider>/work/<name>")
@allowed(Role.OWNER)
def progress(provider: str, name: str) -> str:
    """How a registration stands; the page asks again by itself until it is over."""
    return render_template(
        "providers_work.html", provider=_provider(provider), work=work.found(parts().documents, name)
    )


def _one(provider: Provider, **more: object) -> str:
    file, keys, stores, problem = _file(), [], [], ""
    try:
        keys, stores = file.installed(provider.id), listing.stores(file, provider.id)
    except EditRefused as error:
        problem = str(error)
    entries = activity.newest(parts(), ACTIVITY_READ)
    return render_template(
        "providers_one.html",
        provider=provider,
        description=listing.described(provider),
        capabilities=CAPABILITIES,
        keys=keys,
        stores=stores,
        file=file.path,
        writable=file.is_writable(),
        problem=problem,
        in_force=list(listing.in_force(provider)),
        hidden=listing.HIDDEN,
        entries=[entry for entry in entries if entry.about == provider.id][:ACTIVITY_SHOWN],
        **more,
    )


def _ask_revoke(provider: Provider, key: str, problem: str = "") -> str:
    if key not in [pair.app_key for pair in _file().installed(provider.id)]:
        abort(404)
    stores = credentials.stores_using(_file(), provider.id).get(key, ())
    return render_template("providers_revoke.html", provider=provider, key=key, stores=stores, problem=problem)


def _form(provider: Provider, what: str, account: str, service_url: str = "", problem: str = "") -> str:
    return render_template(
        "providers_hub.html",
        provider=provider,
        what=what,
        account=account,
        service_url=service_url,
        problem=problem,
        has_keys=has_keys(),
    )


def _confirm(provider: Provider, what: str, plan: Plan, service_url: str = "", *, unreachable_ok: bool = False) -> str:
    return render_template(
        "providers_plan.html",
        provider=provider,
        what=what,
        plan=plan,
        digest=_digest(plan),
        changed="plan" in request.form,
        service_url=service_url,
        unreachable_ok=unreachable_ok,
        has_keys=has_keys(),
    )


def _begin(provider: Provider, plan: Plan, do: work.Do) -> Response:
    name = work.begin(parts().documents, provider.id, plan.account, do)
    return redirect(url_for(".progress", provider=provider.id, name=name), 303)


def _note(parts: Parts, who: str, what: str, plan: Plan, after: str) -> None:
    with suppress(LedgerUnavailable):  # it is done all the same
        activity.note(parts, who, what, plan.provider_id, store=plan.account, before=plan.registered, after=after)


def _digest(plan: Plan) -> str:
    """Stand for what somebody agrees to: where the Hub has changed meanwhile, it is another plan."""
    shown = (plan.provider_id, plan.account, plan.service_url, plan.changes, plan.steps, plan.warnings)
    return sha256(repr(shown).encode()).hexdigest()


def _failed(provider: Provider, error: Exception) -> Response:
    flash(_("Nothing was changed: %(reason)s", reason=str(error)), "problem")
    return redirect(url_for(".one", provider=provider.id), 303)


def _file() -> ProviderFile:
    return ProviderFile(parts().settings.providers)


def _provider(provider_id: str) -> Provider:
    return parts().registry.get(provider_id) or abort(404)

"""A sandbox of VTEX's Gift Card Hub: its API for stores, and what it does at a registered provider."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from mappers.base import Secret
from mappers.sandbox import CONTROL, create_sandbox
from providers.hub.client import EDIT, PATH, VIEW
from providers.hub.sandbox_model import Account, Hub, HubResult, parse, render

DEFAULT_PORT = 28750
APP_KEY = "vtexappkey-demo"
APP_TOKEN = "demo-vtex-token"  # noqa: S105 - opens nothing but this sandbox

# The account of a URL that names none.
DEFAULT_ACCOUNT = "demo"

SEEDS = {APP_KEY: f"the application key (VTEX_APP_KEY); its token (VTEX_APP_TOKEN) is {APP_TOKEN}"}

_ANY = ("GET", "PUT", "DELETE")


def create_app() -> Flask:
    """Return a Hub in which every account has only the native provider; it is `app.extensions["backend"]`.

    It is at `/api/giftcardproviders`, and below `/{account}` for GIFTBRIDGE_HUB_URL=http://127.0.0.1:28750/{account}.
    POST `/_sandbox/hub/{account}/{provider}/{act}` makes it act: search {code}, pay {card, value, requestId},
    settle and refund {card, transaction, value}, settlements and cancellations {card, transaction}, probe {}.
    """
    app = create_sandbox("hub")
    hub = Hub(APP_KEY, Secret(APP_TOKEN))
    app.extensions["backend"] = hub
    views = _Views(hub)
    for prefix, defaults in (("", {"account": DEFAULT_ACCOUNT}), ("/<account>", None)):
        app.add_url_rule(prefix + PATH, f"list{prefix}", views.list, defaults=defaults)
        app.add_url_rule(f"{prefix}{PATH}/<provider_id>", f"one{prefix}", views.one, defaults=defaults, methods=_ANY)
    app.add_url_rule(f"{CONTROL}hub/<account>/<provider_id>/<act>", "act", views.act, methods=["POST"])
    return app


class _Views:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def list(self, account: str) -> ResponseReturnValue:
        if refusal := self._refusal(VIEW):
            return refusal
        return _json(self._hub.account(account).listed())

    def one(self, account: str, provider_id: str) -> ResponseReturnValue:
        if refusal := self._refusal(VIEW if request.method == "GET" else EDIT):
            return refusal
        store = self._hub.account(account)
        try:
            match request.method:
                case "PUT":
                    return _json(store.put(provider_id, parse(request.get_data())))
                case "DELETE":
                    store.delete(provider_id)
                    return _json({})
            return _json(store.get(provider_id))
        except KeyError:
            message = "Object reference not set to an instance of an object."
            return _json({"error": {"code": "1", "message": message, "exception": None}}, 500)
        except ValueError as error:
            return _json({"error": {"code": "1", "message": str(error), "exception": None}}, 400)

    def act(self, account: str, provider_id: str, act: str) -> ResponseReturnValue:
        try:
            wanted = parse(request.get_data() or b"{}")
            outcome = _ACTS[act](self._hub.account(account), provider_id, wanted)
        except KeyError as error:
            return _json({"error": f"there is no {error}"}, 404)
        except (ValueError, DecimalException) as error:
            return _json({"error": str(error)}, 400)
        return _json(outcome.fields())

    def _refusal(self, resource: str) -> ResponseReturnValue | None:
        given = [request.headers.get(f"X-VTEX-API-App{name}", "").encode() for name in ("Key", "Token")]
        right = [self._hub.app_key.encode(), self._hub.app_token.encode()]
        if not all(hmac.compare_digest(*pair) for pair in zip(given, right, strict=True)):
            return _json({"error": {"code": "1", "message": "Access denied.", "exception": None}}, 401)
        if resource not in self._hub.resources:
            return _json({"error": {"code": "1", "message": "Forbidden.", "exception": None}}, 403)
        return None


def _probe(account: Account, provider_id: str, _: dict[str, Any]) -> HubResult:
    account.probe(provider_id)
    found = [probe for probe in account.probes if probe.provider_id == provider_id][-2:]
    return HubResult(200, {probe.what: probe.status for probe in found})


def _moved(kind: str) -> Callable[[Account, str, dict[str, Any]], HubResult]:
    return lambda account, provider_id, wanted: account.moves(provider_id, wanted["card"], wanted["transaction"], kind)


_ACTS: dict[str, Callable[[Account, str, dict[str, Any]], HubResult]] = {
    "probe": _probe,
    "search": lambda account, provider_id, wanted: account.search(
        provider_id, wanted.get("code"), wanted.get("client")
    ),
    "pay": lambda account, provider_id, wanted: account.pay(
        provider_id, wanted["card"], _value(wanted), wanted.get("requestId"), wanted.get("order", "v1-01")
    ),
    "settle": lambda account, provider_id, wanted: account.settle(
        provider_id, wanted["card"], wanted["transaction"], _value(wanted)
    ),
    "refund": lambda account, provider_id, wanted: account.refund(
        provider_id, wanted["card"], wanted["transaction"], _value(wanted)
    ),
    "settlements": _moved("settlements"),
    "cancellations": _moved("cancellations"),
}


def _value(wanted: dict[str, Any]) -> Decimal:
    return Decimal(str(wanted["value"]))


def _json(value: Any, status: int = 200) -> Response:
    return Response(render(value), status, mimetype="application/json")

"""The bare handler: the least that a service for this protocol does, and no safety at all.

Flask, all of VTEX's body through marshmallow, two tiny scripts, one call of the backend through requests. A search and
a get need no Redis: they make the one call. Nothing in it is slower than it must be.
"""

from __future__ import annotations

import os
from typing import Any

import redis
import requests
from flask import Flask, Response, jsonify, request
from marshmallow import EXCLUDE, Schema, fields

BACKEND = os.environ["BENCH_BACKEND"]
TIMEOUT_SECONDS = 5

_BEGIN = "redis.call('HSET', KEYS[1], 'state', 'pending', 'amount', ARGV[1]) return 1"
_DONE = "redis.call('HSET', KEYS[1], 'state', 'done') return 1"


class _Lenient(Schema):
    class Meta:
        unknown = EXCLUDE


class _Item(_Lenient):
    id = fields.String(allow_none=True)
    ref_id = fields.String(data_key="refId", allow_none=True)
    name = fields.String(allow_none=True)
    value = fields.Decimal(allow_none=True)
    price = fields.Decimal(allow_none=True)
    quantity = fields.Integer(allow_none=True)
    shipping_discount = fields.Decimal(data_key="shippingDiscount", allow_none=True)
    discount = fields.Decimal(allow_none=True)
    price_tags = fields.List(fields.Raw(), data_key="priceTags", allow_none=True)


class _Cart(_Lenient):
    items = fields.List(fields.Nested(_Item), allow_none=True)
    redemption_code = fields.String(data_key="redemptionCode", allow_none=True)
    grand_total = fields.Decimal(data_key="grandTotal", allow_none=True)
    discounts = fields.Decimal(allow_none=True)
    shipping = fields.Decimal(allow_none=True)
    taxes = fields.Decimal(allow_none=True)
    items_total = fields.Decimal(data_key="itemsTotal", allow_none=True)


class _Client(_Lenient):
    email = fields.String(allow_none=True)
    first_name = fields.String(data_key="firstName", allow_none=True)
    last_name = fields.String(data_key="lastName", allow_none=True)
    document = fields.String(allow_none=True)
    document_type = fields.String(data_key="documentType", allow_none=True)
    phone = fields.String(allow_none=True)
    birth_date = fields.String(data_key="birthDate", allow_none=True)
    is_corporate = fields.Boolean(data_key="isCorporate", allow_none=True)


class _Order(_Lenient):
    order_id = fields.String(data_key="orderId", allow_none=True)
    sequence = fields.Raw(allow_none=True)
    cart = fields.Nested(_Cart)
    client = fields.Nested(_Client, data_key="clientProfile")
    shipping = fields.Dict(allow_none=True)


class _Transaction(_Lenient):
    operation = fields.String(required=True)
    value = fields.Decimal(required=True)
    description = fields.String(allow_none=True)
    redemption_token = fields.String(data_key="redemptionToken", allow_none=True)
    redemption_code = fields.String(data_key="redemptionCode", allow_none=True)
    request_id = fields.String(data_key="requestId", required=True)
    order = fields.Nested(_Order, data_key="orderInfo")


class _Search(_Lenient):
    client = fields.Nested(_Client)
    cart = fields.Nested(_Cart, required=True)


class _Made(Schema):
    card_id = fields.String(data_key="cardId")
    id = fields.String()


class _Found(Schema):
    id = fields.String()
    balance = fields.Float()


app = Flask(__name__)
_storage = redis.Redis.from_url(os.environ["BENCH_REDIS"], max_connections=256)
_begin, _done = _storage.register_script(_BEGIN), _storage.register_script(_DONE)
_session = requests.Session()
_session.trust_env = False
_session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=256))
_transaction, _search, _made, _found = _Transaction(), _Search(), _Made(), _Found()


@app.post("/bench/giftcards/<card_id>/transactions")
def authorize(card_id: str) -> Response:
    body: Any = _transaction.load(request.get_json())
    key = f"bare:{card_id}:{body['request_id']}"
    amount = int(body["value"] * 100)
    _begin(keys=[key], args=[amount])
    answer = _session.post(
        f"{BACKEND}/bare", json={"id": body["request_id"], "amount": amount}, timeout=TIMEOUT_SECONDS
    )
    answer.raise_for_status()
    _done(keys=[key])
    return jsonify(_made.dump({"card_id": card_id, "id": answer.json()["id"]}))


@app.post("/bench/giftcards/_search")
def search() -> Response:
    body: Any = _search.load(request.get_json())
    code = body["cart"]["redemption_code"]
    answer = _session.get(f"{BACKEND}/v2/values", params={"code": code}, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    return jsonify(_found.dump([_card(value) for value in answer.json()], many=True))


@app.get("/bench/giftcards/<card_id>")
def get(card_id: str) -> Response:
    answer = _session.get(f"{BACKEND}/v2/values/{card_id}", timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    return jsonify(_found.dump(_card(answer.json())))


def _card(value: Any) -> dict[str, Any]:
    return {"id": value["id"], "balance": value["balance"] / 100}

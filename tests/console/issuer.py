"""A small OpenID Connect issuer on this machine: it signs with RS256, and tells a lie where a test wants one."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Flask, redirect, request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from markupsafe import escape
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

CLIENT_ID = "giftbridge-console"
CLIENT_SECRET = "a secret of this test"


@dataclass
class Issuer:
    """`claims` are of whoever signs in; `told` changes those of the token, `header` its head, `key` what signs it.

    `asks_people`: it shows a page with something to click, as real ones do.
    """

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    own_key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    key: RSAKey | OctKey | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    signed_in_at: int | None = None
    asks_people: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def is_somebody(self, name: str, subject: str = "subject-of-ana", **more: Any) -> None:
        self.claims = {"sub": subject, "email": name, "email_verified": True, **more}

    def token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        if "max_age" in asked:
            claims["auth_time"] = now if self.signed_in_at is None else self.signed_in_at
        claims |= self.claims | self.told
        known = {name: value for name, value in claims.items() if value is not None}
        if self.header["alg"] == "none":
            return ".".join((*(_base64(json.dumps(part).encode()) for part in (self.header, known)), ""))
        return str(jwt.encode(self.header, known, self.key or self.own_key, algorithms=["RS256", "HS256"]))


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Serve an issuer. It is at localhost, and the console at 127.0.0.1: two sites to a browser."""
    issuer = Issuer()
    server = make_server("127.0.0.1", 0, _app(issuer), threaded=True)
    server.log_startup = lambda: None  # type: ignore[method-assign]
    issuer.url = f"http://localhost:{server.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _app(issuer: Issuer) -> Flask:
    app = Flask(__name__)

    @app.get("/.well-known/openid-configuration")
    def about() -> dict[str, Any]:
        return {
            "issuer": issuer.url,
            "authorization_endpoint": f"{issuer.url}/authorize",
            "token_endpoint": f"{issuer.url}/token",
            "jwks_uri": f"{issuer.url}/keys",
        } | issuer.metadata

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [issuer.own_key.as_dict(private=False)]}

    @app.get("/authorize")
    def authorize() -> Response | str:
        asked = request.args.to_dict()
        issuer.asked.append(asked)
        code = secrets.token_urlsafe(8)
        issuer.codes[code] = asked
        back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        return f'<a href="{escape(back)}">It is me</a>' if issuer.asks_people else redirect(back)

    @app.post("/token")
    def token() -> tuple[dict[str, Any], int]:
        form = request.form
        asked = issuer.codes.pop(form["code"], None)
        challenge = _base64(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked is None or challenge != asked["code_challenge"]:
            return {"error": "invalid_grant"}, 400
        if form["redirect_uri"] != asked["redirect_uri"]:
            return {"error": "invalid_grant"}, 400
        basic = request.authorization
        client = (basic.username, basic.password) if basic else (form.get("client_id"), form.get("client_secret"))
        if client not in ((CLIENT_ID, CLIENT_SECRET), (CLIENT_ID, CLIENT_SECRET.replace(" ", "+"))):
            return {"error": "invalid_client"}, 401
        return {"access_token": "x", "token_type": "Bearer", "id_token": issuer.token(asked)}, 200

    return app

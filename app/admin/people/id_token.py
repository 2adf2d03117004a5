"""What an OpenID Connect issuer signed, checked by Authlib: imported only where single sign-on is set up."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

# Signed with a key that only the issuer has: never with one that we have too, and never not at all.
ALGORITHMS = ["RS256", "PS256", "ES256"]


class WrongToken(Exception):
    """The token proves nothing; the message says why, without what is in it."""


def address_to_ask(endpoint: str, client_id: str, redirect_uri: str, *, verifier: str, **more: str | int) -> str:
    """Return where a browser asks for a code that only whoever has the `verifier` can use."""
    challenge = create_s256_code_challenge(verifier)
    asked = {"code_challenge": challenge, "code_challenge_method": "S256", **{name: str(more[name]) for name in more}}
    return str(prepare_grant_uri(endpoint, client_id, "code", redirect_uri, "openid profile email", **asked))


def checked(token: str, keys: Any, *, issuer: str, client_id: str, nonce: str, leeway_seconds: int) -> dict[str, Any]:
    """Return the claims of an id token: from this issuer, for this client, in time, for this sign-in.

    `leeway_seconds`: what clocks may differ. Raises WrongToken.
    """
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
            params={"nonce": nonce, "client_id": client_id},
        )
        claims.validate(leeway=leeway_seconds)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise WrongToken(f"{type(error).__name__}: {error}") from error
    return dict(claims)

"""The headers that carry a provider's credentials, and the name of the call."""

from __future__ import annotations

import re
import uuid

from werkzeug.datastructures import Headers

from app.protocol.errors import CredentialsRefused
from providers.provider import Provider
from providers.registry import Registry

APP_KEY_HEADER = "X-PROVIDER-API-AppKey"
APP_TOKEN_HEADER = "X-PROVIDER-API-AppToken"  # noqa: S105 - the name of a header
OPERATION_ID_HEADER = "x-vtex-operation-id"

# A UUID has 36 characters; twice that leaves room for other schemes and none for stuffing our logs.
CORRELATION_ID_MAXIMUM_LENGTH = 72

_NOT_IN_CORRELATION_IDS = re.compile(r"[^A-Za-z0-9._-]")


def authenticate(registry: Registry, provider_id: str, headers: Headers) -> Provider:
    """Return the provider that these request headers may speak to.

    Raises CredentialsRefused: 401 where a credential is missing or empty, 403 where one is wrong. An unknown provider
    is answered like a wrong credential, so that nobody can list the ids we have.
    """
    app_key = headers.get(APP_KEY_HEADER, "").strip()
    app_token = headers.get(APP_TOKEN_HEADER, "").strip()
    if not app_key or not app_token:
        raise CredentialsRefused(401)
    provider = registry.get(provider_id)
    if provider is None or not provider.authenticate(app_key, app_token):
        raise CredentialsRefused(403)
    return provider


def correlation_id(headers: Headers) -> str:
    """Return the name of this call in our logs: VTEX's operation id, made harmless, or a new one."""
    sent = _NOT_IN_CORRELATION_IDS.sub("", headers.get(OPERATION_ID_HEADER, ""))
    return sent[:CORRELATION_ID_MAXIMUM_LENGTH] or str(uuid.uuid4())

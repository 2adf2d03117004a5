"""The Gift Card Hub API: lists, registers and removes the gift card providers of one store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mappers.base import InvalidOptions, Secret
from mappers.deadline import Deadline
from mappers.exact_json import encode
from mappers.http.addresses import checked_base_url
from mappers.http.headers import retry_after_seconds
from providers.hub.calls import HttpClient, NoReply, Reply

# VTEX's own provider; every account starts with it.
NATIVE = "VtexGiftCard"

DEFAULT_ADDRESS = "https://{account}.vtexcommercestable.com.br"
PATH = "/api/giftcardproviders"
MEDIA_TYPE = "application/vnd.vtex.giftcardproviders.v1+json"
PAGE_SIZE = 50

# One attempt, and all attempts of one call together.
ATTEMPT_SECONDS = 15.0
CALL_SECONDS = 60.0

# Between attempts; a Retry-After may ask for more.
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)

# License Manager resources by what a call does (VTEX's OpenAPI document of the Gift Card Hub API, "Permissions").
VIEW = "View Gift Card providers"
EDIT = "Edit Gift Card providers"

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_SHOWN_REASON_CHARACTERS = 200


class HubError(Exception):
    """The Hub did not do it. The message says what to do. `maybe_done`: an attempt before may have succeeded."""

    def __init__(self, message: str, *, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class HubMisconfigured(HubError):
    """The address, the account or the keys cannot be used."""


class HubUnavailable(HubError):
    """No usable answer in the time there is; repeating it later may help, and is safe."""


class HubRefused(HubError):
    """VTEX said no; repeating it will not help."""

    def __init__(self, status: int, message: str, *, maybe_done: bool = False) -> None:
        super().__init__(message, maybe_done=maybe_done)
        self.status = status


@dataclass(frozen=True, slots=True)
class Registration:
    """What the Hub keeps of one provider: `fields` are its JSON, so that nothing is lost when it is sent back."""

    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, provider_id: str, service_url: str, caption: str, app_key: str, app_token: str) -> Registration:
        """Return what is registered for a provider. Any other oauthProvider than "vtex" breaks the checkout."""
        return cls(
            {
                "id": provider_id,
                "serviceUrl": service_url,
                "oauthProvider": "vtex",
                "preAuthEnabled": True,
                "cancelEnabled": True,
                "appKey": app_key,
                "appToken": Secret(app_token),
                "caption": caption,
            }
        )

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def service_url(self) -> str:
        return str(self.fields.get("serviceUrl") or "")

    @property
    def app_key(self) -> str | None:
        """The app key, where the Hub shows it: not every version does."""
        return self.fields.get("appKey")

    def __repr__(self) -> str:
        return f"Registration({self.id!r})"


class GiftCardHub:
    """The Hub of one account, spoken to with the store's own keys. Every method raises HubError."""

    def __init__(
        self,
        address: str,
        account: str,
        app_key: str | None,
        app_token: str | None,
        *,
        call_seconds: float = CALL_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`address` may hold {account}. Raises HubMisconfigured, which names the variable to set."""
        if not _ACCOUNT.fullmatch(account):
            raise HubMisconfigured("the account must be the store's name in VTEX: letters, digits and -")
        for variable, value in (("VTEX_APP_KEY", app_key), ("VTEX_APP_TOKEN", app_token)):
            if not value:
                raise HubMisconfigured(f"{variable} is not set: set it to an application key of the account {account}")
            if not value.isascii() or not value.isprintable() or value != value.strip():
                raise HubMisconfigured(f"{variable} has a character that cannot be sent: copy it again from VTEX")
        try:
            self.url = checked_base_url(address.replace("{account}", account)) + PATH
        except InvalidOptions as error:
            message = str(error).replace("base_url", "GIFTBRIDGE_HUB_URL")
            raise HubMisconfigured(message) from error
        self.account = account
        self._keys = {"X-VTEX-API-AppKey": Secret(app_key), "X-VTEX-API-AppToken": Secret(app_token)}
        self._call_seconds = call_seconds
        self._pause = pause
        self._http = HttpClient()

    def __repr__(self) -> str:
        return f"GiftCardHub({self.account!r})"

    def list(self) -> tuple[Registration, ...]:
        """Return all providers of the account."""
        found: dict[str, Registration] = {}
        while True:
            first = len(found)
            page = self._page({"REST-Range": f"resources={first}-{first + PAGE_SIZE - 1}"})
            found |= {registration.id: registration for registration in page if registration.id not in found}
            # A Hub that ignores the range answers the same again, and nothing new ends it as well.
            if len(page) < PAGE_SIZE or len(found) == first:
                return tuple(found.values())

    def get(self, provider_id: str) -> Registration | None:
        """Return one provider, None where the account has none of this id."""
        reply = self._call("GET", self._at(provider_id), VIEW, final=(404, 500))
        if reply.status in (404, 500):
            # The Hub answers 500 for an id it does not know: only the list tells that from a failure.
            return self._listed(provider_id)
        return _registration(_json(reply))

    def put(self, registration: Registration) -> None:
        """Register a provider, or change it. Repeated until it is certain or the time is over."""
        self._call("PUT", self._at(registration.id), EDIT, body=registration.fields)

    def delete(self, provider_id: str) -> None:
        """Remove a provider; one that is not there is removed already."""
        reply = self._call("DELETE", self._at(provider_id), EDIT, final=(404, 500))
        if reply.status in (404, 500) and self._listed(provider_id) is not None:
            self._call("DELETE", self._at(provider_id), EDIT)

    def _listed(self, provider_id: str) -> Registration | None:
        return next((registration for registration in self.list() if registration.id == provider_id), None)

    def _page(self, headers: Mapping[str, str]) -> Sequence[Registration]:
        rows = _json(self._call("GET", self.url, VIEW, headers=headers))
        if not isinstance(rows, list):
            raise HubUnavailable(f"{self._name} answered something else than a list of providers: try again later")
        return [_registration(row) for row in rows]

    @property
    def _name(self) -> str:
        return f"VTEX's Gift Card Hub of {self.account}"

    def _at(self, provider_id: str) -> str:
        return f"{self.url}/{quote(provider_id, safe='')}"

    def _call(
        self,
        method: str,
        url: str,
        resource: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        final: tuple[int, ...] = (),
    ) -> Reply:
        """Call until there is an answer: 2xx, or a status in `final`. Every call of this API may be repeated."""
        sent = {"Accept": "application/json", **self._keys, **(headers or {})}
        content = None
        if body is not None:
            sent["Content-Type"] = MEDIA_TYPE
            content = encode(body).encode()
        deadline = Deadline.after(self._call_seconds)
        maybe_done = False
        for pause in (*PAUSES_SECONDS, None):
            wanted_pause, cause = pause or 0.0, None
            try:
                reply = self._http.call(
                    method, url, headers=sent, content=content, deadline=deadline.sooner(ATTEMPT_SECONDS)
                )
            except NoReply as error:
                reason, cause = str(error), error
                maybe_done |= error.sent and method != "GET"
            else:
                if reply.status in final or 200 <= reply.status < 300:
                    return reply
                if reply.status < 500 and reply.status not in (408, 429):
                    raise self._refusal(reply, resource, body, maybe_done=maybe_done)
                reason = f"status {reply.status}"
                maybe_done |= reply.status != 429 and method != "GET"
                wanted_pause = max(wanted_pause, retry_after_seconds(reply.headers) or 0.0)
            if pause is None or wanted_pause >= deadline.remaining_seconds():
                break
            self._pause(wanted_pause)
        when = f"in {wanted_pause:.0f} s" if wanted_pause > 1 else "later"
        raise HubUnavailable(
            f"{self._name} cannot be used ({reason}): try again {when}", maybe_done=maybe_done
        ) from cause

    def _refusal(self, reply: Reply, resource: str, body: Mapping[str, Any] | None, *, maybe_done: bool) -> HubRefused:
        match reply.status:
            case 401:
                message = (
                    f"{self._name} does not accept the keys (401): VTEX_APP_KEY and VTEX_APP_TOKEN must be an active "
                    f"application key of the account {self.account}"
                )
            case 403:
                message = (
                    f"VTEX_APP_KEY may not do this on {self.account} (403): give it a role with the License Manager "
                    f'resource "{resource}" (product GiftCard). No predefined role has it: make one of your own; '
                    f'registering needs "{VIEW}" and "{EDIT}"'
                )
            case status if status < 400:
                message = f"{self._name} answers with a redirect ({status}): check the account and GIFTBRIDGE_HUB_URL"
            case status:
                hidden = [*self._keys.values(), str((body or {}).get("appToken") or "")]
                message = f"{self._name} refuses this ({status}): {_shown(reply, hidden)}"
        return HubRefused(reply.status, message, maybe_done=maybe_done)


def _registration(row: Any) -> Registration:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise HubUnavailable("VTEX's Gift Card Hub answered something else than a provider: try again later")
    fields = {name: value for name, value in row.items() if name != "_self"}
    if fields.get("appToken"):
        fields["appToken"] = Secret(fields["appToken"])
    return Registration(fields)


def _json(reply: Reply) -> Any:
    try:
        return reply.json()
    except ValueError as error:
        raise HubUnavailable("VTEX's Gift Card Hub answered something else than JSON: try again later") from error


def _shown(reply: Reply, hidden: list[str]) -> str:
    """Return the start of an answer, made harmless, for a person to read."""
    text = " ".join(reply.content.decode("utf-8", "replace").split())
    for secret in filter(None, hidden):
        text = text.replace(secret, "***")
    return "".join(filter(str.isprintable, text))[:_SHOWN_REASON_CHARACTERS] or "without a reason"

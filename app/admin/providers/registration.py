"""Registers a provider with a store's Gift Card Hub, in steps that may be cut off anywhere and be done again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.admin.providers.plans import SECRET_FIELDS, Plan, RegistrationFailed, Step, find, text_of, to_protect
from app.admin.providers.probe import Patience, wait_until_accepted
from app.admin.providers.provider_file import EditRefused, Pair, ProviderFile
from providers.hub.client import DEFAULT_ADDRESS, NATIVE, GiftCardHub, HubRefused, Registration

# A run of register is over by then, and nothing it sent can still arrive at the Hub.
QUIET = timedelta(minutes=10)

# How long the Hub may take to show what it accepted.
VERIFY_SECONDS = 10.0

# What the Hub must show as it was sent. It need not show keys, and shows no token.
VERIFIED = ("serviceUrl", "oauthProvider", "preAuthEnabled", "cancelEnabled", "appKey")

# What holds a store's own keys, in the environment.
VTEX_KEYS = ("VTEX_APP_KEY", "VTEX_APP_TOKEN")

Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Registered:
    """What register did. `removed` were pairs of interrupted runs; `interrupted` are such that are too young to go;
    `others` are all other accepted keys: revoke those that no store uses any more."""

    app_key: str
    fresh: bool
    removed: tuple[str, ...]
    interrupted: tuple[str, ...]
    others: tuple[str, ...]


def open_hub(account: str, environment: Mapping[str, str] | None = None) -> GiftCardHub:
    """Return the Hub of a store, by its address and keys in the environment. Raises HubMisconfigured."""
    values = os.environ if environment is None else environment
    address = values.get("GIFTBRIDGE_HUB_URL") or DEFAULT_ADDRESS
    return GiftCardHub(address, account, *map(values.get, VTEX_KEYS))


def has_keys() -> bool:
    """Tell whether this process has a store's keys in its environment."""
    return all(map(os.environ.get, VTEX_KEYS))


def register(
    plan: Plan,
    hub: GiftCardHub,
    file: ProviderFile,
    *,
    progress: Progress = lambda _: None,
    patience: Patience | None = None,
    unreachable_ok: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Registered:
    """Carry a plan out. Cut off anywhere, the store has either what it had or the new pair, and both are accepted.

    Raises HubError, EditRefused, InvalidProviders, NotAccepted, RegistrationFailed.
    """
    provider_id = plan.provider_id
    if plan.wanted is None:
        raise RegistrationFailed("this is a plan to remove, not to register")
    _expect_unchanged(plan, hub, progress)
    pair = plan.pair
    if pair is None:
        progress(Step.INSTALL)
        pair = file.add_credentials(provider_id, {plan.account: _whole_second(now())})
    told = False
    try:
        progress(Step.ACCEPT)
        wait_until_accepted(plan.service_url, pair, patience or Patience(), unreachable_ok=unreachable_ok)
        if native := to_protect(plan.before):
            progress(Step.PROTECT)
            hub.put(native)
        sent = Registration.of(provider_id, plan.service_url, plan.wanted.caption, pair.app_key, pair.app_token)
        progress(Step.PUT)
        told = True
        hub.put(sent)
    except Exception as error:
        if plan.pair is None and (not told or (isinstance(error, HubRefused) and not error.maybe_done)):
            # The Hub certainly has not got it. Left in place it would do no harm either.
            with suppress(EditRefused):
                file.remove_credentials(provider_id, pair.app_key)
        raise
    _verify(hub, plan, sent, progress)
    progress(Step.RECORD)
    _record(file, plan, pair, now())
    progress(Step.TIDY)
    return _tidy(file, plan, pair, now())


def unregister(plan: Plan, hub: GiftCardHub, *, progress: Progress = lambda _: None) -> None:
    """Carry a plan of `plan_removal` out; providers.toml is left as it is. Raises HubError, RegistrationFailed."""
    _expect_unchanged(plan, hub, progress)
    if not plan.changes:
        return
    progress(Step.DELETE)
    hub.delete(plan.provider_id)
    _verify(hub, plan, None, progress)


# The steps.


def _expect_unchanged(plan: Plan, hub: GiftCardHub, progress: Progress) -> None:
    progress(Step.READ)
    if hub.list() != plan.before:
        raise RegistrationFailed(f"the providers of {plan.account} have changed meanwhile: start again")


def _verify(hub: GiftCardHub, plan: Plan, sent: Registration | None, progress: Progress) -> None:
    """Wait until the Hub shows what it should, the native provider included."""
    progress(Step.VERIFY)
    native = find(plan.before, NATIVE)
    restored = False
    give_up_at = time.monotonic() + VERIFY_SECONDS
    while True:
        listed = hub.list()
        if native and not restored and not _shows(find(listed, NATIVE), native, tuple(native.fields)):
            progress(Step.RESTORE)
            hub.put(native)
            restored = True
            continue
        wrong = _wrong(listed, plan, sent, native)
        if not wrong:
            return
        if time.monotonic() > give_up_at:
            raise RegistrationFailed(
                f"the Hub of {plan.account} does not show what was sent ({', '.join(wrong)}): look at it in VTEX, then "
                "run this again; no credentials were removed"
            )
        time.sleep(min(0.5, VERIFY_SECONDS / 10))


def _wrong(
    listed: Sequence[Registration], plan: Plan, sent: Registration | None, native: Registration | None
) -> list[str]:
    """Return what is not as it should be, as words."""
    found = find(listed, plan.provider_id)
    wrong = []
    if sent is None and found is not None:
        wrong.append(f"{plan.provider_id} is still there")
    if sent is not None and found is None:
        wrong.append(f"{plan.provider_id} is not there")
    if sent is not None and found is not None:
        wrong += [name for name in VERIFIED if not _shows(found, sent, (name,))]
    if native and not _shows(find(listed, NATIVE), native, tuple(native.fields)):
        wrong.append(f"{NATIVE} is not what it was")
    return wrong


def _shows(found: Registration | None, sent: Registration, names: Iterable[str]) -> bool:
    """Tell whether `found` agrees with `sent` in these fields, as far as the Hub shows them."""
    if found is None:
        return False
    for name in names:
        hidden = name in SECRET_FIELDS or (name == "appKey" and name not in found.fields)
        wanted = None if hidden else sent.fields.get(name)
        if wanted is not None and text_of(found.fields.get(name)) != text_of(wanted):
            return False
    return True


def _record(file: ProviderFile, plan: Plan, pair: Pair, now: datetime) -> None:
    file.record_registration(plan.provider_id, pair.app_key, plan.account, _whole_second(now))
    if plan.wanted is not None and plan.wanted.service_url != plan.service_url:
        file.set_service_url(plan.provider_id, plan.service_url)


def _tidy(file: ProviderFile, plan: Plan, pair: Pair, now: datetime) -> Registered:
    """Remove the pairs that earlier, interrupted runs for this account left, now that the Hub has a newer one."""
    removed, interrupted, others = [], [], []
    for installed in file.installed(plan.provider_id):
        if installed.app_key == pair.app_key:
            continue
        since = installed.pending.get(plan.account)
        if since is None or installed.registered:
            others.append(installed.app_key)
        elif now - since < QUIET:
            interrupted.append(installed.app_key)
        else:
            file.remove_credentials(plan.provider_id, installed.app_key)
            removed.append(installed.app_key)
    return Registered(pair.app_key, plan.pair is None, tuple(removed), tuple(interrupted), tuple(others))


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)

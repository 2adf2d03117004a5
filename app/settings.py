"""Every setting of the service: name, default and reason; read from the environment once, and checked at boot."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from email.utils import parseaddr
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any, Self, cast

from environs import Env, EnvValidationError, ValidationError, validate

from app.ledger.storage.clients import SCHEMES
from mappers.base import InvalidOptions
from mappers.http.addresses import checked_base_url
from providers.provider import parse_duration
from providers.secret_files import UnusableSecret, read_secret

PREFIX = "GIFTBRIDGE_"

# After the name of a setting that is a secret: the variable names the file that the secret stands in.
FILE = "_FILE"

# The Hub cuts every call here and tells the merchant that the credentials were wrong.
HUB_TIMEOUT_SECONDS = 15

# Of a token that guards something, in characters.
LEAST_TOKEN = 16

# What settings were called before.
RENAMED = {
    "store_timeout_seconds": "redis_timeout_seconds",
    "store_replicas": "redis_replicas",
    "allow_unsafe_store": "redis_allow_unsafe",
}

# Variables that others than the service read.
ELSEWHERE = (f"{PREFIX}HUB_URL",)

# How alike the name of a setting another one is that was meant to be it: 1 is equal.
NEAR_MISS = 0.8

_BIND = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(?P<port>[0-9]{1,5})")


class InvalidSettings(ValueError):
    """The environment cannot be used. `problems` has one line for each mistake: the variable, and what to do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def home(variable_name: str, otherwise: str) -> Path:
    """Return one of a user's folders, by the XDG Base Directory Specification: a relative one is no answer."""
    named = Path(os.environ.get(variable_name, ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / otherwise
    except RuntimeError:  # a user without an entry and without HOME, as in some containers
        return Path("/") / otherwise


def default_data() -> Path:
    """Return where the ledger is unless somebody says so: systemd's folder for a service, else one of the user's."""
    service = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(service) if service else home("XDG_DATA_HOME", ".local/share") / "giftbridge"


def _because(
    reason: str,
    *,
    shown: str | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Mapping[str, Any]:
    rules: list[validate.Validator] = []
    if at_least is not None:
        rules.append(validate.Range(min=at_least, error=f"must be at least {at_least}: raise it"))
    if at_most is not None:
        rules.append(validate.Range(max=at_most, error=f"must be at most {at_most}: lower it"))
    if choices:
        rules.append(validate.OneOf(choices, error=f"must be one of {', '.join(choices)}"))
    return {"reason": reason, "rules": rules, "shown": shown}


@dataclass(frozen=True, slots=True)
class Settings:
    """The service's settings. Each is read from GIFTBRIDGE_ and its name in capitals."""

    providers: Path = field(
        default=Path("providers.toml"),
        metadata=_because("The file that lists the providers. Changes are picked up while the service runs."),
    )
    redis_url: str | None = field(
        default=None,
        repr=False,
        metadata=_because(
            "The Redis that holds the money. Without it a durable Redis is started under the data directory."
        ),
    )
    data: Path = field(
        default_factory=default_data,
        metadata=_because(
            "Where the embedded Redis keeps its files. They are the ledger: back them up.",
            shown="~/.local/share/giftbridge",
        ),
    )
    bind: str = field(
        default="127.0.0.1:8080",
        metadata=_because("HOST:PORT to listen on. Other machines come through a proxy that speaks TLS."),
    )
    workers: int = field(
        default=2, metadata=_because("Processes that answer calls; one for each core.", at_least=1, at_most=128)
    )
    threads: int = field(
        default=64,
        metadata=_because(
            "Calls answered at a time by one process; most wait for a backend.", at_least=1, at_most=1024
        ),
    )
    threads_per_backend: int = field(
        default=0,
        metadata=_because(
            "Threads of one process that one backend may keep waiting; more calls are 503 at once. So a hung backend "
            "stops no other. 0: half of them.",
            at_least=0,
            at_most=1024,
        ),
    )
    request_timeout_seconds: float = field(
        default=10,
        metadata=_because(
            "For a client to send a request, from its first byte on, and to take the answer.", at_least=1, at_most=60
        ),
    )
    card_deadline_seconds: float = field(
        default=1.2,
        metadata=_because(
            "For finding or showing a card. Checkout waits 1.5 s, network included.", at_least=0.1, at_most=5
        ),
    )
    money_deadline_seconds: float = field(
        default=10,
        metadata=_because("For a call that moves money. Below the Hub's 15 s and at most half the lease.", at_least=1),
    )
    lease_seconds: float = field(
        default=30,
        metadata=_because(
            "How long a step belongs to one process. Longer than a backend's delays and read lag.",
            at_least=2,
            at_most=600,
        ),
    )
    abandon_after_seconds: float = field(
        default=900,
        metadata=_because(
            "How long an authorization of unknown outcome is asked after before it is undone.",
            at_least=60,
            at_most=86400,
        ),
    )
    sweep_interval_seconds: float = field(
        default=5,
        metadata=_because("How often the sweeper looks for work that nobody came back for.", at_least=0.1, at_most=300),
    )
    redis_timeout_seconds: float = field(
        default=0.3,
        metadata=_because("For one command of Redis: a hung one must not use up a checkout's time.", at_least=0.01),
    )
    redis_replicas: int = field(
        default=0,
        metadata=_because(
            "Replicas that must have a change before it counts. Narrows what a failover can lose.",
            at_least=0,
            at_most=9,
        ),
    )
    maximum_body_bytes: int = field(
        default=4 * 1024 * 1024,
        metadata=_because("The largest request body; a cart of 2,000 items fits.", at_least=1024, at_most=16777216),
    )
    redis_allow_unsafe: bool = field(
        default=False,
        metadata=_because(
            "Hold money in a Redis that may forget it (no AOF, or evicting). Only where it is play money."
        ),
    )
    retention_days: int = field(
        default=400,
        metadata=_because(
            "How long a closed transaction is kept: VTEX may refund a year later.", at_least=90, at_most=36500
        ),
    )
    hold_notice_days: float = field(
        default=3,
        metadata=_because(
            "How long before a hold runs out unsettled it needs attention. 0: never.", at_least=0, at_most=365
        ),
    )
    reconcile_every: timedelta | None = field(
        default=None,
        metadata=_because(
            "How often the service compares the ledger with the backends by itself, such as 24h. Without it, only "
            "`giftbridge reconcile` does."
        ),
    )
    reconcile_calls_per_second: float = field(
        default=5,
        metadata=_because(
            "Questions to the backends in such a comparison; a card is one. Shoppers come first.",
            at_least=0.01,
            at_most=1000,
        ),
    )
    notices_webhook_url: str | None = field(
        default=None,
        repr=False,
        metadata=_because("Where what waits for a person is told, each with a signed POST."),
    )
    notices_webhook_secret: str | None = field(
        default=None,
        repr=False,
        metadata=_because(
            "What those are signed with: `whsec_` and 24 to 64 random bytes in Base64. Needed with the URL."
        ),
    )
    notices_mail_to: str | None = field(
        default=None,
        metadata=_because("Who is told by e-mail: one address, or several with commas between them."),
    )
    notices_mail_from: str | None = field(
        default=None, metadata=_because("The sender of these mails. Needed with the recipients.")
    )
    notices_smtp_host: str | None = field(
        default=None, metadata=_because("The mail server that sends them. Needed with the recipients.")
    )
    notices_smtp_port: int = field(
        default=587, metadata=_because("Its port: 587 for starttls, 465 for tls.", at_least=1, at_most=65535)
    )
    notices_smtp_tls: str = field(
        default="starttls",
        metadata=_because(
            "How it is spoken to: starttls, tls from the first byte on, or none (only where the network is yours).",
            choices=("starttls", "tls", "none"),
        ),
    )
    notices_smtp_user: str | None = field(
        default=None, metadata=_because("The user name there. Without it nobody signs in.")
    )
    notices_smtp_password: str | None = field(default=None, repr=False, metadata=_because("The password of that user."))
    code_misses_per_customer: int = field(
        default=20,
        metadata=_because(
            "Different unknown codes a customer may try in an hour, from one address where VTEX sends it.", at_least=1
        ),
    )
    code_misses_per_address: int = field(
        default=100,
        metadata=_because(
            "The same for all customers of one address together: many shoppers may share it.", at_least=1
        ),
    )
    code_misses_per_provider: int = field(
        default=2000,
        metadata=_because(
            "Above so many for a provider in an hour it is a flood: each address may try two codes then.", at_least=1
        ),
    )
    console_bind: str | None = field(
        default=None,
        metadata=_because(
            "HOST:PORT where the console is served alone, so that the public address need not have it. Without it: at "
            "/-/console of the service's own address."
        ),
    )
    console_idle_seconds: int = field(
        default=1800,
        metadata=_because("A session of the console is over after so long without a request.", at_least=60),
    )
    console_session_seconds: int = field(
        default=43200,
        metadata=_because("A session of the console is over after so long in any case.", at_least=60, at_most=604800),
    )
    console_password_above: int = field(
        default=1000,
        metadata=_because(
            "The console asks for the password again before it moves more than this, in whole units of the provider's "
            "currency.",
            at_least=0,
        ),
    )
    console_two_people_above: int | None = field(
        default=None,
        metadata=_because(
            "Of a parked act of more than this, in whole units of the provider's currency, one person at the console "
            "proposes what happened, and another one confirms it. Without it, one person decides.",
            at_least=0,
        ),
    )
    console_oidc_issuer: str | None = field(
        default=None,
        metadata=_because(
            "With it, people of the console may sign in at this OpenID Connect issuer, exactly as it writes itself. "
            "Needs the extra oidc."
        ),
    )
    console_oidc_client_id: str | None = field(
        default=None, metadata=_because("What the issuer calls this service. Needed with the issuer.")
    )
    console_oidc_client_secret: str | None = field(
        default=None, repr=False, metadata=_because("What proves that to the issuer. Needed with the issuer.")
    )
    console_oidc_name_claim: str = field(
        default="email",
        metadata=_because(
            "The claim of its tokens that names the user: the name given to `giftbridge users add`. An e-mail address "
            "counts only if the issuer has verified it."
        ),
    )
    demo: Path | None = field(
        default=None,
        metadata=_because(
            "What `giftbridge demo` sets: the file that says what the console's page Try it plays with. Loopback only."
        ),
    )
    metrics_bind: str | None = field(
        default=None,
        metadata=_because(
            "HOST:PORT where Prometheus finds /-/metrics, and nothing else is: an address that shoppers do not reach."
        ),
    )
    metrics_token: str | None = field(
        default=None,
        repr=False,
        metadata=_because(
            "What Prometheus must send as a bearer token. Without an address of their own, metrics are at /-/metrics "
            "of the service's for whoever has it. With neither there are none."
        ),
    )
    log_level: str = field(
        default="INFO",
        metadata=_because("The least important line that is logged.", choices=("DEBUG", "INFO", "WARNING", "ERROR")),
    )
    traces: bool = field(
        default=False,
        metadata=_because(
            "Send traces by OpenTelemetry, to where its own variables say (OTEL_EXPORTER_OTLP_ENDPOINT). Needs the "
            "extra otel."
        ),
    )
    log_reads: float = field(
        default=1,
        metadata=_because(
            "Which share of the calls that only read has lines in the log: 1 all of them, 0.01 one in a hundred. Calls "
            "that move money, and calls that fail, always have theirs.",
            at_least=0,
            at_most=1,
        ),
    )
    log_format: str = field(
        default="json", metadata=_because("json for machines, console for people.", choices=("json", "console"))
    )

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check all settings. Raises InvalidSettings with every mistake."""
        environment = Env(eager=False)
        values = {setting.name: _read(environment, setting) for setting in fields(cls)}
        problems = list(_misnamed(os.environ))
        try:
            environment.seal()
        except EnvValidationError as error:
            found = cast("Mapping[str, list[str]]", error.error_messages)
            problems += [f"{name} {message}" for name, messages in found.items() for message in messages]
        if problems:
            raise InvalidSettings(problems)
        settings = cls(**values)
        if contradictions := list(settings._contradictions()):
            raise InvalidSettings(contradictions)
        return settings

    @property
    def address(self) -> tuple[str, int]:
        """`bind` as host and port."""
        return _address(self.bind)

    @property
    def console_address(self) -> tuple[str, int] | None:
        """`console_bind` as host and port; None where the console has no address of its own."""
        return _address(self.console_bind) if self.console_bind else None

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """`metrics_bind` as host and port; None where metrics have no address of their own."""
        return _address(self.metrics_bind) if self.metrics_bind else None

    @property
    def has_metrics(self) -> bool:
        return bool(self.metrics_bind or self.metrics_token)

    @property
    def threads_for_a_backend(self) -> int:
        """`threads_per_backend` as a number of threads."""
        return self.threads_per_backend or max(1, self.threads // 2)

    @property
    def notice_recipients(self) -> list[str]:
        """`notices_mail_to` as addresses."""
        return [address.strip() for address in (self.notices_mail_to or "").split(",") if address.strip()]

    def _about_traces(self) -> Iterator[str]:
        if self.traces and not _installed("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
            yield (
                f"{variable('traces')} needs packages that are not installed: install giftbridge[otel], "
                "such as with pip install 'giftbridge[otel]', or set it to false"
            )

    def _about_single_sign_on(self) -> Iterator[str]:
        issuer = variable("console_oidc_issuer")
        others = ("console_oidc_client_id", "console_oidc_client_secret")
        if self.console_oidc_issuer is None:
            for name in others:
                if getattr(self, name) is not None:
                    yield f"{variable(name)} is for {issuer}: set that too, or unset this"
            return
        for name in others:
            if getattr(self, name) is None:
                yield f"{issuer} needs {variable(name)}: set it"
        try:
            checked_base_url(self.console_oidc_issuer)
        except InvalidOptions as error:
            yield str(error).replace("base_url", issuer)
        if not _installed("authlib.oidc.core", "joserfc"):
            yield (
                f"{issuer} needs packages that are not installed: install giftbridge[oidc], "
                "such as with pip install 'giftbridge[oidc]', or unset it"
            )

    def _about_the_demo(self) -> Iterator[str]:
        if self.demo is not None and _is_address(self.bind) and not is_loopback(self.address[0]):
            yield f"{variable('demo')} is for play money on this machine: unset it, or listen on 127.0.0.1"

    def _contradictions(self) -> Iterator[str]:
        yield from self._about_notices()
        yield from self._about_the_demo()
        yield from self._about_traces()
        yield from self._about_single_sign_on()
        if self.redis_url is not None and not self.redis_url.startswith(SCHEMES):
            yield f"{variable('redis_url')} must start with one of {', '.join(SCHEMES)}"
        if self.redis_replicas and (self.redis_url or "unix://").startswith("unix://"):
            yield f"{variable('redis_replicas')} needs a {variable('redis_url')} on other machines: set it to 0"
        binds = {"bind": self.bind, "console_bind": self.console_bind, "metrics_bind": self.metrics_bind}
        for name, address in binds.items():
            if address and not _is_address(address):
                yield f"{variable(name)} must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
        # By its port a request is known to have come in there.
        ports = [(name, _address(address)[1]) for name, address in binds.items() if address and _is_address(address)]
        for (one, port), (other, other_port) in combinations(ports, 2):
            if port == other_port:
                yield f"{variable(other)} must have another port than {variable(one)}: change one of them"
        if self.metrics_token is not None and len(self.metrics_token) < LEAST_TOKEN:
            yield f"{variable('metrics_token')} can be guessed: take at least {LEAST_TOKEN} random characters"
        money = variable("money_deadline_seconds")
        if self.money_deadline_seconds >= HUB_TIMEOUT_SECONDS:
            yield f"{money} must be below {HUB_TIMEOUT_SECONDS}, after which VTEX's Hub gives up: lower it"
        if self.money_deadline_seconds * 2 > self.lease_seconds:
            yield (
                f"{money} must be at most half of {variable('lease_seconds')}, or two processes may work on one step: "
                f"lower it to {self.lease_seconds / 2:g}, or raise the lease to {self.money_deadline_seconds * 2:g}"
            )
        if self.threads_per_backend > self.threads:
            yield f"{variable('threads_per_backend')} must be at most {variable('threads')} ({self.threads}): lower it"
        if self.redis_timeout_seconds >= self.card_deadline_seconds:
            yield (
                f"{variable('redis_timeout_seconds')} must be below {variable('card_deadline_seconds')}, "
                "or a hung Redis takes all of a checkout's time: lower it"
            )
        if self.abandon_after_seconds <= self.lease_seconds:
            yield (
                f"{variable('abandon_after_seconds')} must be above {variable('lease_seconds')}, "
                "or what is still worked on is given up: raise it"
            )

    def _about_notices(self) -> Iterator[str]:
        url, secret = variable("notices_webhook_url"), variable("notices_webhook_secret")
        if self.notices_webhook_url:
            try:
                checked_base_url(self.notices_webhook_url.partition("?")[0])
            except InvalidOptions as error:
                yield str(error).replace("base_url", url)
            if self.notices_webhook_secret is None:
                yield f"{url} needs {secret}: set it to whsec_$(openssl rand -base64 32)"
        if self.notices_webhook_secret is not None and not _is_secret(self.notices_webhook_secret):
            yield f"{secret} must be whsec_ and 24 to 64 bytes in Base64: make one, whsec_$(openssl rand -base64 32)"
        if self.notices_mail_to is not None:
            for name in ("notices_mail_from", "notices_smtp_host"):
                if getattr(self, name) is None:
                    yield f"{variable('notices_mail_to')} needs {variable(name)}: set it"
        for name in ("notices_mail_to", "notices_mail_from"):
            text = getattr(self, name)
            addresses = self.notice_recipients if name == "notices_mail_to" else [text]
            if text is not None and not (addresses and all(map(_is_mailbox, addresses))):
                yield f"{variable(name)} must be an address such as ana@store.example: correct it"
        if self.notices_smtp_user is not None and self.notices_smtp_tls == "none":
            yield (
                f"{variable('notices_smtp_user')} with {variable('notices_smtp_tls')}=none would send the password in "
                "plain: use starttls or tls"
            )


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and 24 <= len(key) <= 64


def _is_mailbox(text: str) -> bool:
    name, _, domain = parseaddr(text)[1].rpartition("@")
    return bool(name and domain) and text.isprintable()


def _is_address(text: str) -> bool:
    match = _BIND.fullmatch(text)
    return match is not None and int(match["port"]) <= 65535


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address, without a port, is this machine and no other can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _installed(*modules: str) -> bool:
    """Tell whether all these modules are there, without running them."""
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:
        return False


def variable(name: str) -> str:
    """Return the environment variable of the setting called `name`."""
    return PREFIX + name.upper()


def documentation() -> list[tuple[str, str, str]]:
    """Return (variable, default, reason) of every setting, in order: what the table in docs/operating.md says."""
    return [
        (variable(setting.name), setting.metadata["shown"] or _shown(setting.default), setting.metadata["reason"])
        for setting in fields(Settings)
    ]


def _default(setting: Field[Any]) -> Any:
    return setting.default_factory() if setting.default_factory is not MISSING else setting.default


def _shown(default: object) -> str:
    return "" if default is None else str(default)


# What a variable must hold, by the type of its setting; anything else is text.
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def _read(environment: Env, setting: Field[Any]) -> Any:
    """Read a setting; `environment` keeps what is wrong with it. An empty variable is one that is not set."""
    name, kind = variable(setting.name), str(setting.type)
    if is_secret(setting) and (file := os.environ.get(name + FILE)):
        return _secret(environment, name, file)
    if not os.environ.get(name):
        return _default(setting)
    rules = setting.metadata["rules"]
    match kind:
        case "int" | "int | None" | "float" | "bool":
            kind = kind.removesuffix(" | None")
            messages = dict.fromkeys(("invalid", "special", "too_large"), f"must be {_KINDS[kind]}")
            return getattr(environment, kind)(name, validate=rules, error_messages=messages)
        case "Path" | "Path | None":
            return environment.path(name)
        case "timedelta | None":
            return _duration(environment, name)
        case _:
            return environment.str(name, validate=rules)


def is_secret(setting: Field[Any]) -> bool:
    """Tell whether a setting may also stand in a file, which a variable with `_FILE` at its end names."""
    return not setting.repr


def _secret(environment: Env, name: str, file: str) -> Any:
    def is_one(_: str) -> None:
        if os.environ.get(name):
            raise ValidationError(f"is set, and {name} too: unset one of them")
        try:
            found.append(read_secret(file))
        except UnusableSecret as error:
            raise ValidationError(f"names a file without a secret: {error}") from error

    found: list[str] = []
    environment.str(name + FILE, validate=is_one)
    return found[0] if found else None


def _duration(environment: Env, name: str) -> timedelta | None:
    found: list[timedelta] = []

    def is_one(text: str) -> None:
        try:
            found.append(parse_duration(text))
        except ValueError as error:
            raise ValidationError(str(error)) from error

    environment.str(name, validate=is_one)
    return found[0] if found else None


def _misnamed(environment: Mapping[str, str]) -> Iterator[str]:
    """Say which variables look like a setting and are none: what they were meant to do would not be done."""
    known = [setting.name for setting in fields(Settings)]
    known += [f"{setting.name}{FILE.lower()}" for setting in fields(Settings) if is_secret(setting)]
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in ELSEWHERE:
            continue
        setting = name.removeprefix(PREFIX).lower()
        if setting.removesuffix(FILE.lower()) in known and setting not in known:
            yield f"{name} is read from no file, since it is no secret: set {variable(setting.removesuffix('_file'))}"
        elif setting in RENAMED:
            yield f"{name} is now {variable(RENAMED[setting])}: rename it"
        elif setting not in known and (close := get_close_matches(setting, known, n=1, cutoff=NEAR_MISS)):
            yield f"{name} is not a setting: did you mean {variable(close[0])}?"

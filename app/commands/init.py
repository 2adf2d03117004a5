"""The command `giftbridge init`: from nothing to a service that is known to work, one question at a time."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
import typing
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click

import mappers.registry
from app.admin import setup
from app.admin.providers.checks import check_backend
from app.admin.providers.provider_file import NewProvider, ProviderFile
from app.commands.installation import logs_to_stderr
from app.commands.output import note
from app.commands.providers import pairs, variable_of
from app.server.probe import ask
from app.server.processes import spawn, stop
from app.settings import Settings, variable
from mappers.base import Secret, option_names
from mappers.capabilities import describe
from providers.problems import InvalidProviders

# How long a first start and an end may take: the embedded Redis begins anew.
START_SECONDS = 30
STOP_SECONDS = 30


@click.command("init")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where the files go; here without it.")
@click.option("--mapper", metavar="NAME", help="The gift card system, such as lightrail_v2.")
@click.option("--id", "provider_id", metavar="ID", help="The provider's id; the last part of its address.")
@click.option("--currency", metavar="CODE", help="Of its cards, such as BRL.")
@click.option("--service-url", metavar="URL", help="Where VTEX will call it; it ends with the id.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of the mapper; repeat it.")
@click.option("--unit/--no-unit", default=None, help="Write a systemd unit as well.")
@click.pass_context
def init_command(
    ctx: click.Context,
    folder: Path,
    mapper: str | None,
    provider_id: str | None,
    currency: str | None,
    service_url: str | None,
    options: tuple[str, ...],
    unit: bool | None,
) -> None:
    """Set up a service: ask what is needed, try each answer, write the files, and look at the whole.

    What is given as an option is not asked for; without a terminal everything must be given, secrets in the
    environment: api_key of acme as ACME_API_KEY. Nothing is written before the gift card system has accepted the key.

    \b
    Examples:
      giftbridge init
      giftbridge init --folder /etc/giftbridge --unit
      ACME_API_KEY=... giftbridge init --mapper lightrail_v2 --id acme --currency BRL \\
        --service-url https://gift.example.com/acme --no-unit
    """
    ctx.with_resource(logs_to_stderr())
    folder = folder.absolute()
    file = folder / "providers.toml"
    if file.exists():
        raise click.ClickException(f"{file} is there already: giftbridge providers new adds a provider to it")
    mapper = mapper or _asked_mapper()
    provider_id = provider_id or _asked("--id", "Id of the provider, the last part of its address", "giftcards")
    currency = currency or _asked("--currency", "Currency of the cards", "BRL")
    given = pairs(options, "--option", "NAME=VALUE")
    while True:
        answers, secrets = _options(provider_id, mapper, given)
        new = NewProvider(provider_id, mapper, currency.upper(), None, None, answers)
        problem = _refused(new, secrets)
        if problem is None:
            break
        click.echo(f"That does not work: {problem}")
        if not sys.stdin.isatty() or not click.confirm("Answer again?", default=True):
            raise click.exceptions.Exit(1)
        given = {}
    if service_url is None and sys.stdin.isatty():
        service_url = click.prompt("Public address", default=f"https://gift.example.com/{provider_id}")
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | secrets
    ProviderFile(file, environment=environment).add_provider(dataclasses.replace(new, service_url=service_url))
    written = [file]
    if secrets:
        written.append(setup.write_secrets(folder, secrets))
    if unit if unit is not None else sys.stdin.isatty() and click.confirm("Write a systemd unit?", default=True):
        written.append(folder / setup.UNIT)
        written[-1].write_text(setup.unit(folder))
    for path in written:
        click.echo(f"Written: {path}")
    failed = _look(file, service_url, environment)
    _tell_what_comes_next(folder, with_unit=written[-1].name == setup.UNIT)
    raise click.exceptions.Exit(failed)


def _asked(option: str, question: str, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody can be asked here: give {option}")
    return str(click.prompt(question, default=default))


def _asked_mapper() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: give --mapper")
    known = [one for one in describe() if one.problem is None]
    for one in known:
        click.echo(f"  {one.name:18} {one.title or ''}")
    return str(click.prompt("Gift card system", type=click.Choice([one.name for one in known]), show_choices=False))


def _options(provider_id: str, mapper: str, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the mapper's options as they are to be written, and the environment that their secrets come from."""
    try:
        wanted = mappers.registry.load(mapper).Options
    except mappers.registry.UnknownMapper as error:
        raise click.UsageError(str(error)) from error
    hints = typing.get_type_hints(wanted)
    required = option_names(wanted)[0]
    answers, secrets = dict(given), {}
    for field in dataclasses.fields(wanted):
        if field.name in given:
            continue
        if Secret in (hints[field.name], *typing.get_args(hints[field.name])):
            if field.name in required:
                name = variable_of(provider_id, field.name)
                answers[field.name] = f"${{{name}}}"
                secrets[name] = os.environ.get(name) or _asked_secret(field.name, name)
        elif field.name in required:
            answers[field.name] = _asked(f"--option {field.name}=...", field.name)
        elif isinstance(field.default, str) and field.default and sys.stdin.isatty():
            answer = _asked(f"--option {field.name}=...", field.name, field.default)
            if answer != field.default:
                answers[field.name] = answer
    return answers, secrets


def _asked_secret(option: str, name: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody can be asked here: set {name} in the environment")
    return str(click.prompt(f"{option} (not shown)", hide_input=True))


def _refused(new: NewProvider, secrets: Mapping[str, str]) -> str | None:
    """Ask the gift card system as this provider would; return why that does not work."""
    with tempfile.TemporaryDirectory() as folder:
        file = ProviderFile(Path(folder) / "providers.toml", environment=os.environ | secrets)
        try:
            file.add_provider(new)
            [provider] = file.registry().all()
        except InvalidProviders as error:
            return "; ".join(error.problems)
    check = check_backend(provider)
    if check.ok:
        click.echo(f"The gift card system {check.found}.")
    return None if check.ok else check.problem


def _look(file: Path, service_url: str | None, environment: Mapping[str, str]) -> int:
    """Serve these files for a moment, with a ledger that is thrown away, and let the doctor look; return its code."""
    with tempfile.TemporaryDirectory(prefix="giftbridge-") as data:
        bind = _bind(service_url)
        own = {name: text for name, text in environment.items() if name != variable("redis_url")}
        tried = own | {variable("providers"): str(file), variable("data"): data, variable("bind"): bind}
        log = Path(data) / "log"
        with log.open("wb") as output:
            service = spawn(_giftbridge("serve"), environment=tried, output=output)
        try:
            host, _, port = bind.rpartition(":")
            until = time.monotonic() + START_SECONDS
            while ask((host, int(port)), "/-/ready", 1)[0] != 200:
                if service.poll() is not None or time.monotonic() > until:
                    note(f"The service does not start:\n{log.read_text(errors='replace')[-2000:]}")
                    return 1
                time.sleep(0.1)
            click.echo("The service starts. The doctor looks at all of it:")
            return subprocess.run(_giftbridge("doctor"), env=tried, check=False).returncode  # noqa: S603
        finally:
            stop(service, STOP_SECONDS)


def _giftbridge(command: str) -> list[str]:
    return [sys.executable, "-P", "-m", "giftbridge", command]


def _bind(service_url: str | None) -> str:
    """Return where to listen meanwhile: the public address itself, where that is on this machine."""
    parts = urlsplit(service_url or "")
    if parts.hostname in ("127.0.0.1", "localhost") and parts.port:
        return f"127.0.0.1:{parts.port}"
    return Settings.from_environment().bind


def _tell_what_comes_next(folder: Path, *, with_unit: bool) -> None:
    if with_unit:
        note(f"Next: make a user giftbridge that may read {folder / 'providers.toml'}, and copy")
        note(f"{folder / setup.UNIT} to /etc/systemd/system. Then: systemctl enable --now giftbridge")
        if str(folder).startswith(setup.HIDDEN):
            note(f"The unit hides {folder} from the service: move the folder to /etc/giftbridge, and run this there.")
    else:
        note(f"Next: {variable('providers')}={folder / 'providers.toml'} giftbridge serve")
    note("Then giftbridge providers register tells the store's Gift Card Hub; docs/store-admin.md has all of it.")

"""The files of a new installation: the secrets that providers.toml names, and the unit that runs the service."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

SECRETS = "secrets.env"
UNIT = "giftbridge.service"

# What the sample unit names, and what the files of an installation are instead.
_PROVIDERS = "/etc/giftbridge/providers.toml"
_SECRETS = "-/etc/giftbridge/secrets.env"
_COMMAND = "/opt/giftbridge/.venv/bin/giftbridge"
_FOLDER = "/opt/giftbridge"

# Homes are hidden from the service by the unit.
HIDDEN = ("/home", "/root", "/run/user")


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> Path:
    """Add environment variables to the file that systemd reads them from, for its owner alone; return its path.

    A variable that it has already gets the new value. Raises OSError.
    """
    path = folder / SECRETS
    before = path.read_text("utf-8").splitlines() if path.exists() else []
    kept = [line for line in before if line.partition("=")[0] not in secrets]
    lines = [*kept, *(f"{name}={_quoted(value)}" for name, value in secrets.items())]
    draft = folder / f".{SECRETS}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR), "w") as file:
        file.write("\n".join([*lines, ""]))
    draft.replace(path)
    return path


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w.~+/=:@-]*", value, re.ASCII):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unit(folder: Path) -> str:
    """Return a systemd unit that serves the files in `folder` with this program."""
    text = (Path(__file__).parents[2] / "deploy" / UNIT).read_text("utf-8")
    command = Path(sys.argv[0]).absolute() if Path(sys.argv[0]).name == "giftbridge" else None
    texts = {
        _PROVIDERS: str(folder / "providers.toml"),
        _SECRETS: str(folder / SECRETS),
        _COMMAND: str(command) if command else f"{sys.executable} -m giftbridge",
        _FOLDER: str(folder),
    }
    return re.sub("|".join(map(re.escape, texts)), lambda found: texts[found[0]], text)

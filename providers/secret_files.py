"""Secrets that stand in files of their own, as Docker, Kubernetes and systemd hand them out."""

from __future__ import annotations

from pathlib import Path

# Longer than any secret: a wrong file is told before it is read whole.
MAXIMUM_BYTES = 64 * 1024


class UnusableSecret(ValueError):
    """A file has no secret. The message names it and says what to do, without a word of what stands in it."""


def read_secret(name: str) -> str:
    """Return what stands in the file `name`, without the newline at its end. Raises UnusableSecret."""
    path = Path(name)
    if not path.is_absolute():
        raise UnusableSecret(f"{name} is no absolute path: name the secret's file from / on")
    try:
        with path.open("rb") as file:
            content = file.read(MAXIMUM_BYTES + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        raise UnusableSecret(f"{name} cannot be read ({error.strerror}): let the service's user read it") from error
    except UnicodeDecodeError:
        raise UnusableSecret(f"{name} is no text: write the secret into it, in UTF-8") from None
    if len(content) > MAXIMUM_BYTES:
        raise UnusableSecret(f"{name} is too long for a secret: name another file")
    if not text:
        raise UnusableSecret(f"{name} is empty: write the secret into it")
    return text

"""URLs of backends: which base URLs may be used, and how an id or a code becomes a part of a path."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, urlsplit

from mappers.base import CardNotFound, InvalidOptions


def segment(value: str) -> str:
    """Return `value` as one percent-encoded segment of a path.

    Raises CardNotFound for the three values that no path can carry as a segment: "", "." and "..".
    """
    if value in ("", ".", ".."):
        raise CardNotFound("no card can have this id")
    return quote(value, safe="", errors="surrogatepass")


def checked_base_url(base_url: str) -> str:
    """Return `base_url` without slashes at its end. Raises InvalidOptions unless https, or http to this machine."""
    try:
        parts = urlsplit(base_url)
        host, well_formed = parts.hostname, parts.port != 0 and base_url.isascii() and base_url.isprintable()
    except ValueError:
        host, well_formed = None, False
    if not host or not well_formed or " " in base_url or "\\" in base_url:
        raise InvalidOptions("base_url", "base_url must be a URL such as https://api.example.com/v2")
    if parts.username is not None or parts.password is not None or "?" in base_url or "#" in base_url:
        raise InvalidOptions("base_url", "base_url must have no credentials, query or fragment: give keys as options")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise InvalidOptions("base_url", "base_url must start with https:// (http:// is for this machine only)")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

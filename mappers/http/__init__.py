"""The HTTP client of all mappers."""

from mappers.http.addresses import segment
from mappers.http.client import Answer, HttpBackend

__all__ = ["NOT_A_CODE", "Answer", "HttpBackend", "segment"]

# What a backend, or a gateway before it, answers a URL with a typed code in it that cannot be one: shoppers type
# anything, at any length.
NOT_A_CODE = frozenset({400, 414})

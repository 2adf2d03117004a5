"""The HTTP client of all mappers."""

from mappers.http.addresses import segment
from mappers.http.client import Answer, HttpBackend

__all__ = ["LONGEST_CODE", "NOT_A_CODE", "Answer", "HttpBackend", "segment"]

# What a backend, or a gateway before it, answers a URL with a typed code in it that cannot be one: shoppers type
# anything, at any length.
NOT_A_CODE = frozenset({400, 414})

# What a code can be long at most in VTEX's protocol: a longer one is none of a card, and a server may not even take it.
LONGEST_CODE = 255

"""The HTTP client of all mappers."""

from mappers.http.addresses import segment
from mappers.http.client import Answer, HttpBackend

__all__ = ["Answer", "HttpBackend", "segment"]

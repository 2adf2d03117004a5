"""The error of a mapper that began as a skeleton, where something is still to be written."""

from __future__ import annotations


class Unwritten(Exception):
    """Raised where only somebody who knows the backend can go on. The message says where, and what to write there.

    No MapperError, so that nothing takes it for an answer of the backend.
    """

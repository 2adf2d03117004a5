"""What the ledger tells whoever watches it work: metrics do. By itself it does nothing."""

from __future__ import annotations

from collections.abc import Mapping

from providers.provider import Backend


class Watch:
    """Each method is called by a thread that has other things to do: it must be quick, and not raise."""

    def thread_begins(self, backend: Backend) -> None:
        """A thread is at work for a backend account."""

    def thread_ends(self, backend: Backend) -> None:
        """It no longer is."""

    def thread_refused(self, backend: Backend) -> None:
        """A request was turned away: the account's share of the threads is at work."""

    def pass_began(self) -> None:
        """The sweeper, which leads, has begun a turn of each provider of which something is due."""

    def turn_ended(self, counts: Mapping[str, int]) -> None:
        """A turn is over: how many transactions ended how."""

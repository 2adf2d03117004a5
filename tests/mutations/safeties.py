"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import accounts, acts, cards, comparisons, losses, repeats, sweeping, vendors

MUTATIONS = [
    *acts.MUTATIONS,
    *repeats.MUTATIONS,
    *cards.MUTATIONS,
    *accounts.MUTATIONS,
    *sweeping.MUTATIONS,
    *losses.MUTATIONS,
    *comparisons.MUTATIONS,
    *vendors.MUTATIONS,
]

"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import accounts, acts, cards, comparisons, losses, packing, repeats, sweeping, vendors

MUTATIONS = [
    *acts.MUTATIONS,
    *repeats.MUTATIONS,
    *cards.MUTATIONS,
    *accounts.MUTATIONS,
    *sweeping.MUTATIONS,
    *losses.MUTATIONS,
    *packing.MUTATIONS,
    *comparisons.MUTATIONS,
    *vendors.MUTATIONS,
]

"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import accounts, acts, cards, repeats, vendors

MUTATIONS = [
    *acts.MUTATIONS,
    *repeats.MUTATIONS,
    *cards.MUTATIONS,
    *accounts.MUTATIONS,
    *vendors.MUTATIONS,
]

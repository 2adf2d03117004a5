"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import accounts, acts, cards, losses, repeats

MUTATIONS = [
    *acts.MUTATIONS,
    *repeats.MUTATIONS,
    *cards.MUTATIONS,
    *accounts.MUTATIONS,
    *losses.MUTATIONS,
]

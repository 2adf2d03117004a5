"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import acts, cards, losses, repeats

MUTATIONS = [*acts.MUTATIONS, *repeats.MUTATIONS, *cards.MUTATIONS, *losses.MUTATIONS]

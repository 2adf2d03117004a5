"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import acts, cards, comparisons, repeats

MUTATIONS = [*acts.MUTATIONS, *repeats.MUTATIONS, *cards.MUTATIONS, *comparisons.MUTATIONS]

"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import acts, cards, repeats, sweeping

MUTATIONS = [*acts.MUTATIONS, *repeats.MUTATIONS, *cards.MUTATIONS, *sweeping.MUTATIONS]

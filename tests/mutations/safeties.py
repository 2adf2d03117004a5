"""Every safety of the money."""

from __future__ import annotations

from tests.mutations import acts, cards

MUTATIONS = [*acts.MUTATIONS, *cards.MUTATIONS]

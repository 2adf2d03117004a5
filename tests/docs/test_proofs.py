"""Every proof of the promise and of the threat model exists."""

from __future__ import annotations

import pytest

from tests.docs.documents import ROOT, document
from tests.docs.tables import PROMISE, PROOF, THREATS

PROMISES = document(PROMISE).rows("promise", "proved by")
DOORS = document(THREATS).rows("threat", "letter", "what holds it", "proved by")


def test_every_promise_names_its_proof() -> None:
    assert len(PROMISES) >= 20
    for promise, proofs in PROMISES:
        assert PROOF.search(proofs), promise


def test_what_holds_a_threat_is_proved_or_left_to_the_installation() -> None:
    assert len(DOORS) >= 30
    for threat, _, held_by, proofs in DOORS:
        assert PROOF.search(proofs) or "y you" in held_by, threat


@pytest.mark.parametrize(
    ("path", "name"), sorted({proof for row in [*PROMISES, *DOORS] for proof in PROOF.findall(row[-1])})
)
def test_a_proof_exists(path: str, name: str) -> None:
    file = ROOT / path
    assert file.exists(), f"run `make tables`: {path} is gone"
    assert f"def {name}(" in file.read_text(), f"run `make tables`: {path} has no {name}"

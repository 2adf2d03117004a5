"""Reads what an endpoint answers, as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scrape:
    """The samples of one answer, by name and labels."""

    text: str

    def of(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """Return the samples of that name that have these labels, by the values of their other labels in order."""
        return {
            tuple(value for label, value in sorted(found.items()) if label not in labels): value_of
            for found, value_of in self._samples(name)
            if labels.items() <= found.items()
        }

    def value(self, name: str, **labels: str) -> float:
        """Return the one sample that has these labels, whatever others it has; the sum where there are several."""
        found = self.of(name, **labels)
        assert found, f"no {name} with {labels}"
        return sum(found.values())

    def types(self) -> dict[str, str]:
        return {
            family.name + ("_total" if family.type == "counter" else ""): family.type
            for family in text_string_to_metric_families(self.text)
        }

    def labels(self) -> Iterator[tuple[str, dict[str, str]]]:
        for family in text_string_to_metric_families(self.text):
            yield from ((sample.name, sample.labels) for sample in family.samples)

    def _samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        for family in text_string_to_metric_families(self.text):
            yield from ((sample.labels, sample.value) for sample in family.samples if sample.name == name)

"""Read a metrics endpoint as Prometheus does."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The one sample of this name and these labels; 0 where it was never counted."""
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def labels(self, name: str) -> list[Mapping[str, str]]:
        """The labels of all samples of this name."""
        return [dict(labels) for found, labels in self._samples if found == name]

    @property
    def names(self) -> set[str]:
        """Of all samples."""
        return {name for name, _ in self._samples}


def scrape(client: httpx.Client, path: str = "/metrics") -> Scrape:
    """What this endpoint says now."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scrape(response.text)

"""What the feeders tell Ray's own metrics, which its dashboard and Prometheus show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.util.metrics import Counter, Gauge

#: Of each maker: the name of the metric, the field of the report that it shows, and what that is.
_OF_MAKERS = (
    ("sassl_maker_images_per_second", "images_per_second", "Images that came from a maker, over the last ten seconds"),
    ("sassl_maker_capacity", "capacity_images_per_second", "Images a second that a maker could make"),
    ("sassl_maker_lag_seconds", "lag_seconds", "How long slices took to come from a maker, on average"),
    ("sassl_maker_slices", "slices", "Slices of each batch that a maker makes"),
)
#: Of each ring.
_OF_RINGS = (
    ("sassl_ring_ready_batches", "ready_batches", "Finished batches that wait for the trainer"),
    ("sassl_ring_full_percent", "full_percent", "Part of the last minute in which the ring was full"),
    ("sassl_ring_trainer_starved_percent", "trainer_starved_percent", "Part of it in which the trainer waited"),
)


class FeederMetrics:
    """The metrics of one feeder."""

    def __init__(self, stream: str, rank: int) -> None:
        self._tags = {"stream": stream, "rank": str(rank)}
        keys = tuple(self._tags)
        self._images = Counter("sassl_images", "Images that were published", tag_keys=keys)
        self._of_rings = [(Gauge(name, words, tag_keys=keys), key) for name, key, words in _OF_RINGS]
        of_makers = (*keys, "maker", "host")
        self._of_makers = [(Gauge(name, words, tag_keys=of_makers), key) for name, key, words in _OF_MAKERS]

    def published(self, images: int) -> None:
        """Counts a batch."""
        self._images.inc(images, self._tags)

    def show(self, report: Mapping[str, Any]) -> None:
        """Shows what a feeder's report says."""
        for gauge, key in self._of_rings:
            gauge.set(report["ring"][key], self._tags)
        for maker in report["makers"]:
            for gauge, key in self._of_makers:
                gauge.set(maker[key], {**self._tags, "maker": maker["name"], "host": maker["host"]})

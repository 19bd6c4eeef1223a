"""The status as Prometheus metrics: health, ages, counts. No ids, no content."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.status import Status, Step
from service.study import product_version

CONTENT_TYPE = CONTENT_TYPE_LATEST


def metrics_text(status: Status, problems: Sequence[str], next_starts: Mapping[Step, dt.datetime]) -> bytes:
    """The metrics in Prometheus' text format; instants are seconds since 1970."""
    registry = CollectorRegistry()
    registry.register(_StatusCollector(status, problems, next_starts))
    return generate_latest(registry)


class _StatusCollector(Collector):
    """Each metric, from one reading of the status."""

    def __init__(
        self, status: Status, problems: Sequence[str], next_starts: Mapping[Step, dt.datetime]
    ) -> None:
        self._status = status
        self._problems = problems
        self._next_starts = next_starts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("build_info", "The product's version.", ("version",), [((product_version(),), 1)])
        yield _gauge("healthy", "1 when nothing is wrong.", (), [((), not self._problems)])
        yield _gauge("problems", "How many things are wrong.", (), [((), len(self._problems))])
        yield from self._steps()
        yield from self._centers()
        yield from self._release()

    def _steps(self) -> Iterator[GaugeMetricFamily]:
        status = self._status
        complete = [
            ((step,), run.started_at.timestamp()) for step, run in status.last_complete.items() if run
        ]
        yield _gauge(
            "last_complete_start_timestamp_seconds", "When the last complete run began.", ("step",), complete
        )
        good = [((step,), run.status == "complete") for step, run in status.ended.items() if run]
        yield _gauge("last_run_complete", "1 when the last run that ended was complete.", ("step",), good)
        durations = [
            ((step,), (run.finished_at - run.started_at).total_seconds())
            for step, run in status.ended.items()
            if run and run.finished_at
        ]
        yield _gauge("last_run_duration_seconds", "How long it took.", ("step",), durations)
        coming = [((step,), start.timestamp()) for step, start in self._next_starts.items()]
        yield _gauge("next_start_timestamp_seconds", "When the step starts next.", ("step",), coming)

    def _centers(self) -> Iterator[GaugeMetricFamily]:
        status = self._status
        read = [((sync.center_id,), sync.finished_at.timestamp()) for sync in status.complete]
        yield _gauge(
            "center_last_complete_sync_timestamp_seconds", "When the center was last read.", ("center",), read
        )
        good = [((sync.center_id,), sync.status == "complete") for sync in status.latest]
        yield _gauge("center_last_sync_complete", "1 when its last sync was complete.", ("center",), good)
        held = [((f.center_id, f.resource_type, f.rule, f.path), f.resources) for f in status.quarantine]
        labels = ("center", "resource_type", "rule", "path")
        yield _gauge("quarantined_resources", "Resources held back now.", labels, held)

    def _release(self) -> Iterator[GaugeMetricFamily]:
        release = self._status.release
        if release:
            yield _gauge("release", "The number of the published release.", (), [((), release.release)])
            published = release.published_at.timestamp()
            yield _gauge(
                "release_published_timestamp_seconds", "When it was published.", (), [((), published)]
            )


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Sequence[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"cryocohort_{name}", text, labels=labels)
    for told, value in values:
        family.add_metric(told, value)
    return family

"""Where the tables and figures of the report come from: metrics, queries of its own, and methods."""

from dataclasses import dataclass

from outcomes.metric import Metric

# The report's own queries (outcomes/tables/) and what each of them is of.
QUERIES = {
    "flow": "Steps of the flow",
    "complications": "Complications by class, scale and grade",
    "listing": "Listing of complications",
    "sources": "Freshness of the centers",
    "checks": "Quality checks",
    "unmapped": "Codes without a meaning",
    "history": "Figures of every run",
    "curves": "Curves over time",
    "results": "Figures of the run",
    "rules": "Windows and rules",
}
# What is computed without SQL, by its module.
METHODS = {"plausibility": "Whether printed figures can hold together"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a table or figure comes from: its definition in the appendix (`anchor`), by its title."""

    anchor: str
    title: str


def metric_anchor(metric: str) -> str:
    """Where the appendix defines a metric."""
    return f"metric-{metric}"


def metric_origin(metric: Metric) -> Origin:
    """A metric as an origin."""
    return Origin(metric_anchor(metric.metric), metric.title)


def query_origin(name: str) -> Origin:
    """A query of the report as an origin; `name` is a key of `QUERIES`."""
    return Origin(f"query-{name}", QUERIES[name])


def method_origin(name: str) -> Origin:
    """A method as an origin; `name` is a key of `METHODS`."""
    return Origin(f"method-{name}", METHODS[name])

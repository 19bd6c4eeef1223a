"""The appendix: what every figure means, how it is computed, and the rules and codes behind it."""

import hashlib
from importlib.resources import files

from outcomes.metric import Metric
from outcomes.refresh import read_sql
from outcomes.report import tables
from outcomes.report.facts import Published
from outcomes.report.parts import Definition, Section


def definitions(published: Published) -> Section:
    """What every figure means."""
    rules = tuple(tables.rules(row) for row in published.rows["rules"])
    metrics = tuple(_definition(metric) for metric in published.metrics.values())
    lead = "What every figure above means."
    return Section("definitions", "Definitions and rules", lead, (*rules, *metrics))


def _definition(metric: Metric) -> Definition:
    file = read_sql(files("outcomes") / "metrics" / f"{metric.metric}.sql")
    return Definition(metric, file, hashlib.sha256(file.encode()).hexdigest())

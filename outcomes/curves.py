"""Curves as rows of `outcomes.curve_result`, and back: a reader draws them from a release alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from outcomes.results import Source
from outcomes.survival import Curve, CurvePoint

_COLUMNS = {
    "months": "months",
    "estimate": "estimate",
    "ci_low": "low",
    "ci_high": "high",
    "at_risk": "at_risk",
    "events": "events",
    "competing": "competing",
    "censored": "censored",
}


def curve_rows(source: Source, curve: Curve) -> list[dict[str, Any]]:
    """The rows of one curve."""
    head = {
        "run_id": source.run_id,
        "metric": source.metric,
        "version": source.version,
        "group": source.group,
        "curve": curve.name,
    }
    return [
        {**head, **{name: getattr(point, field) for name, field in _COLUMNS.items()}}
        for point in curve.points
    ]


def curve_of(rows: Iterable[Mapping[str, Any]]) -> Curve:
    """The curve in rows of one metric, group and curve, in order of their times (at least one row)."""
    found = list(rows)
    points = [CurvePoint(**{field: row[name] for name, field in _COLUMNS.items()}) for row in found]
    return Curve(found[0]["curve"], tuple(points))

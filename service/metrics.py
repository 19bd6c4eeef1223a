"""What operators ask of figures: their definitions, their history, and why they moved."""

from collections.abc import Mapping, Sequence

from outcomes.changes import MetricChange, metric_changes
from outcomes.metric import load_metrics
from outcomes.refresh import read_cohorts
from outcomes.results import MetricResult
from service.run import open_warehouse
from service.settings import Settings
from warehouse.pseudonym import KeyOfCenter, pseudonyms
from warehouse.traced import read_trace

_RESULTS = 'SELECT * FROM outcomes.metric_result WHERE run_id = ? ORDER BY metric, "group", statistic'


def diff(settings: Settings, earlier: int, later: int) -> list[MetricChange]:
    """What moved between two runs and why; raises WarehouseError for a run without figures."""
    with open_warehouse(settings) as warehouse:
        trace = read_trace(warehouse, earlier, later)
        before, after = (
            [MetricResult.from_row(row) for row in warehouse.rows(_RESULTS, [run])]
            for run in (earlier, later)
        )
    return metric_changes(before, after, trace, load_metrics(), read_cohorts())


def pseudonyms_of(settings: Settings, changes: Sequence[MetricChange]) -> Mapping[KeyOfCenter, str]:
    """The pseudonym of each resource in `changes`, by its key: the one that the release shows, too."""
    resources = list(
        {
            KeyOfCenter(row.center_id, row.resource_type.lower(), row.resource_key)
            for change in changes
            for row in change.rows
            if row.resource_key
        }
    )
    keys = {center.center_id: center.pseudonym_key() for center in settings.centers}
    made = pseudonyms(resources, project=settings.file.study.name, keys=keys)
    return dict(zip(resources, made, strict=True))

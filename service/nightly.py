"""The story of a night: sync the centers, refresh the outcomes, publish a release, write the report.

`sync_night`, `refresh_night` and `report_night` are the steps that the scheduler, cron or an operator start,
each a module of its own, which brings only what it needs; `run_night` is all of them.
"""

from pathlib import Path

from service.refresh import RefreshReport, refresh_night
from service.report import report_night
from service.run import Night
from service.sync import SyncReport, sync_night


def run_night(night: Night) -> tuple[SyncReport, RefreshReport, Path]:
    """A whole night; returns what was synced and refreshed, and the report's path."""
    synced = sync_night(night)
    refreshed = refresh_night(night)
    return synced, refreshed, report_night(night)

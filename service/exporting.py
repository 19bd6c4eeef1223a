"""Exports as the command line asks for them: which release, for whom, and noted in the audit log."""

import datetime as dt
from pathlib import Path

from mappings.errors import ConfigError
from outcomes.disclosure import shared_audience
from outcomes.sharing import shared_tables
from service.run import open_warehouse
from service.settings import CenterSettings, Settings
from service.study import product_version
from warehouse.audit import Event, append
from warehouse.export import Export, Format, export_release, release_facts, sheets_of, write_export
from warehouse.lake import Filled, fill_lake
from warehouse.lake_plan import lake_scratch, raw_files, release_files
from warehouse.mart import open_release
from warehouse.releases import MART_FILE, current_release


def export_for_the_team(
    settings: Settings, folder: Path, form: Format, now: dt.datetime, *, safe_harbor: bool
) -> Export:
    """Write the current release into the new folder `folder`: rows of patients, for the study team.

    Raises WarehouseBusyError while a run holds the warehouse: the audit log is written first.
    """
    release = current_release(settings.warehouse_folder)
    kind = "safe harbor" if safe_harbor else "whole"
    _note(settings, release, now, {"format": form, "audience": "team", "rows": kind})
    return export_release(release, folder, form, now, safe_harbor=safe_harbor)


def export_for_sharing(settings: Settings, folder: Path, form: Format, now: dt.datetime) -> Export:
    """Write figures, flow and curves of the current release into the new folder `folder`, nothing small.

    Raises as `export_for_the_team` does.
    """
    release = current_release(settings.warehouse_folder)
    audience = shared_audience(settings.file.sharing.smallest_count)
    _note(
        settings, release, now, {"format": form, "audience": "shared", "smallest_count": audience.threshold}
    )
    facts = release_facts(release) | {
        "audience": audience.name,
        "smallest_count": audience.threshold,
        "banner": audience.banner,
        "exported_at": now.isoformat(),
    }
    with open_release(release / MART_FILE) as mart:
        return write_export(sheets_of(mart, shared_tables(mart, audience)), folder, form, facts)


def export_to_lake(settings: Settings, lake: Path, now: dt.datetime, *, with_raw: bool) -> Filled:
    """Bring the folder `lake` to the current release and, `with_raw`, to every raw segment: PHI.

    Raises as `export_for_the_team` does; ConfigError for a folder that is no lake or lies in the warehouse.
    """
    folder = settings.warehouse_folder.resolve()
    lake = lake.resolve()
    if lake.is_relative_to(folder):
        raise ConfigError(f"{lake} lies in the warehouse folder.", "name a folder elsewhere.")
    release = current_release(folder)
    with lake_scratch(folder) as scratch:
        details = {"format": "lake", "audience": "team", "rows": "raw and release" if with_raw else "release"}
        _note(settings, release, now, {**details, "folder": str(lake)})
        files = release_files(release)
        facts = {**release_facts(release), "version": product_version(), "holds_raw": with_raw}
        if with_raw:
            with open_warehouse(settings) as warehouse:
                files += raw_files(warehouse, scratch)
            facts |= {"centers": [_served(center) for center in settings.centers]}
        return fill_lake(lake, files, facts, now)


def _served(center: CenterSettings) -> dict[str, str]:
    """What evaluating a view over a center's raw resources needs to know of it."""
    file = center.file
    return {"center_id": center.center_id, "base_url": file.base_url, "fhir_version": file.fhir_version}


def _note(settings: Settings, release: Path, now: dt.datetime, details: dict[str, str | int]) -> None:
    """Tell the audit log before anything is written: no export exists that it does not know."""
    with open_warehouse(settings) as warehouse, warehouse.transaction() as transaction:
        append(transaction, Event("export", now, f"release {release.name}", "asked for", details))

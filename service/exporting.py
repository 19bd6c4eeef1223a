"""Exports as the command line asks for them: which release, for whom, and noted in the audit log."""

import datetime as dt
from pathlib import Path

from service.nightly import open_warehouse
from service.settings import Settings
from warehouse.audit import Event, append
from warehouse.export import Export, Format, export_release
from warehouse.releases import current_release


def export_for_the_team(
    settings: Settings, folder: Path, form: Format, now: dt.datetime, *, safe_harbor: bool
) -> Export:
    """Write the current release into the new folder `folder`: rows of patients, for the study team.

    The log is written first: no export exists that it does not know. Raises WarehouseBusyError while a run
    holds the warehouse.
    """
    release = current_release(settings.warehouse_folder)
    details = {"format": form, "audience": "team", "safe_harbor": str(safe_harbor).lower()}
    with open_warehouse(settings) as warehouse, warehouse.transaction() as transaction:
        append(transaction, Event("export", now, f"release {release.name}", "asked for", details))
    return export_release(release, folder, form, now, safe_harbor=safe_harbor)

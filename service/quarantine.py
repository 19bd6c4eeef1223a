"""What an operator asks of the quarantine of the private warehouse."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from mappings.errors import ConfigError, WarehouseError
from service.run import open_warehouse
from service.settings import Settings
from warehouse.faults import FaultGroup, Refused, Which, fault_groups, refused_resources


def read_groups(settings: Settings, which: Which) -> list[FaultGroup]:
    """Open faults in groups, all or of one center, type or rule.

    Raises WarehouseError before the first sync, WarehouseBusyError while a run is under way.
    """
    require_warehouse(settings, which.center_id)
    with open_warehouse(settings) as warehouse:
        return fault_groups(warehouse, which)


def read_refused(settings: Settings, center_id: str | None, handle: str | None) -> list[Refused]:
    """Refused resources; raises ConfigError when no handle begins like `handle`, and as `read_groups`."""
    require_warehouse(settings, center_id)
    with open_warehouse(settings) as warehouse:
        refused = refused_resources(warehouse, center_id, handle)
    if handle is not None and not refused:
        raise ConfigError(
            f"No resource in quarantine has a handle that begins with {handle}.",
            "see `cryocohort quarantine show`; a resource leaves it when a good version has landed.",
        )
    return refused


def as_json(groups: Sequence[FaultGroup]) -> str:
    """The groups as one JSON array, for monitoring."""
    return TypeAdapter(Sequence[FaultGroup]).dump_json(groups, indent=2).decode()


def require_warehouse(settings: Settings, center_id: str | None) -> None:
    """Raise ConfigError for a center that is not configured, WarehouseError before the first sync."""
    if center_id is not None:
        settings.center(center_id)
    if not settings.warehouse_folder.is_dir():
        raise WarehouseError(
            f"{settings.warehouse_folder}: there is no warehouse yet.", "run `cryocohort sync`."
        )

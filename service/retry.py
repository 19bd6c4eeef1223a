"""The story of `quarantine retry`: ask the centers again for what the gate refused, and tell what stays."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ingest.center import Center
from ingest.client import FhirClient
from ingest.context import SyncContext
from ingest.gate_pool import GatePool
from ingest.retry import AskedAgain, Retried, retry_center
from ingest.source import ByFolder
from mappings.errors import ConfigError, StillRefusedError, ViewError
from service.centers import ingest_centers
from service.quarantine import require_warehouse
from service.run import Night, ledger_run, open_warehouse
from service.study import study_codes
from service.sync import fail_unless_complete, map_landed
from warehouse.built import BuiltTable
from warehouse.connection import Warehouse
from warehouse.faults import Which, gate_refused

RefusedIds = Mapping[tuple[str, str], Sequence[str]]  # by center and resource type


@dataclass(frozen=True, slots=True)
class RetriedType:
    """What became of the refused resources of one center's type.

    `accepted` have landed, `still_refused` were judged once more; of `told.untold` nothing was heard.
    """

    told: AskedAgain
    accepted: int
    still_refused: int


@dataclass(frozen=True, slots=True)
class RetryReport:
    """What was asked for again, what could not be asked for, and the tables that were brought up to date.

    Nobody can be asked for resources without an id (`without_id` counts the types that have such) nor for
    those of centers that hand over files (`in_folders`). `view_error` says why nothing was mapped.
    """

    types: Sequence[RetriedType]
    without_id: int
    in_folders: int
    mapped: Sequence[BuiltTable]
    view_error: ViewError | None

    @property
    def remainder(self) -> StillRefusedError | None:
        """What an operator should know of the resources that stay in quarantine; None when none does."""
        still = sum(each.still_refused for each in self.types)
        untold = sum(each.told.untold for each in self.types)
        reasons = [
            (still, "refused again", "tell the center what `cryocohort quarantine list` says of them."),
            (untold, "of which the server said nothing", "run `cryocohort sync --reconcile`."),
            (self.without_id, "types with resources without an id", "run `cryocohort sync --reconcile`."),
            (self.in_folders, "of centers read from a folder", "run `cryocohort sync`: it judges them anew."),
        ]
        staying = [(f"{count} {what}", step) for count, what, step in reasons if count]
        if not staying:
            return None
        return StillRefusedError(
            f"Refused resources stay in quarantine: {'; '.join(what for what, _ in staying)}.",
            " ".join(dict.fromkeys(step for _, step in staying)),
        )


def retry_refused(night: Night, which: Which) -> RetryReport:
    """Ask again for what the gate refused, land what passes now, and map it.

    Raises ConfigError where nobody can be asked, SignInError, ServerError or IncompleteError once everything
    that could be read has landed and the run is closed; WarehouseBusyError while another run is under way.
    """
    require_warehouse(night.settings, which.center_id)
    _require_askable(night, which)
    centers = {center.center_id: center for center in ingest_centers(night.settings)}
    with open_warehouse(night.settings) as warehouse:
        before = gate_refused(warehouse, which)
        asked = _askable(centers, before)
        if not asked:
            return _report([], before, before, centers, (), None)
        with ledger_run(night, warehouse, "retry") as run:
            retried = _ask_centers(night, warehouse, run.run_id, centers, asked)
            mapped, view_error = map_landed(night, warehouse, run)
            fail_unless_complete([each.report for each in retried], "cryocohort quarantine retry")
        after = gate_refused(warehouse, Which(which.center_id, which.resource_type))
    types = [told for each in retried for told in each.types]
    return _report(types, before, after, centers, mapped, view_error)


def _require_askable(night: Night, which: Which) -> None:
    if which.rule == "view":
        raise ConfigError(
            "What a view refuses is stored, and asking the center again brings the same.",
            "mend the view: the next sync or refresh applies it to everything.",
        )
    is_folder = which.center_id and night.settings.center(which.center_id).file.mode == "ndjson"
    if is_folder:
        raise ConfigError(
            f"Center {which.center_id} is read from a folder: there is no server to ask again.",
            "run `cryocohort sync`: it judges everything in the folder anew.",
        )


def _askable(centers: Mapping[str, Center], refused: RefusedIds) -> dict[str, dict[str, list[str]]]:
    """The ids that a server can be asked for: by center, then resource type."""
    found: dict[str, dict[str, list[str]]] = {}
    for (center_id, resource_type), ids in refused.items():
        told = [each for each in ids if each]
        if told and center_id in centers and not isinstance(centers[center_id].source, ByFolder):
            found.setdefault(center_id, {})[resource_type] = told
    return found


def _ask_centers(
    night: Night,
    warehouse: Warehouse,
    run_id: int,
    centers: Mapping[str, Center],
    asked: Mapping[str, Mapping[str, Sequence[str]]],
) -> Sequence[Retried]:
    """All centers at the same time, as a sync does."""
    codes = study_codes(night.settings)
    with GatePool(os.cpu_count() or 1) as gate, ThreadPoolExecutor(len(asked)) as pool:
        context = SyncContext(run_id, codes, night.clock, night.progress, night.is_stopping, gate)

        def ask(center_id: str) -> Retried:
            center = centers[center_id]
            with FhirClient(
                center, clock=context.now, read=gate.read, is_stopping=night.is_stopping
            ) as client:
                return retry_center(center, client, warehouse, context, asked[center_id])

        return list(pool.map(ask, asked))


def _report(
    types: Sequence[AskedAgain],
    before: RefusedIds,
    after: RefusedIds,
    centers: Mapping[str, Center],
    mapped: Sequence[BuiltTable],
    view_error: ViewError | None,
) -> RetryReport:
    folders = [key for key in before if key[0] in centers and isinstance(centers[key[0]].source, ByFolder)]
    return RetryReport(
        types=[_became(told, before, after) for told in types],
        without_id=sum("" in ids for key, ids in before.items() if key not in folders),
        in_folders=sum(len(before[key]) for key in folders),
        mapped=mapped,
        view_error=view_error,
    )


def _became(told: AskedAgain, before: RefusedIds, after: RefusedIds) -> RetriedType:
    key = told.center_id, told.resource_type
    still = len({each for each in before[key] if each} & set(after.get(key, ())))
    return RetriedType(told, told.asked - told.deleted - told.unasked - still, still - told.untold)

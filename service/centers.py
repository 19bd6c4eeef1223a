"""The configured centers as ingest reads them, and what an operator asks of one sync."""

import datetime as dt
from dataclasses import dataclass

from ingest.center import Center
from ingest.context import ReconcileRules
from ingest.origin import origin_of
from ingest.source import ByExport, ByFolder, BySearch, Source
from mappings.errors import ConfigError
from service import settings as configured
from service.credentials import credentials, tls


def ingest_centers(settings: configured.Settings) -> list[Center]:
    """The centers as ingest reads them, with their credentials."""
    return [_ingest_center(center, settings.file.ingest) for center in settings.centers]


def _ingest_center(center: configured.CenterSettings, ingest: configured.Ingest) -> Center:
    search = center.file.search
    return Center(
        center_id=center.center_id,
        name=center.file.name,
        base_url=center.file.base_url,
        fhir_version=center.file.fhir_version,
        page_size=search.page_size,
        patient_batch=search.patient_batch,
        overlap=dt.timedelta(hours=ingest.overlap_hours),
        connect_timeout=search.connect_timeout_seconds,
        read_timeout=search.read_timeout_seconds,
        concurrency=search.concurrency,
        rewrite_links=search.rewrite_links,
        max_requests=ingest.max_requests_per_center,
        max_duration=dt.timedelta(minutes=ingest.max_minutes_per_center),
        auth=credentials(center),
        tls=tls(center),
        source=_source(center),
    )


def _source(center: configured.CenterSettings) -> Source:
    """How the center is read."""
    file = center.file
    match file.mode:
        case "search":
            return BySearch()
        case "bulk":
            return ByExport(
                group_id=file.bulk.group or None,
                sends_type_filter=file.bulk.type_filter,
                file_origins=frozenset(filter(None, map(origin_of, file.bulk.file_origins))),
                longest_wait=dt.timedelta(minutes=file.bulk.wait_minutes),
                longest_poll=file.bulk.longest_poll_seconds,
            )
        case "ndjson":
            return ByFolder((center.folder / file.ndjson.folder).resolve())


@dataclass(frozen=True, slots=True)
class ReconcileDemand:
    """What an operator asks of one sync: look for deletions now, and accept however many a center has."""

    is_forced: bool = False
    accepted: frozenset[str] = frozenset()


def reconcile_rules(settings: configured.Settings, demand: ReconcileDemand) -> ReconcileRules:
    """When deletions are looked for; ConfigError when the demand names a center that is not configured."""
    unknown = demand.accepted - {center.center_id for center in settings.centers}
    if unknown:
        raise ConfigError(
            f"No center is called {', '.join(sorted(unknown))}.",
            f"name one of {', '.join(center.center_id for center in settings.centers)}.",
        )
    ingest = settings.file.ingest
    return ReconcileRules(
        every=dt.timedelta(days=ingest.reconcile_days),
        max_deleted_percent=ingest.max_deleted_percent,
        is_forced=demand.is_forced,
        accepted=demand.accepted,
    )

"""The configuration as the plain values that the lower layers take: centers, codes, rules, keys."""

import dataclasses
import datetime as dt
import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ingest.center import Center
from ingest.context import ReconcileRules
from ingest.origin import origin_of
from ingest.source import ByExport, ByFolder, BySearch, Source
from mappings.errors import ConfigError
from mappings.terminology import MappedCode, code_map, load_aliases, load_center_map, load_codes
from outcomes.changes import traced_tables
from outcomes.disclosure import TEAM, Audience, AudienceName, shared_audience
from outcomes.metric import load_metrics, sql_files
from outcomes.publication import load_publications
from outcomes.refresh import read_cohorts
from outcomes.report.facts import CenterFacts, ReportFacts, table_sql
from service import settings as configured
from service.credentials import credentials, tls
from warehouse.build import BuildCenter, BuildInput, BuildSources, StudyRules
from warehouse.manifest import read_manifest
from warehouse.mart import Mart
from warehouse.publish import PublishInput, current_release
from warehouse.tables import read_table_files
from warehouse.trace import TracedTable


def product_version() -> str:
    """The installed version of cryocohort."""
    return version("cryocohort")


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


def build_input(settings: configured.Settings, run_id: int) -> BuildInput:
    """What the build of one run works with."""
    return BuildInput(
        run_id=run_id,
        centers=[_build_center(center) for center in settings.centers],
        code_map=study_codes(settings),
        aliases=load_aliases(),
        rules=study_rules(settings.file),
    )


def _build_center(center: configured.CenterSettings) -> BuildCenter:
    # A center's own `views/` replaces the shipped views of the same name.
    views = center.folder / "views"
    return BuildCenter(
        center_id=center.center_id,
        base_url=center.file.base_url,
        fhir_version=center.file.fhir_version,
        views_folder=views if views.is_dir() else None,
    )


def publish_input(settings: configured.Settings, run_id: int, now: dt.datetime) -> PublishInput:
    """What a release is made with; reads every center's pseudonymization key."""
    study = settings.file.study
    return PublishInput(
        run_id=run_id,
        now=now,
        project=study.name,
        keys={center.center_id: center.pseudonym_key() for center in settings.centers},
        keep=settings.file.warehouse.keep_releases,
        facts={
            "study": study.title,
            "data_lock": study.data_lock.isoformat(),
            "version": product_version(),
            "config_fingerprint": config_fingerprint(settings.folder),
            "code_lists": code_list_version(settings),
        },
    )


def study_rules(file: configured.SettingsFile) -> StudyRules:
    """Study window and assessment windows, as the one row of core.rule."""
    study = file.study
    return StudyRules(
        study_start=study.start, study_end=study.end, data_lock=study.data_lock, **file.windows.model_dump()
    )


def study_codes(settings: configured.Settings) -> list[MappedCode]:
    """What every code means at every center: the canonical sets and each center's signed-off map."""
    canonical = load_codes()
    maps = [load_center_map(center.folder / "codes", center.center_id) for center in settings.centers]
    return code_map(canonical, maps)


def code_list_version(settings: configured.Settings) -> str:
    """SHA-256 over what every code means at every center: whether two releases rest on the same lists."""
    lines = sorted("\0".join(map(str, dataclasses.astuple(code))) for code in study_codes(settings))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def tables_to_trace() -> list[TracedTable]:
    """The core tables whose rows are kept run by run, because metrics count them."""
    return traced_tables(load_metrics(), read_cohorts(), read_table_files(sql_files(BuildSources().core)))


def report_facts(
    settings: configured.Settings, mart: Mart, now: dt.datetime, audience: Audience
) -> ReportFacts:
    """What the report's head says of the study, the release and how fresh each center is."""
    syncs = mart.rows(table_sql("sources"))
    read_at = {row["center_id"]: row["read_at"] for row in syncs}
    complete = {row["center_id"] for row in syncs if row["is_complete"]}
    study, release = settings.file.study, current_release(settings.warehouse_folder)
    manifest = read_manifest(release)
    return ReportFacts(
        study=study.title,
        data_lock=study.data_lock,
        version=product_version(),
        release=int(release.name),
        generated_at=now,
        centers=[
            CenterFacts(
                center_id=center.center_id,
                name=center.file.name,
                fhir_version=center.file.fhir_version,
                read_at=read_at.get(center.center_id),
                is_complete=center.center_id in complete,
                key_fingerprint=manifest["key_fingerprints"].get(center.center_id, ""),
            )
            for center in settings.centers
        ],
        is_synthetic=study.synthetic,
        config_fingerprint=manifest["facts"]["config_fingerprint"],
        codes=study_codes(settings),
        publications=load_publications(settings.publication_folder),
        audience=audience,
    )


def report_audience(settings: configured.Settings, wanted: AudienceName | None) -> Audience:
    """Who a report is for: as `wanted`, or as the configuration says."""
    name = wanted or settings.file.report.audience
    return TEAM if name == "team" else shared_audience(settings.file.sharing.smallest_count)


def config_fingerprint(folder: Path) -> str:
    """SHA-256 over the configuration's files without secrets: whether two runs were configured alike."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in ("*.toml", "*.csv", "*.json") for path in folder.rglob(pattern)):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()

"""The last step of a night: the report of the published release, and its figures as files."""

import datetime as dt
from pathlib import Path

from mappings.errors import ConfigError
from outcomes.disclosure import TEAM, Audience, AudienceName, shared_audience
from outcomes.figures import write_figures
from outcomes.metric import load_metrics
from outcomes.publication import load_publications
from outcomes.report.facts import CenterFacts, ReportFacts, read_published, table_sql
from outcomes.report.page import write_report
from service.run import Night
from service.settings import Settings
from service.study import product_version, study_codes
from warehouse.manifest import read_manifest
from warehouse.mart import Mart, open_mart
from warehouse.publish import current_release


def report_night(night: Night, audience: AudienceName | None = None) -> Path:
    """Write the HTML report of the published release, and every figure beside it: CSV, JSON and Parquet.

    For `audience`, or whom the configuration names; what is shared has a file of its own: `<name>-shared`.
    """
    settings, chosen = night.settings, report_audience(night.settings, audience)
    _make_report_folder(settings)
    target = settings.report_file
    if chosen.name == "shared":
        target = target.with_stem(f"{target.stem}-shared")
    with open_mart(settings.warehouse_folder) as mart:
        write_figures([*read_published(mart, chosen).results], load_metrics(), target)
        return write_report(mart, target, report_facts(settings, mart, night.clock(), chosen))


def _make_report_folder(settings: Settings) -> None:
    folder = settings.report_file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cryocohort.toml: report.file: {folder} cannot be made ({error.strerror}).",
            "name a file in a folder that the user who runs cryocohort may write to.",
        ) from None


def report_facts(settings: Settings, mart: Mart, now: dt.datetime, audience: Audience) -> ReportFacts:
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


def report_audience(settings: Settings, wanted: AudienceName | None) -> Audience:
    """Who a report is for: as `wanted`, or as the configuration says."""
    name = wanted or settings.file.report.audience
    return TEAM if name == "team" else shared_audience(settings.file.sharing.smallest_count)

"""The configuration as the plain values that a build, a release and a trace take: codes, rules, keys."""

import dataclasses
import datetime as dt
import hashlib
from importlib.metadata import version
from pathlib import Path

from mappings.terminology import MappedCode, code_map, load_aliases, load_center_map, load_codes
from outcomes.changes import traced_tables
from outcomes.metric import load_metrics, sql_files
from outcomes.refresh import read_cohorts
from service import settings as configured
from warehouse.build import BuildCenter, BuildInput, BuildSources, StudyRules
from warehouse.publish import PublishInput
from warehouse.tables import read_table_files
from warehouse.trace import TracedTable


def product_version() -> str:
    """The installed version of cryocohort."""
    return version("cryocohort")


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


def config_fingerprint(folder: Path) -> str:
    """SHA-256 over the configuration's files without secrets: whether two runs were configured alike."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in ("*.toml", "*.csv", "*.json") for path in folder.rglob(pattern)):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()

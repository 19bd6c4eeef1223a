"""The appendix: what every figure means and how it is computed, rules, codes, reporting items, software."""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files

from outcomes.metric import Metric
from outcomes.refresh import read_sql
from outcomes.report import estimates, tables
from outcomes.report.facts import Published, ReportFacts, table_sql
from outcomes.report.origins import METHODS, QUERIES, Origin, method_origin, metric_origin, query_origin
from outcomes.report.parts import Definition, Group, Line, Section, Table

SOFTWARE = ("duckdb", "numpy", "scipy", "matplotlib", "jinja2", "fhir.resources")

# STROBE 2007 and RECORD 2015, the items that a report can answer by itself; the rest is the authors' part.
REPORTING_ITEMS = (
    ("STROBE 5, setting; dates", "rules", "Windows and rules; data lock in the head"),
    ("STROBE 6, participants; RECORD 6.1, how they were selected", "flow", "Flow of the study"),
    ("STROBE 7, variables; RECORD 7.1, all codes", "codes", "Code lists"),
    ("STROBE 8, data sources; RECORD 12.1, access to the database", "centers", "Centers side by side"),
    ("STROBE 11 and 12, variables and methods", "definitions", "Definitions: each metric with its SQL"),
    ("STROBE 13, participants; RECORD 13.1, selection and filtering", "flow", "Flow of the study"),
    ("STROBE 14, descriptive data", "patients", "Tables 1 and 2"),
    ("STROBE 15 and 16, outcomes and main results", "pain", "Pain, local control, complications"),
    ("STROBE 17, other analyses", "figures", "Every figure"),
    ("RECORD 6.2, validation of codes", "codes", "Code lists: what each center signed off"),
    ("RECORD 12.2, data cleaning", "quality", "Data quality"),
    ("RECORD 12.3, linkage", "centers", "Centers side by side: patients are not linked across centers"),
    ("RECORD 22.1, programming code", "definitions", "Definitions: SQL, version and checksum"),
)


def sections(published: Published, facts: ReportFacts, centers: Sequence[Group]) -> list[Section]:
    """The parts of the appendix."""
    return [
        _definitions(published, facts),
        _rules(published),
        _figures(published, centers),
        _codes(facts, centers),
        _reporting(),
        _software(facts),
    ]


def _definitions(published: Published, facts: ReportFacts) -> Section:
    lead = (
        "What each figure means, in words and as the SQL that was run; below the metrics, how this report "
        "reads its tables. Names above link to here."
    )
    applied = {result.metric: result.rules for result in published.results}
    metrics = (_metric(metric, applied.get(metric.metric)) for metric in published.metrics.values())
    queries = (_query(name, facts.version) for name in QUERIES)
    methods = (_method(name, facts.version) for name in METHODS)
    return Section("definitions", "Definitions", lead, (*metrics, *queries, *methods), is_appendix=True)


def _metric(metric: Metric, applied: str | None) -> Definition:
    file = read_sql(files("outcomes") / "metrics" / f"{metric.metric}.sql")
    told = f"version {metric.version} · one row: {metric.grain} · unit: {metric.unit} · {metric.reference}"
    if applied:
        told += f" · rules: {applied}"
    text = metric.definition.replace("\n", " ")
    return _definition(metric_origin(metric), text, (metric.metric, told), ("SQL", file))


def _query(name: str, version: str) -> Definition:
    file = table_sql(name)
    text = " ".join(line.removeprefix("-- ") for line in file.splitlines() if line.startswith("--"))
    return _definition(query_origin(name), text, (name, f"cryocohort {version}"), ("SQL", file))


def _method(name: str, version: str) -> Definition:
    file = (files("outcomes") / f"{name}.py").read_text(encoding="utf-8")
    text = file.split('"""')[1].split("\n\n")[1].replace("\n", " ")
    return _definition(method_origin(name), text, (name, f"cryocohort {version}"), ("Python", file))


def _definition(origin: Origin, text: str, named: tuple[str, str], file: tuple[str, str]) -> Definition:
    digest = hashlib.sha256(file[1].encode()).hexdigest()
    return Definition(origin.anchor, origin.title, text, *named, *file, digest)


def _rules(published: Published) -> Section:
    found = tuple(tables.rules(row) for row in published.rows["rules"])
    return Section(
        "rules",
        "Windows and rules",
        "The study's windows and thresholds, as applied.",
        found,
        is_appendix=True,
    )


def _figures(published: Published, centers: Sequence[Group]) -> Section:
    table = estimates.everything(
        published.metrics.values(), published.results, centers, caption="Every figure", is_folded=True
    )
    lead = "Every statistic of every metric, with its 95% interval; unrounded in the CSV beside this file."
    return Section("figures", "Every figure", lead, (table,), is_appendix=True)


def _codes(facts: ReportFacts, centers: Sequence[Group]) -> Section:
    lead = "What each code means in the study and at which center; every center signed its own list off."
    return Section("codes", "Code lists", lead, tables.code_lists(facts.codes, centers), is_appendix=True)


def _reporting() -> Section:
    lines = tuple(Line((item, where), anchor=anchor) for item, anchor, where in REPORTING_ITEMS)
    table = Table("Items of STROBE and RECORD answered here", ("Item", "Where"), lines, text_columns=(0, 1))
    lead = "For whoever writes the paper: where this file answers the reporting guidelines."
    return Section("reporting", "Reporting guidelines", lead, (table,), is_appendix=True)


def _software(facts: ReportFacts) -> Section:
    named = [("cryocohort", facts.version), ("Python", platform.python_version())]
    named += [(name, version(name)) for name in SOFTWARE]
    lines = [Line(pair) for pair in named]
    lines.append(Line(("configuration, SHA-256", facts.config_fingerprint)))
    table = Table("What made this file", ("Software", "Version"), tuple(lines), text_columns=(0, 1))
    lead = "The same release, software and configuration give the same figures."
    return Section("software", "Software", lead, (table,), is_appendix=True)

"""The shipped views give the rows that Pathling gives, another engine for SQL on FHIR on Spark."""

import datetime as dt
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mappings.compiler import compile_view
from mappings.viewdef import NamedView, parse_view
from service.demo.center_a import build as build_a
from service.demo.cohort import read_cohort
from tests.conformance.harness import cell
from tests.conformance.made_up import Maker
from tests.conformance.oracle import VIEWS
from tests.needs import lacking, needed
from tests.spark.both_engines import QUICK_START
from tests.spark.view_rows import relation
from warehouse.engines.views import spark_view

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
ARTIFACT = "au.csiro.pathling:library-runtime:9.4.0"
SHA256 = "9ca73091e698626b5be8d0ac7793c5024827c284f49b8f2d5cd5ae846a7dfd80"
JAVA = 21
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
# Pathling reads R4 only, and knows none of these functions and variables.
R4_VIEWS = [named for named, version in VIEWS if version == "R4"]
UNKNOWN = ("iif(", "%rowIndex")
MADE_UP = 60


class Valid(Maker):
    """Makes resources whose codes and instants a strict reader takes, and references within the server."""

    CODES: Mapping[str, list[str]] = {
        "actuality": ["actual", "potential"],
        "comparator": ["<", ">="],
        "gender": ["male", "female", "other"],
        "status": ["entered-in-error", "unknown"],
        "type": ["seealso", "replaced-by"],
    }

    def _value(self, element: Any, tree: Any) -> Any:
        if element.type == "code" and element.name in self.CODES:
            return self._random.choice(self.CODES[element.name])
        return super()._value(element, tree)

    def _one(self, type_name: str, tree: Any) -> Any:
        match type_name:
            case "instant":
                return "2024-05-01T10:00:00.000+02:00"
            case "date":
                return self._random.choice(["2024", "2024-05", "2024-05-01"])
        made = super()._one(type_name, tree)
        return {"id": "x"} if made == {} else made  # an element without anything is none to a strict reader

    def _reference(self) -> str:
        types = ["Patient", "Procedure", "Condition", "BodyStructure", "Group"]
        return f"{self._random.choice(types)}/{self._random.choice('xyz')}"


def made_up(named: NamedView) -> list[dict[str, Any]]:
    maker = Valid(named, "R4", random.Random(named.path.name))  # noqa: S311 -- test data
    return [maker.resource(f"{named.table.replace('_', '-')}.{n}") for n in range(MADE_UP)]


RESOURCES = [*build_a(read_cohort()).resources, *(each for named in R4_VIEWS for each in made_up(named))]


def columns(part: Any) -> Iterator[dict[str, str]]:
    """The columns of a view, in whatever select or union they stand."""
    if isinstance(part, list):
        for each in part:
            yield from columns(each)
    elif isinstance(part, dict):
        if "path" in part:
            yield part
        yield from columns(list(part.values()))


def without(names: set[str], part: Any) -> Any:
    """A view without the columns of these names."""
    if isinstance(part, list):
        return [
            without(names, each) for each in part if not (isinstance(each, dict) and _named(each) in names)
        ]
    if isinstance(part, dict):
        return {name: without(names, each) for name, each in part.items()}
    return part


def _named(part: dict[str, Any]) -> str:
    return part["name"] if "path" in part else ""


def untyped(part: Any) -> Any:
    """A view whose columns declare no type: Pathling refuses text in quotes as a uri."""
    if isinstance(part, list):
        return [untyped(each) for each in part]
    if isinstance(part, dict):
        return {name: untyped(each) for name, each in part.items() if name != "type"}
    return part


def view_of(named: NamedView) -> dict[str, Any]:
    """A shipped view without the columns that Pathling cannot know, in none of the rows that it unites."""
    view = json.loads(named.path.read_text(encoding="utf-8"))
    unknown = {each["name"] for each in columns(view) if any(word in each["path"] for word in UNKNOWN)}
    kept: dict[str, Any] = without(unknown, view)
    return kept


@pytest.fixture(scope="module")
def java_home(has_spark: None) -> Path:
    """A Java that Pathling runs on; cryocohort itself asks for an older one, so that it may be missing."""
    told = os.environ.get("JAVA_HOME")
    for home in [*([Path(told)] if told else []), *Path("/usr/lib/jvm").glob("*")]:
        if _version(home) >= JAVA:
            return home
    pytest.skip(f"Pathling's jar needs Java {JAVA}, of which neither JAVA_HOME nor /usr/lib/jvm knows")


def _version(home: Path) -> int:
    """The version of a Java as its `release` file tells it; 0 for a folder without one."""
    release = home / "release"
    told = re.search(r'^JAVA_VERSION="(\d+)', release.read_text("utf-8") if release.is_file() else "", re.M)
    return int(told[1]) if told else 0


@pytest.fixture(scope="module")
def jar(java_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pathling's jar, from Maven's own repository."""
    maven = needed("mvn", "it fetches Pathling; install Maven 3.8 or newer")
    folder = tmp_path_factory.mktemp("jar")
    command = [maven, "-B", "-q", COPY, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        lacking(f"Maven did not get {ARTIFACT}: {done.stdout}")
    (found,) = folder.iterdir()
    assert hashlib.sha256(found.read_bytes()).hexdigest() == SHA256
    return found


@pytest.fixture(scope="module")
def by_pathling(java_home: Path, jar: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Pathling makes of every view, by the name of its file."""
    folder = tmp_path_factory.mktemp("pathling")
    for name in ("resources", "views"):
        (folder / name).mkdir()
    for named in R4_VIEWS:
        view = json.dumps(untyped(view_of(named)))
        (folder / "views" / named.path.name).write_text(view, encoding="utf-8")
    for resource_type in {named.view.resource for named in R4_VIEWS}:
        lines = [json.dumps(each) + "\n" for each in RESOURCES if each["resourceType"] == resource_type]
        (folder / "resources" / f"{resource_type}.ndjson").write_text("".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.spark.pathling_views", str(jar), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=ROOT,
        env={**os.environ, "JAVA_HOME": str(java_home), "JDK_JAVA_OPTIONS": QUICK_START},
    )
    assert done.returncode == 0, done.stderr
    return {path.name: json.loads(path.read_text("utf-8")) for path in (folder / "rows").iterdir()}


def ours(spark: "SparkSession", named: NamedView) -> list[dict[str, Any]]:
    view = compile_view(parse_view(view_of(named)), fhir_version="R4")
    spark.createDataFrame(relation(RESOURCES)).coalesce(1).createOrReplaceTempView("resource")
    return [row.asDict() for row in spark.sql(spark_view(view).rows).collect()]


def comparable(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(
        json.dumps({name: _common(name, value) for name, value in row.items()}, sort_keys=True)
        for row in rows
    )


def _common(name: str, value: Any) -> Any:
    """What both engines say: of a key the id, of an instant the moment, of a quantity the number."""
    if value is None:
        return None
    if name.startswith("value_quantity"):
        return float(value)
    if name.endswith("_key"):
        return value.rpartition("/")[2]
    if name == "issued_text":
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC).isoformat()
    return cell(value)


@pytest.mark.parametrize("named", R4_VIEWS, ids=lambda named: named.table)
def test_a_shipped_view_gives_what_pathling_gives(
    spark: "SparkSession", by_pathling: dict[str, Any], named: NamedView
) -> None:
    theirs = by_pathling[named.path.name]
    assert not isinstance(theirs, str), theirs
    found = comparable(ours(spark, named))
    assert found == comparable(theirs)
    assert found

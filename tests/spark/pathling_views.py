"""The rows of ViewDefinitions as Pathling gives them: a process of its own, for Java must start with its jar.

    python -m tests.spark.pathling_views JAR FOLDER

FOLDER holds `resources/<type>.ndjson` and `views/<name>.json`; `rows/<name>.json` gets the rows of each view
as objects, or the name and text of the exception that Pathling ends it with.
"""

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

# What values the extensions that our views read may hold, and how deep they nest.
OPEN_TYPES = ("CodeableConcept", "Coding", "Reference", "decimal", "string")
SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def main(jar: Path, folder: Path) -> None:
    builder = SparkSession.builder.config("spark.driver.extraClassPath", str(jar))
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    source = context(session).read().ndjson(str(folder / "resources"))
    (folder / "rows").mkdir()
    for path in sorted((folder / "views").iterdir()):
        told = rows(session, source, json.loads(path.read_text(encoding="utf-8")))
        (folder / "rows" / path.name).write_text(json.dumps(told, default=plain), encoding="utf-8")
    session.stop()


def context(session: SparkSession) -> Any:
    """Pathling on the session, with extensions and without a terminology server."""
    java = session._jvm
    assert java is not None
    config = java.au.csiro.pathling.config
    types, on, off = java.java.util.HashSet(list(OPEN_TYPES)), True, False
    encoding = config.EncodingConfiguration.builder().enableExtensions(on).openTypes(types).build()
    terminology = config.TerminologyConfiguration.builder().enabled(off).build()
    return (
        java.au.csiro.pathling.library.PathlingContext.builder(session._jsparkSession)
        .encodingConfiguration(encoding)
        .terminologyConfiguration(terminology)
        .build()
    )


def rows(session: SparkSession, source: Any, view: dict[str, Any]) -> Any:
    """The rows of a view, or what Pathling says against it."""
    try:
        query = source.view(view["resource"]).json(json.dumps(view))
        return [row.asDict() for row in DataFrame(query.execute(), session).collect()]
    except Py4JJavaError as error:
        return f"{error.java_exception.getClass().getSimpleName()}: {error.java_exception.getMessage()}"
    except PySparkException as error:
        return f"{type(error).__name__}: {error}"


def plain(value: Decimal | dt.datetime) -> float | str:
    """Decimals as numbers, instants as texts in UTC; Pathling keeps no text of an instant."""
    return float(value) if isinstance(value, Decimal) else value.astimezone(dt.UTC).isoformat()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

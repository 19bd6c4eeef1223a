"""A Spark session that leaves nothing behind: quiet, private, inside one folder, ended with the block.

Spark's log messages and errors quote values of the data. Its log is therefore off on every machine of it, its
web page and event log too, and of its errors only the condition's name goes on.
"""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mappings.errors import ConfigError, StatementError
from warehouse.private import private_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Without an appender Spark takes a configuration for none, and puts its own in its place.
_SILENT = """
status = off
appender.nothing.type = Null
appender.nothing.name = nothing
rootLogger.level = off
rootLogger.appenderRef.nothing.ref = nothing
"""
# What pyspark itself logs, in Python, before it raises.
_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "py4j")


def require_spark() -> None:
    """Raise ConfigError when the extra or Java is missing."""
    if find_spec("pyspark") is None or find_spec("sqlglot") is None:
        raise ConfigError(
            "Spark is not installed in this environment.",
            "Run `pip install 'cryocohort[spark]'`, or leave out --engine spark.",
        )
    home = os.environ.get("JAVA_HOME")
    if not (home and (Path(home) / "bin" / "java").is_file()) and shutil.which("java") is None:
        raise ConfigError(
            "Spark needs Java, which was not found.", "Install Java 17 or newer, or set JAVA_HOME."
        )


def scratch_folder(folder: Path) -> Path:
    """Where Spark's files of the warehouse in `folder` lie while a refresh runs."""
    return folder / "spark"


def clear_scratch(folder: Path) -> None:
    """Remove what a killed refresh on Spark has left in the warehouse in `folder`, which is locked by us."""
    shutil.rmtree(scratch_folder(folder), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class SparkPlace:
    """Where Spark runs: its master's URL (`local[2]` is this machine), and the memory of the process here.

    `memory` is a number of MB or GB, written as in `2GB`.
    """

    master: str
    memory: str


@contextmanager
def spark_session(scratch: Path, place: SparkPlace) -> Iterator["SparkSession"]:
    """A session that writes only below `scratch`, an existing private folder; one at a time in a process.

    Raises ConfigError when Spark does not start.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    conf = SparkConf().setMaster(place.master).setAppName("cryocohort")
    conf.setAll(list(_settings(scratch, place).items()))
    _silence()
    gateway = None
    try:
        # Java is started here and not by pyspark, so that its output can be thrown away and it can be ended.
        with private_files():
            gateway = launch_gateway(conf, {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL})
            session = SparkSession(SparkContext(conf=conf, gateway=gateway))
    except Exception as error:
        _end_java(SparkContext, gateway)
        raise ConfigError(
            f"Spark could not be started on {place.master} ({condition(error)}).",
            "Check that Java is 17 or newer and that this machine reaches the master named by --master.",
        ) from None
    try:
        yield session
    finally:
        session.stop()
        _end_java(SparkContext, gateway)


def _settings(scratch: Path, place: SparkPlace) -> dict[str, str]:
    silent = scratch / "log4j2.properties"
    silent.write_text(_SILENT, encoding="utf-8")
    folders = {name: scratch / name for name in ("local", "tables", "tmp")}
    for folder in folders.values():
        folder.mkdir(mode=0o700, exist_ok=True)
    java = f"-Dlog4j2.configurationFile={silent} -XX:-UsePerfData"
    memory = place.memory.removesuffix("B").lower()
    settings = {
        "spark.driver.memory": memory,
        "spark.driver.maxResultSize": memory,  # a metric's rows come here; else 1 GB, whatever it has
        "spark.driver.extraJavaOptions": f"{java} -Djava.io.tmpdir={folders['tmp']}",
        "spark.executor.extraJavaOptions": java,
        "spark.eventLog.enabled": "false",
        "spark.local.dir": str(folders["local"]),
        "spark.sql.analyzer.maxIterations": "1000",  # a view with `repeat` nests deep
        "spark.sql.ansi.enabled": "true",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folders["tables"]),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    return settings | (_on_this_machine(place.master) if place.master.startswith("local") else {})


def _on_this_machine(master: str) -> dict[str, str]:
    """No port that another machine reaches, and no more parts than there are cores to work on them."""
    told = re.fullmatch(r"local\[(\d+).*\]", master)
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": told[1] if told else str(os.cpu_count() or 1),
    }


def _silence() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).disabled = True


def _end_java(context: Any, gateway: Any) -> None:
    """End the Java process; pyspark has no public way to, and would give the dead one to the next session."""
    if gateway is None:
        return
    gateway.shutdown()
    if gateway.proc is not None:
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=60)
    context._gateway = context._jvm = None  # noqa: SLF001


@contextmanager
def spark_errors() -> Iterator[None]:
    """Raise StatementError for an error of Spark, with nothing of it but its name."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise StatementError(
            f"Spark refused a statement ({condition(error)}).",
            "Run without --engine spark to see whether the statement or the data is at fault.",
        ) from None


def condition(error: Exception) -> str:
    """The name of an error: Spark's own where it has one, else that of its class."""
    named = getattr(error, "getCondition", None)
    return (named() if named else None) or type(error).__name__

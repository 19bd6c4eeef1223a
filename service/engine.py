"""Which engine runs the statements of a refresh: DuckDB in this process, or Spark where it was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.settings import Settings
from warehouse.build import BuildInput
from warehouse.connection import Transaction
from warehouse.engines.engine import Engine
from warehouse.engines.session import SparkPlace, clear_scratch, require_spark
from warehouse.flat_plan import plan_flat


def spark_place(settings: Settings, master: str | None) -> SparkPlace:
    """Spark on `master`, or on this machine with the cores and the memory that DuckDB may use.

    Raises ConfigError when Spark or Java is missing.
    """
    require_spark()
    place = settings.file.warehouse
    return SparkPlace(master or f"local[{place.threads}]", place.memory_limit)


@contextmanager
def engine_for(
    transaction: Transaction, folder: Path, place: SparkPlace | None, build_input: BuildInput
) -> Iterator[Engine | None]:
    """The engine of one build in the warehouse in `folder`; None is the transaction itself."""
    clear_scratch(folder)
    if place is None:
        yield None
        return
    from warehouse.engines.spark import spark_engine  # noqa: PLC0415 -- an extra

    parts = plan_flat(build_input.centers, build_input.sources.views)
    with spark_engine(transaction, folder, place, parts) as engine:
        yield engine

"""One Spark for all tests marked `spark` of a process: it takes ten seconds to start.

They need the extra `spark` and Java, so they run only when asked for (`make test-spark`). A machine without
them skips them and says why; with CI=true that is a failure.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mappings.errors import ConfigError
from tests.needs import lacking
from tests.spark.both_engines import QUICK_START
from warehouse.engines.session import SparkPlace, require_spark, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLACE = SparkPlace("local[2]", "2GB")


@pytest.fixture(scope="session")
def has_spark() -> None:
    """Skip on a laptop without Spark; fail where everything must have run."""
    try:
        require_spark()
    except ConfigError as error:
        lacking(str(error))


@pytest.fixture(scope="session")
def spark(has_spark: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """A session as a refresh has it, on two cores."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("JDK_JAVA_OPTIONS", QUICK_START)
        with spark_session(tmp_path_factory.mktemp("spark"), PLACE) as session:
            yield session

"""A center to put out of order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.examples import chart
from tests.ingest.loopback import FhirServer, serving
from tests.service.clinic import Clinic


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    server = FhirServer([each for patient_id in ("1", "2") for each in chart(patient_id)])
    with serving(server):
        yield Clinic(tmp_path, server)

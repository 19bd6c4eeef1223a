"""When a server's certificate expires is read from a real handshake."""

import datetime as dt
from pathlib import Path

import pytest

from ingest.certificate import certificate_expiry
from ingest.origin import Origin
from tests.ingest.https import certificate, https_serving


def test_the_day_is_that_of_the_certificate(tmp_path: Path) -> None:
    files = certificate(tmp_path, days=30)
    with https_serving(files) as port:
        found = certificate_expiry(Origin("https", "localhost", port), 5.0, files.cert)
    assert found is not None
    assert abs(found - dt.datetime.now(dt.UTC) - dt.timedelta(days=30)) < dt.timedelta(minutes=2)


def test_an_authority_that_nobody_vouches_for_tells_nothing(tmp_path: Path) -> None:
    with https_serving(certificate(tmp_path, days=30)) as port:
        assert certificate_expiry(Origin("https", "localhost", port), 5.0) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_nobody_there_tells_nothing(host: str) -> None:
    assert certificate_expiry(Origin("https", host, 9), 1.0) is None

"""A whole sync of a center that signs in by SMART Backend Services, as configured."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mappings.errors import IncompleteError, SignInError
from service.configuration import load_settings
from service.run import Night
from service.sync import SyncReport, sync_night
from tests.ingest.smart_servers import CLIENT_ID, Servers, pem, private_key, smart_servers

SHIPPED = Path(__file__).parents[2] / "config"


@pytest.fixture
def servers() -> Iterator[Servers]:
    with smart_servers() as running:
        yield running


def sync(servers: Servers, tmp_path: Path, client_id: str) -> SyncReport:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "config"))
    shutil.rmtree(folder / "centers" / "b")
    key = folder / "centers" / "a" / "signing-key.pem"
    key.write_bytes(pem(private_key("ES384")))
    key.chmod(0o600)
    file = folder / "centers" / "a" / "center.toml"
    text = file.read_text(encoding="utf-8").replace(
        "https://fhir.center-a.example.org/r4", servers.fhir.base_url
    )
    told = f"""kind = "smart"
client_id = "{client_id}"
key_file = "signing-key.pem"
key_id = "kid-ES384"
algorithm = "ES384"
scopes = ["system/*.rs"]
"""
    file.write_text(text.replace('kind = "none" ', f"{told}#", 1), encoding="utf-8")
    progress = SimpleNamespace(landed=lambda _: None)
    return sync_night(Night(load_settings(folder), servers.clock, progress, lambda: False))


def test_a_sync_signs_in_by_the_nights_clock(servers: Servers, tmp_path: Path) -> None:
    servers.tokens.scope = "system/*.rs"
    report = sync(servers, tmp_path, CLIENT_ID)
    assert [center.status for center in report.centers] == ["complete"]
    assert servers.fhir.asked("Procedure")
    assert (servers.tokens.problems, len(servers.tokens.tokens)) == ([], 1)


def test_a_refused_client_is_a_refused_sign_in(servers: Servers, tmp_path: Path) -> None:
    with pytest.raises(SignInError, match="token endpoint of center a answered 400"):
        sync(servers, tmp_path, "somebody")
    assert servers.fhir.asked("Procedure") == []
    assert len(servers.tokens.seen) == 1


@pytest.mark.row(49)
def test_a_type_without_scope_is_no_success(servers: Servers, tmp_path: Path) -> None:
    servers.tokens.scope = "system/Patient.rs"
    with pytest.raises((SignInError, IncompleteError), match="granted no scope to search all of Procedure"):
        sync(servers, tmp_path, CLIENT_ID)
    assert servers.fhir.asked("Procedure") == []

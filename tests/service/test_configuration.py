"""The configuration: read completely, or refused with file, key, expectation and next step (exit code 10)."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from ingest.origin import Origin
from ingest.source import ByExport, ByFolder, BySearch, Source
from mappings.errors import ConfigError
from service.centers import ingest_centers
from service.configuration import load_settings

SHIPPED = Path(__file__).parents[2] / "config"
CENTER = "centers/a/center.toml"
STUDY = "cryocohort.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "config"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_shipped_configuration_is_read(folder: Path) -> None:
    settings = load_settings(folder)
    assert [center.center_id for center in settings.centers] == ["a", "b"]
    assert [center.file.fhir_version for center in settings.centers] == ["R4", "R5"]
    assert settings.warehouse_folder == (folder.parent / "data").resolve()


def test_a_new_folder_is_a_new_center(folder: Path) -> None:
    shutil.copytree(folder / "centers" / "a", folder / "centers" / "lyon-2")
    assert [center.center_id for center in load_settings(folder).centers] == ["a", "b", "lyon-2"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (CENTER, "page_size = 200", "pagesize = 200", ("search.pagesize", "unknown key", "page_size")),
        (CENTER, "page_size = 200", 'page_size = "200"', ("search.page_size", "valid integer")),
        (CENTER, "page_size = 200", "page_size = 0", ("search.page_size", "greater than or equal to 1")),
        (CENTER, 'fhir_version = "R4"', 'fhir_version = "R3"', ("fhir_version", "'R4' or 'R5'")),
        (CENTER, 'base_url = "https', 'base_url = "ftp', ("base_url", "https://")),
        (CENTER, 'kind = "none"', 'kind = "basic"', ("auth.username", "auth.password_file", "missing")),
        (CENTER, 'kind = "none"', 'kind = "magic"', ("auth", "'none', 'basic', 'bearer'")),
        (CENTER, 'name = "Center A"', "name = Center A", ("not valid TOML", "line 3")),
        (CENTER, 'mode = "search"', 'mode = "fax"', ("mode", "'search', 'bulk' or 'ndjson'")),
        (CENTER, 'group = ""', 'group = "a/b"', ("bulk.group", "pattern")),
        (CENTER, "wait_minutes = 240", "wait_minutes = 0", ("bulk.wait_minutes",)),
        (CENTER, "file_origins = []", 'file_origins = ["http://x.org"]', ("bulk.file_origins", "origins")),
        (CENTER, "file_origins = []", 'file_origins = ["https://x.org/f"]', ("bulk.file_origins",)),
        (CENTER, 'folder = "inbox"', 'file = "inbox"', ("ndjson.file", "unknown key", "folder")),
        (STUDY, 'sync = "15 1 * * *"', 'sync = "15 1 * * 1"', ("schedule.sync", "name days of the week")),
        (STUDY, 'sync = "15 1 * * *"', 'sync = "15 1 *"', ("schedule.sync", "five fields")),
        (STUDY, 'timezone = "UTC"', 'timezone = "Mars/Base"', ("schedule.timezone", "IANA")),
        (STUDY, 'listen = "127.0.0.1:8642"', 'listen = "8642"', ("serve.listen",)),
        (STUDY, 'sync = "15 1 * * *"', 'sync = "61 1 * * *"', ("not understood",)),
        (STUDY, "keep_releases = 5", "keep_releases = 1", ("warehouse.keep_releases",)),
        (STUDY, "end = 2020-09-30", "end = 2022-09-30", ("study", "follow each other")),
        (STUDY, "[windows]", "[window]", ("window", "unknown key", "windows")),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(
    folder: Path, file: str, old: str, new: str, said: tuple[str, ...]
) -> None:
    change(folder / file, old, new)
    with pytest.raises(ConfigError) as refused:
        load_settings(folder)
    text = str(refused.value)
    assert str(folder / file) in text
    assert all(part in text for part in said), text
    assert "Next step:" in text
    assert refused.value.exit_code == 10


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / STUDY).unlink()
    with pytest.raises(ConfigError, match=r"cryocohort\.toml: the file cannot be read.*--config"):
        load_settings(folder)


def test_no_center_is_an_error(folder: Path) -> None:
    shutil.rmtree(folder / "centers")
    with pytest.raises(ConfigError, match="no center is configured"):
        load_settings(folder)


def test_a_center_folder_needs_a_usable_id(folder: Path) -> None:
    (folder / "centers" / "a").rename(folder / "centers" / "Center A")
    with pytest.raises(ConfigError, match="must be a lower-case letter"):
        load_settings(folder)


def test_a_key_is_read_when_only_its_owner_can(folder: Path) -> None:
    key = folder / "centers" / "a" / "pseudonym.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    assert load_settings(folder).centers[0].pseudonym_key() == bytes(range(32))


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [(None, 0, "cannot be read"), (b"k" * 32, 0o640, "read by others"), (b"short", 0o600, "has 5 bytes")],
)
def test_an_unusable_key_is_refused_and_never_shown(
    folder: Path, content: bytes | None, mode: int, said: str
) -> None:
    key = folder / "centers" / "a" / "pseudonym.key"
    if content is not None:
        key.write_bytes(content)
        key.chmod(mode)
    with pytest.raises(ConfigError, match=said) as refused:
        load_settings(folder).centers[0].pseudonym_key()
    assert str(key) in str(refused.value)
    assert "kkkk" not in str(refused.value)


def read_as(folder: Path, *changes: tuple[str, str]) -> Source:
    for old, new in changes:
        change(folder / CENTER, old, new)
    return ingest_centers(load_settings(folder))[0].source


def test_a_center_is_read_by_search_unless_its_file_says_otherwise(folder: Path) -> None:
    assert read_as(folder) == BySearch()


def test_a_center_read_by_export_has_its_limits_and_file_origins(folder: Path) -> None:
    source = read_as(
        folder,
        ('mode = "search"', 'mode = "bulk"'),
        ('group = ""', 'group = "g-1"'),
        ("type_filter = false", "type_filter = true"),
        ("wait_minutes = 240", "wait_minutes = 30"),
        ("longest_poll_seconds = 600", "longest_poll_seconds = 5.0"),
        ("file_origins = []", 'file_origins = ["https://files.example.org"]'),
    )
    origins = frozenset({Origin("https", "files.example.org", 443)})
    assert source == ByExport(
        group_id="g-1",
        sends_type_filter=True,
        file_origins=origins,
        longest_wait=dt.timedelta(minutes=30),
        longest_poll=5.0,
    )
    assert source.operation == "Group/g-1/$export"


def test_the_folder_of_a_center_read_from_files_is_relative_to_its_own(folder: Path) -> None:
    source = read_as(folder, ('mode = "search"', 'mode = "ndjson"'))
    assert source == ByFolder((folder / "centers" / "a" / "inbox").resolve())

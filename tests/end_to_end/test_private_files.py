"""After a whole night every file is its owner's alone, but for the releases that analysts are let in to."""

import stat
from pathlib import Path

from tests.end_to_end.conftest import Night1


def modes(paths: list[Path]) -> dict[str, int]:
    return {str(path): stat.S_IMODE(path.lstat().st_mode) for path in paths if not path.is_symlink()}


def test_files_are_0600_folders_0700_and_only_releases_can_be_read_by_others(first_night: Night1) -> None:
    data = first_night.study.settings.warehouse_folder
    marts = data / "marts"
    everything = [data, *data.rglob("*")]
    private = [path for path in everything if path != marts and marts not in path.parents]
    files = modes([path for path in private if path.is_file()])
    assert len(files) > 10, "a night leaves a database, raw segments, a report, a status"
    assert {name: mode for name, mode in files.items() if mode & 0o177} == {}
    folders = modes([path for path in private if path.is_dir()])
    assert {name: mode for name, mode in folders.items() if mode & 0o077} == {}
    public = [marts, *marts.rglob("*")]
    assert set(modes([path for path in public if path.is_dir()]).values()) == {0o755}
    assert set(modes([path for path in public if path.is_file()]).values()) == {0o444}


def test_the_report_is_private_too(first_night: Night1) -> None:
    folder = first_night.study.settings.report_file.parent
    written = modes([path for path in folder.iterdir() if path.is_file()])
    assert written
    assert {name: mode for name, mode in written.items() if mode & 0o177} == {}

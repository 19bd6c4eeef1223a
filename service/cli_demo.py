"""`cryocohort demo`: the whole night against two loopback servers, told on the terminal."""

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outcomes.comparison import compare
from outcomes.publication import load_publications
from service.cli_output import console, show_comparison, show_refresh, show_sync, shown_progress
from service.configuration import load_settings
from service.demo.server import demo_servers
from service.demo.workplace import prepare, sign_in
from service.nightly import run_night
from service.run import Night
from service.secret_file import read_secret
from service.stop_signals import stop_on_signals

REPORT = Path("cryocohort-demo-report.html")


def run_demo(keep: Path | None, token_file: Path | None, *, serve_on: bool) -> bool:
    """Run the demo and show it; returns whether every figure is as printed or a known difference.

    With a `token_file` (mode 0600) the server of center a demands the bearer token in it.
    """
    token = _token_in(token_file)
    with demo_servers(_now, token) as servers, _folder(keep) as folder:
        config = prepare(folder, servers.urls)
        if token is not None:
            sign_in(config, "a", token)
        console.print("Two FHIR servers with 74 invented patients:")
        for center_id, base_url in servers.urls.items():
            demands = " (demands the token)" if token is not None and center_id == "a" else ""
            console.print(f"  center {center_id}: {base_url}{demands}", markup=False)
        with shown_progress() as progress:
            night = Night(load_settings(config), _now, progress, lambda: False)
            synced, refreshed, report = run_night(night)
        show_sync(synced)
        show_refresh(refreshed)
        (publication,) = load_publications(night.settings.publication_folder)
        comparisons = compare(refreshed.results, publication)
        show_comparison(comparisons)
        _show_places(report, folder if keep else None)
        if serve_on:
            _serve(config)
    return all(row.state != "different" for row in comparisons)


def _token_in(path: Path | None) -> str | None:
    return None if path is None else read_secret(path, "--token-file").decode(errors="replace").strip()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="cryocohort-demo-") as folder:
        yield Path(folder)


def _show_places(report: Path, kept: Path | None) -> None:
    if kept is None:
        shutil.copyfile(report, REPORT)
        report = REPORT
    console.print(f"report: {report.resolve()}", soft_wrap=True)
    if kept is not None:
        console.print(f"try: cryocohort sql --config {kept / 'config'} 'FROM core.flow'", soft_wrap=True)


def _serve(config: Path) -> None:
    stop = stop_on_signals()
    console.print(
        f"serving; in another terminal: cryocohort sync --config {config}; Ctrl-C ends", soft_wrap=True
    )
    stop.wait()

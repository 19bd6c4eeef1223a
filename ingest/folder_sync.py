"""The story of one center's sync from a folder of NDJSON files that the center hands over.

With a manifest.json (the document of a Bulk Data export) only the files it lists are read, and their counts
are checked; without one every *.ndjson and *.ndjson.gz is read. A folder holds everything: there is no
question for changes, and reading the same files again changes nothing.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ingest.decode import decode_object
from ingest.deleted import deleted_in
from ingest.export_evidence import ExportEvidence, FolderWitness
from ingest.export_landing import ExportLanding, Taken
from ingest.manifest import ExportFile, Manifest, parse_manifest
from ingest.ndjson import DataFile, outcomes, types_in
from ingest.reconcile import is_any_wanted, reconcile_export
from ingest.source import ByFolder
from mappings.errors import ConfigError, IncompleteError

MANIFEST = "manifest.json"
MANIFEST_BYTES = 64 * 1024 * 1024
PATTERNS = ("*.ndjson", "*.ndjson.gz")


def sync_from_folder(source: ByFolder, landing: ExportLanding) -> None:
    """Bring the warehouse up to date; raises IncompleteError when the folder holds nothing that can be read.

    What is missing is told to the tally; what the manifest lists as deleted leaves after everything else, and
    then, where the manifest says that the folder holds everything, what two deliveries in a row lack.
    """
    types = [ask.resource_type.name for ask in [*landing.cohort_asks, *landing.patient_asks]]
    taken = _Folder(landing.center.center_id, source.folder).taken(types, landing.context.now())
    landing.tell(taken)
    landing.read_cohort(taken)
    landing.read_patients(taken, landing.members_by_type())
    landing.let_go(taken)
    if taken.delivered_at is not None:
        witness = FolderWitness(landing, taken.delivered_at)
        reconcile_export(landing, ExportEvidence(landing, taken, witness))
    elif is_any_wanted(landing.warehouse, landing.center, landing.context, types):
        landing.tally.remark(
            f"Center {landing.center.center_id}: its folder holds no manifest that says that the files are "
            "an export of everything, so deletions cannot be noticed; see docs/how-to/deletions.md."
        )


def count_files(source: ByFolder, center_id: str) -> int:
    """How many files of resources a sync would read; raises what it would raise or tell of the others."""
    folder = _Folder(center_id, source.folder)
    manifest = folder.manifest()
    if manifest is None:
        return len(folder.paths())
    missing: list[ExportFile] = []
    located = list(folder.located(manifest.output, missing.append))
    if missing:
        raise IncompleteError(
            f"Center {center_id}: {len(missing)} files that {MANIFEST} lists are not in the folder.",
            "ask the center for them.",
        )
    return len(located)


class _Folder:
    """The folder as it is handed over."""

    def __init__(self, center_id: str, path: Path) -> None:
        self._center_id = center_id
        self._path = path

    def taken(self, types: Sequence[str], now: dt.datetime) -> Taken:
        """Everything in the folder; its manifest's transaction time stands, but no time to come."""
        manifest = self.manifest()
        if manifest is None:
            return Taken(self._unlisted(), {}, None, is_everything=True, losses=())
        missing: list[ExportFile] = []
        files = self._listed(manifest.output, missing.append)
        deleted = deleted_in(self._listed(manifest.deleted, missing.append), types)
        errors = outcomes(self._listed(manifest.error, missing.append))
        losses = list(self._losses(len(missing), deleted.unreadable, any(each.is_loss for each in errors)))
        told = manifest.transaction_time
        return Taken(
            files=files,
            deleted=deleted.ids,
            watermark=None if losses or told is None else min(told, now),
            is_everything=True,
            losses=losses,
            delivered_at=told if not losses and manifest.is_of_all(types) else None,
        )

    def manifest(self) -> Manifest | None:
        """What the center says of the files, if it says anything; IncompleteError for what says nothing."""
        path = self._path / MANIFEST
        try:
            with path.open("rb") as file:
                return parse_manifest(decode_object(file.read(MANIFEST_BYTES)), "file:///")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else error
            raise IncompleteError(
                f"Center {self._center_id}: {path} is no manifest of an export ({told}).",
                "ask the center for it again, or remove it: every file of the folder is read then.",
            ) from None

    def paths(self) -> list[Path]:
        """Every file of a folder without a manifest, at least one."""
        if not self._path.is_dir():
            raise ConfigError(
                f"Center {self._center_id}: {self._path} is not a folder.",
                "mend ndjson.folder in center.toml.",
            )
        paths = sorted(path for pattern in PATTERNS for path in self._path.glob(pattern) if path.is_file())
        if not paths:
            raise IncompleteError(
                f"Center {self._center_id}: {self._path} holds no *.ndjson or *.ndjson.gz file.",
                "ask the center for its files, or mend ndjson.folder in center.toml.",
            )
        return paths

    def _unlisted(self) -> list[DataFile]:
        return [DataFile(path, types_in(path)) for path in self.paths()]

    def _listed(self, files: Sequence[ExportFile], miss: Callable[[ExportFile], None]) -> list[DataFile]:
        found = []
        for file, path in self.located(files, miss):
            told = frozenset() if file.resource_type is None else frozenset({file.resource_type})
            found.append(DataFile(path, types_in(path) | told, file.count))
        return found

    def located(
        self, files: Sequence[ExportFile], miss: Callable[[ExportFile], None]
    ) -> Iterator[tuple[ExportFile, Path]]:
        """The files of a manifest as far as they are in the folder, plain or compressed since."""
        for file in files:
            # The last part of the address alone: nothing outside the folder can be named.
            name = PurePosixPath(unquote(urlsplit(file.url).path)).name
            paths = [path for path in (self._path / name, self._path / f"{name}.gz") if path.is_file()]
            if not name or not paths:
                miss(file)
                continue
            yield file, paths[0]

    def _losses(self, missing: int, undeleted: int, has_errors: bool) -> list[str]:
        where = f"Center {self._center_id}: "
        return [
            text
            for is_so, text in (
                (missing, f"{where}{missing} files that {MANIFEST} lists are not in the folder."),
                (undeleted, f"{where}{undeleted} files of deletions are not whole or not Bundles of them."),
                (has_errors, f"{where}its export reports errors: something was left out of it."),
            )
            if is_so
        ]

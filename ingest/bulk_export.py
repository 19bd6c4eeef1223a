"""One export from kick-off to files on this machine, taken up again where a sync before ended.

The status URL is in the ledger before anybody waits. An export that the server has forgotten is asked for
once more; one that is not ready in time, or that is done with, is deleted at the server and in the ledger.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ingest.bulk import Patience, await_manifest, delete, kick_off
from ingest.bulk_files import download
from ingest.bulk_http import BulkHttp
from ingest.bulk_request import ExportRequest
from ingest.client import FhirClient
from ingest.deleted import Deleted, deleted_in
from ingest.export_folder import ExportFolder
from ingest.export_landing import ExportLanding, Taken
from ingest.manifest import ExportFile, Manifest
from ingest.ndjson import DataFile, outcomes, types_in
from ingest.source import ByExport
from mappings.errors import ExpiredExportError, ServerError, SignInError, UnreachableError
from warehouse.exports import OpenExport, forget_export, note_export, open_exports


class Exporter:
    """Takes exports of one center; `finish` when they have been read to their end."""

    def __init__(
        self, source: ByExport, client: FhirClient, landing: ExportLanding, folder: ExportFolder
    ) -> None:
        self._source = source
        self._center = landing.center
        self._warehouse = landing.warehouse
        self._context = landing.context
        self._folder = folder
        self._http = BulkHttp(client, self._context.now, self._context.is_stopping)
        self._taken: list[OpenExport] = []

    def take(self, request: ExportRequest) -> Taken:
        """Ask for an export, or take up the one under way, and bring its files here.

        Raises ServerError or SignInError; an export that may still be had stays in the ledger then.
        """
        try:
            return self._brought(self._under_way(request) or self._asked_for(request), request)
        except ExpiredExportError:
            return self._brought(self._asked_for(request), request)

    def back_to(self, since: dt.datetime | None) -> dt.datetime | None:
        """`since`, or earlier: from when on an export asked that never came to its end.

        Its resources may have landed, and the watermarks moved, without what it lists as deleted.
        """
        if since is None:
            return None
        noted = open_exports(self._warehouse, self._center.center_id)
        return min([since, *(export.since for export in noted if export.since is not None)])

    def finish(self) -> None:
        """Everything has landed: give up this export and whatever earlier syncs left open."""
        for export in open_exports(self._warehouse, self._center.center_id):
            self._give_up(export)

    def _under_way(self, request: ExportRequest) -> OpenExport | None:
        """The newest export noted before that brings at least what is asked now."""
        noted = open_exports(self._warehouse, self._center.center_id)
        return next((export for export in noted if self._serves(export, request)), None)

    def _serves(self, export: OpenExport, request: ExportRequest) -> bool:
        is_in_time = self._context.now() < export.kicked_off_at + self._source.longest_wait
        reaches_back = export.since is None or (request.since is not None and export.since <= request.since)
        is_same = export.fingerprint == request.fingerprint(self._center.base_url)
        return is_in_time and reaches_back and is_same and export not in self._taken

    def _asked_for(self, request: ExportRequest) -> OpenExport:
        kicked_off_at = self._context.now()
        accepted = kick_off(self._http, request)
        # The fingerprint of what was wanted: a server that takes fewer parameters sends more than that.
        export = OpenExport(
            center_id=self._center.center_id,
            fingerprint=request.fingerprint(self._center.base_url),
            status_url=accepted.status_url,
            since=accepted.request.since,
            kicked_off_at=kicked_off_at,
            server_time=min(accepted.server_time or kicked_off_at, kicked_off_at),
            run_id=self._context.run_id,
        )
        note_export(self._warehouse, export)
        return export

    def _brought(self, export: OpenExport, request: ExportRequest) -> Taken:
        try:
            patience = Patience(export.kicked_off_at + self._source.longest_wait, self._source.longest_poll)
            manifest = await_manifest(self._http, export.status_url, patience)
            taken = self._downloaded(export, manifest, request)
        except UnreachableError:
            raise  # the server works on meanwhile: the next sync takes this export up
        except ServerError:
            if not self._context.is_stopping():
                self._give_up(export)
            raise
        self._taken.append(export)
        return taken

    def _downloaded(self, export: OpenExport, manifest: Manifest, request: ExportRequest) -> Taken:
        files = self._download_all(_of_types(manifest.output, {*request.types, None}))
        deleted = deleted_in(self._download_all(manifest.deleted), request.types)
        # Some servers list their errors among the output.
        errors = [*manifest.error, *_of_types(manifest.output, {"OperationOutcome"})]
        losses = [*self._reported(self._download_all(errors)), *self._undeleted(deleted)]
        told = manifest.transaction_time
        return Taken(
            files=files,
            deleted=deleted.ids,
            watermark=None if losses or told is None else min(told, export.server_time),
            is_everything=export.since is None,
            losses=losses,
            # Whoever is asked for some patients may send those alone.
            delivered_at=told if export.since is None and not losses and not request.patients else None,
        )

    def _download_all(self, listed: Sequence[ExportFile]) -> list[DataFile]:
        with ThreadPoolExecutor(self._center.concurrency) as pool:
            return list(pool.map(self._download, listed, [self._folder.new_file() for _ in listed]))

    def _download(self, file: ExportFile, path: Path) -> DataFile:
        is_ended = download(self._http, file, path)
        told = frozenset() if file.resource_type is None else frozenset({file.resource_type})
        return DataFile(path, types_in(path) | told, file.count, is_ended)

    def _reported(self, files: Sequence[DataFile]) -> list[str]:
        codes = sorted({issue.code for issue in outcomes(files) if issue.is_loss})
        reason = (
            f"The server of center {self._center.center_id} left something out of its export "
            f"(OperationOutcome: {', '.join(codes)})."
        )
        return [reason] if codes else []

    def _undeleted(self, deleted: Deleted) -> list[str]:
        reason = (
            f"{deleted.unreadable} files of center {self._center.center_id}'s export that list deletions "
            "are not whole, or are not Bundles of DELETE requests."
        )
        return [reason] if deleted.unreadable else []

    def _give_up(self, export: OpenExport) -> None:
        """Delete an export at the server and in the ledger."""
        # The server deletes what is not fetched by itself, and may not offer DELETE at all.
        with suppress(ServerError, SignInError):
            delete(self._http, export.status_url)
        forget_export(self._warehouse, export)


def _of_types(files: Sequence[ExportFile], types: Collection[str | None]) -> list[ExportFile]:
    return [file for file in files if file.resource_type in types]

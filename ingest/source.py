"""How a center is read: by search, by Bulk Data export, or from a folder of NDJSON files handed over."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from ingest.origin import Origin


@dataclass(frozen=True, slots=True)
class BySearch:
    """Queries the center's FHIR server: the cohort first, then its patients."""


@dataclass(frozen=True, slots=True)
class ByExport:
    """Asks for a Bulk Data export of all patients, or of one Group, and keeps what the study asks for.

    `sends_type_filter`: the codes go along as `_typeFilter`, so that the server leaves out the rest.
    `file_origins`: where files may lie besides the center's own origin; no credential is ever sent there.
    `longest_wait`: an export not ready that long after it was asked for is given up. `longest_poll`: seconds
    between two questions for it, however long the server asks to wait.
    """

    group_id: str | None = None
    sends_type_filter: bool = False
    file_origins: frozenset[Origin] = frozenset()
    longest_wait: dt.timedelta = dt.timedelta(hours=4)
    longest_poll: float = 600.0

    @property
    def operation(self) -> str:
        """The path of the operation below the base."""
        return f"Group/{self.group_id}/$export" if self.group_id is not None else "Patient/$export"


@dataclass(frozen=True, slots=True)
class ByFolder:
    """Reads the NDJSON files of a folder; the center's server is not asked anything."""

    folder: Path


Source = BySearch | ByExport | ByFolder

"""What ingest hands to the warehouse: one unit of work, and what became of it."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Landed(NamedTuple):
    """One accepted resource: `body` is its minimised JSON text, `last_updated` an aware instant."""

    resource_type: str
    resource_id: str
    version_id: str | None
    last_updated: dt.datetime | None
    content_hash: str
    body: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One fault of one refused resource: the rule, the FHIR element path, and a message without content."""

    resource_type: str
    resource_id: str
    content_hash: str
    rule: str
    path: str
    message: str
    body: str


@dataclass(frozen=True, slots=True)
class Covered:
    """A patient's resources of one type are complete up to `watermark` for the query of `fingerprint`.

    `patient_id` is empty for the cohort query. `watermark` is an aware instant of the server's clock.
    """

    patient_id: str
    fingerprint: str
    watermark: dt.datetime


@dataclass(frozen=True, slots=True)
class Unit:
    """What one unit of work brings: resources of one type of one center, and what that completes.

    `set_back` are ids whose version here is newer than the server's own: its older one becomes current.
    """

    run_id: int
    center_id: str
    resource_type: str
    received: int
    landed: Sequence[Landed]
    finished_at: dt.datetime
    quarantined: Sequence[Quarantined] = ()
    covered: Sequence[Covered] = ()
    members: Sequence[str] = ()
    warnings: int = 0
    set_back: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class LandCounts:
    """What became of a unit: resources received, landed (new or changed), unchanged, quarantined.

    `new` are those of the landed that were not there before.
    """

    received: int
    landed: int
    unchanged: int
    quarantined: int
    new: int = 0

    def __add__(self, other: "LandCounts") -> "LandCounts":
        """The counts of two units together."""
        return LandCounts(
            self.received + other.received,
            self.landed + other.landed,
            self.unchanged + other.unchanged,
            self.quarantined + other.quarantined,
            self.new + other.new,
        )

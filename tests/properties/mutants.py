"""The product with one rule broken on purpose: each mutant is a classic mistake of incremental sync.

They are put in from outside, by replacing the product's own functions while the block runs.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from ingest import evidence, landing, plan, search
from ingest.client import FhirClient
from ingest.instant import instant
from ingest.query import Query
from ingest.read import Word
from ingest.reply import Reply
from ingest.search import Page, WalkLimits
from tests.properties import ways
from tests.properties.ways import Way
from warehouse import versions
from warehouse.land import Covered

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def no_overlap(patch: Patch) -> None:
    """Asks from the watermark itself: what the index had not caught up with is never asked for again."""
    sound = plan._options

    def options(center: Any, ask: Any, since: dt.datetime | None) -> Iterator[tuple[str, str]]:
        return sound(dataclasses.replace(center, overlap=dt.timedelta(0)), ask, since)

    patch.setattr(plan, "_options", options)


def gt_instead_of_ge(patch: Patch) -> None:
    """Asks for what is newer than the bound: what was written at that very instant is lost."""
    sound = plan._options

    def options(center: Any, ask: Any, since: dt.datetime | None) -> list[tuple[str, str]]:
        return [(name, value.replace("ge", "gt", 1)) for name, value in sound(center, ask, since)]

    patch.setattr(plan, "_options", options)


def max_seen_watermark(patch: Patch) -> None:
    """Remembers the newest lastUpdated it has seen instead of the server's time."""

    class MaxSeen(landing._Answer):
        newest: dt.datetime | None = None

        def note(self, page: Page) -> None:
            super().note(page)
            told = [instant((each.get("meta") or {}).get("lastUpdated")) for each in page.resources]
            self.newest = max([each for each in (*told, self.newest) if each], default=None)

        @property
        def watermark(self) -> dt.datetime | None:
            return self.newest if super().watermark else None

    patch.setattr(landing, "_Answer", MaxSeen)


def watermark_at_end(patch: Patch) -> None:
    """Takes the server's time at the end of the walk: what was written during the walk is lost."""

    class AtEnd(landing._Answer):
        def note(self, page: Page) -> None:
            super().note(page)
            self.server_time = self.asked_at = page.server_time or self.asked_at

    patch.setattr(landing, "_Answer", AtEnd)


def our_clock_as_watermark(patch: Patch) -> None:
    """Takes our own time instead of the server's: a server whose clock is behind loses what it writes."""

    class OurTime(landing._Answer):
        @property
        def watermark(self) -> dt.datetime | None:
            return self.asked_at if super().watermark else None

    patch.setattr(landing, "_Answer", OurTime)


def watermark_despite_losses(patch: Patch) -> None:
    """Moves the watermark although the server said that something is missing."""

    class Careless(landing._Answer):
        @property
        def watermark(self) -> dt.datetime | None:
            return self.server_time and min(self.server_time, self.asked_at)

    patch.setattr(landing, "_Answer", Careless)


def swallowed_page_error(patch: Patch) -> None:
    """Takes an error on a next link as the end of the pages."""
    sound = FhirClient.get

    def get(client: FhirClient, url: str, resource_type: str) -> Reply:
        reply = sound(client, url, resource_type)
        if reply.is_success or "_offset" not in url:
            return reply
        empty = {"resourceType": "Bundle", "type": "searchset"}
        return Reply(200, reply.url, empty, reply.server_time)

    patch.setattr(FhirClient, "get", get)


def new_patients_since_the_watermark(patch: Patch) -> None:
    """Asks for a new patient's changes instead of the whole history."""
    sound = plan.patient_tasks

    def tasks(center: Any, ask: Any, patient_ids: Sequence[str], covered: dict[str, Covered]) -> Any:
        known = [entry for entry in covered.values() if entry.fingerprint == ask.fingerprint]
        if known:
            latest = max(known, key=lambda entry: entry.watermark)
            covered = dict.fromkeys(patient_ids, latest) | covered
        return sound(center, ask, patient_ids, covered)

    patch.setattr("ingest.sync.patient_tasks", tasks)


def delete_by_absence(patch: Patch) -> None:
    """Takes what no search finds for deleted, without asking for it by its id."""
    patch.setattr(evidence, "word_on", lambda *_: Word(reason="deleted"))


def no_check_pass(patch: Patch) -> None:
    """Reads each page once: what a write shifts from one page to another is lost."""

    def once(client: FhirClient, query: Query, limits: WalkLimits) -> Iterator[Page]:
        progress = search._Progress(query.resource_type, limits)
        for page in search._pass(client, query, progress):
            yield search._noticed(page, query, progress)

    patch.setattr(search, "_settled", once)


def older_by_instant_alone(patch: Patch) -> None:
    """Keeps the version with the later instant, whichever node of the server stamped it."""
    sound = versions.is_newer

    def is_newer(version: Any, than: Any) -> bool:
        if version.last_updated and than.last_updated and version.last_updated != than.last_updated:
            return bool(version.last_updated > than.last_updated)
        return sound(version, than)

    patch.setattr(versions, "is_newer", is_newer)


MUTANTS: dict[Mutant, Way] = {
    no_overlap: ways.written_before_the_index_knows,
    gt_instead_of_ge: ways.written_at_the_instant_of_the_watermark,
    max_seen_watermark: ways.stamped_by_a_clock_days_ahead,
    watermark_at_end: ways.written_behind_the_walk_while_it_goes_on,
    our_clock_as_watermark: ways.written_on_a_server_whose_clock_is_behind,
    watermark_despite_losses: ways.left_out_and_said_so,
    swallowed_page_error: ways.failing_on_the_last_page,
    new_patients_since_the_watermark: ways.joining_with_an_old_history,
    delete_by_absence: ways.leaving_the_index_until_it_has_caught_up,
    no_check_pass: ways.deleted_before_the_page_being_read,
    older_by_instant_alone: ways.corrected_by_a_node_whose_clock_is_behind,
}


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The product with this mistake in it while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        yield

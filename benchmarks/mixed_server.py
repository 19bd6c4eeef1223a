"""A FHIR server that sends a cohort's mixed resources in pages prepared beforehand.

    python -m benchmarks.mixed_server PORT --patients N

The resources of benchmarks/mixed.py: a search of a type answers for the batch of patients named by the first
one asked for (`_id`, `subject` or `patient`), 200 a page, or a thousand where `_elements=id` asks for ids; a
search of Procedures that names no patient for all of them. Nothing is newer than any `_lastUpdated`; from
`/$resend` to `/$resend?off` everything is, as to a server that does not know the parameter. Prints `ready`.
"""

import argparse
import asyncio
import re
from urllib.parse import parse_qs, unquote

import orjson

from benchmarks.mixed import OF_A_PATIENT, Resource, resources
from benchmarks.page_server import CAPABILITY, IDS_A_PAGE, answer, bundle, talking

PAGE = 200
PATIENTS_IN_A_BATCH = 50
ALL = -1  # stands for the batch where no patient is named


class Pages:
    """Every page as bytes, made when the server starts."""

    def __init__(self, patients: int, base: str) -> None:
        self._base = base
        self._resends = False
        self._pages: dict[tuple[str, int, bool, int], bytes] = {}
        batches = [
            range(first, min(first + PATIENTS_IN_A_BATCH, patients))
            for first in range(0, patients, PATIENTS_IN_A_BATCH)
        ]
        for name in OF_A_PATIENT:
            for number, batch in enumerate(batches):
                self._prepare(name, number, list(resources(name, batch)))
        self._prepare("Procedure", ALL, list(resources("Procedure", range(patients))))
        self._empty = answer(orjson.dumps(bundle([], None)))
        self._capability = answer(orjson.dumps(CAPABILITY))

    def _prepare(self, name: str, batch: int, found: list[Resource]) -> None:
        for is_of_ids, size in ((False, PAGE), (True, IDS_A_PAGE)):
            for number, start in enumerate(range(0, len(found), size)):
                shown = found[start : start + size]
                is_last = start + size >= len(found)
                link = f"{self._base}/{name}?batch={batch}&ids={int(is_of_ids)}&page={number + 1}"
                entries = [_id_and_meta(each) for each in shown] if is_of_ids else shown
                body = orjson.dumps(bundle(entries, None if is_last else link))
                self._pages[name, batch, is_of_ids, number] = answer(body)

    def answer_to(self, target: str, form: str) -> bytes:
        """The prepared answer to a request line's target and the form in its body."""
        path, _, query = target.partition("?")
        if path.endswith("/metadata"):
            return self._capability
        if path.endswith("/$resend"):
            self._resends = query != "off"
            return self._empty
        asked = {name: values[0] for name, values in parse_qs(query or form).items()}
        name = path.removesuffix("/_search").rpartition("/")[2]
        if "_lastUpdated" in asked and not self._resends:
            return self._empty
        is_of_ids = asked.get("ids") == "1" or asked.get("_elements", "").startswith("id")
        return self._pages.get((name, _batch(asked), is_of_ids, int(asked.get("page", 0))), self._empty)


def _id_and_meta(resource: Resource) -> Resource:
    """What `_elements` leaves of a resource: what a query chooses by comes along."""
    chosen = ("resourceType", "id", "meta", "code", "subject")
    return {name: value for name, value in resource.items() if name in chosen}


def _batch(asked: dict[str, str]) -> int:
    if "batch" in asked:
        return int(asked["batch"])
    patients = asked.get("subject") or asked.get("patient") or asked.get("_id") or ""
    found = re.search(r"p(\d{7})", unquote(patients))
    return int(found[1]) // PATIENTS_IN_A_BATCH if found else ALL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--patients", type=int, required=True)
    told = parser.parse_args()
    pages = Pages(told.patients, f"http://127.0.0.1:{told.port}/fhir")
    asyncio.run(talking(told.port, pages.answer_to, latency=0.0))


if __name__ == "__main__":
    main()

"""A FHIR server that only sends pages prepared beforehand, so that the client is all that is measured.

    python -m benchmarks.page_server PORT --resources N --batches B --page-size P --latency-ms L

`POST /fhir/Observation/_search` and `GET /fhir/Observation` answer for the batch of patients named by the
first patient of the query; next links lead through the batch; `_elements=id` answers with ids only, a
thousand a page when so many are asked for.
`GET /fhir/Procedure` finds one cryoablation a patient, which makes the patients a cohort. Prints `ready`.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote

PATIENTS_IN_A_BATCH = 50
IDS_A_PAGE = 1_000
LOINC_NPRS = "72514-3"
SCT_CRYOABLATION = "26782000"

Resource = dict[str, Any]

CAPABILITY: Resource = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "kind": "instance",
    "date": "2026-11-01",
    "fhirVersion": "4.0.1",
    "format": ["json"],
    "rest": [{"mode": "server"}],
}


def patient_id(batch: int, number: int) -> str:
    return f"p{batch:05}-{number:02}"


def observation(batch: int, number: int) -> Resource:
    """A pain score with the weight of a real one: about a thousand bytes, mostly what nobody keeps."""
    return {
        "resourceType": "Observation",
        "id": f"o{batch:05}-{number:07}",
        "meta": {"versionId": "1", "lastUpdated": "2026-11-01T02:00:00.000Z", "profile": ["urn:p"]},
        "text": {
            "status": "generated",
            "div": "<div xmlns='http://www.w3.org/1999/xhtml'>" + "x" * 300 + "</div>",
        },
        "status": "final",
        "category": [{"coding": [{"system": "http://example.org/category", "code": "survey"}]}],
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": LOINC_NPRS, "display": "Pain severity 0-10"},
                {"system": "urn:local", "code": "PAIN", "display": "Pain"},
            ],
            "text": "Pain score",
        },
        "subject": {"reference": f"Patient/{patient_id(batch, number % PATIENTS_IN_A_BATCH)}"},
        "effectiveDateTime": f"20{10 + number % 10}-03-15T08:30:00+02:00",
        "issued": "2026-11-01T02:00:00.000Z",
        "valueQuantity": {
            "value": number % 11,
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
    }


def procedure(batch: int, number: int) -> Resource:
    patient = patient_id(batch, number)
    return {
        "resourceType": "Procedure",
        "id": f"cryo-{patient}",
        "meta": {"versionId": "1", "lastUpdated": "2026-11-01T02:00:00.000Z"},
        "status": "completed",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": SCT_CRYOABLATION}]},
        "subject": {"reference": f"Patient/{patient}"},
        "performedDateTime": "2019-05-06",
    }


@dataclass(frozen=True)
class Plan:
    """How many resources in how many batches, and how they are served."""

    resources: int
    batches: int
    page_size: int
    latency: float

    def of_batch(self, batch: int) -> Iterator[Resource]:
        each = self.resources // self.batches
        return (observation(batch, number) for number in range(each))


class Pages:
    """Every answer as bytes, made when the server starts."""

    def __init__(self, plan: Plan, base: str) -> None:
        self._base = base
        self._page_size = plan.page_size
        self._answers: dict[tuple[str, int, int], bytes] = {}
        for batch in range(plan.batches):
            self._prepare(f"Observation?batch={batch}", list(plan.of_batch(batch)), plan.page_size)
        cohort = [procedure(b, n) for b in range(plan.batches) for n in range(PATIENTS_IN_A_BATCH)]
        self._prepare("Procedure?all=1", cohort, plan.page_size)
        self._empty = answer(json.dumps(bundle([], None)).encode())
        self._capability = answer(json.dumps(CAPABILITY).encode())

    def _prepare(self, query: str, resources: list[Resource], page_size: int) -> None:
        ids = [only_id(each) for each in resources]
        for shown, ids_a_page, size in (
            (resources, 0, page_size),
            (ids, page_size, page_size),
            (ids, IDS_A_PAGE, IDS_A_PAGE),
        ):
            for number, start in enumerate(range(0, len(shown), size)):
                is_last = start + size >= len(shown)
                flag = f"&ids={ids_a_page}" if ids_a_page else ""
                link = None if is_last else f"{self._base}/{query}{flag}&page={number + 1}"
                body = json.dumps(bundle(shown[start : start + size], link)).encode()
                self._answers[query, ids_a_page, number] = answer(body)

    def answer_to(self, target: str, form: str) -> bytes:
        """The prepared answer to a request line's target and the form in its body."""
        path, _, query = target.partition("?")
        asked = parse_qs(query or form)
        page = int(asked.get("page", ["0"])[0])
        ids_a_page = self._ids_a_page(asked)
        if path.endswith("/metadata"):
            return self._capability
        if "Patient" in path:
            return answer(json.dumps(bundle(patients(asked.get("_id", [""])[0]), None)).encode())
        if "Procedure" in path:
            return self._empty if "subject" in asked else self._answers["Procedure?all=1", ids_a_page, page]
        batch = self._batch(path, asked)
        return self._answers.get((f"Observation?batch={batch}", ids_a_page, page), self._empty)

    def _ids_a_page(self, asked: dict[str, list[str]]) -> int:
        """How many ids a page are asked for; 0 where whole resources are."""
        if "ids" in asked:
            return int(asked["ids"][0])
        if not asked.get("_elements", [""])[0].startswith("id"):
            return 0
        count = int(asked.get("_count", ["0"])[0])
        return IDS_A_PAGE if count >= IDS_A_PAGE else self._page_size

    def _batch(self, path: str, asked: dict[str, list[str]]) -> str:
        """The batch of the first patient asked for; who asks one by one has it all with that one."""
        if "batch" in asked:
            return asked["batch"][0]
        first, *others = (asked.get("subject") or asked.get("patient") or [""])[0].split(",")
        is_asked = "Observation" in path and (others or first.endswith("-00"))
        return batch_of(first) if is_asked else ""


def patients(ids: str) -> list[Resource]:
    return [{"resourceType": "Patient", "id": each, "gender": "female"} for each in ids.split(",") if each]


def batch_of(subjects: str) -> str:
    found = re.search(r"p(\d{5})-", unquote(subjects))
    if found is None:
        raise ValueError(subjects)
    return str(int(found[1]))


def only_id(resource: Resource) -> Resource:
    subsetted = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
    return {"resourceType": resource["resourceType"], "id": resource["id"], "meta": {"tag": [subsetted]}}


def bundle(resources: list[Resource], link: str | None) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "next", "url": link}] if link else [],
        "entry": [{"resource": each, "search": {"mode": "match"}} for each in resources],
    }


def answer(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
        f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def talking(port: int, answer_to: Callable[[str, str], bytes], latency: float) -> None:
    """Serve prepared answers to a request line's target and the form in its body, until the process ends."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                form = (await reader.readexactly(int(length[1]))).decode() if length else ""
                if latency:
                    await asyncio.sleep(latency)
                writer.write(answer_to(head.split(" ", 2)[1], form))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--resources", type=int, required=True)
    parser.add_argument("--batches", type=int, required=True)
    parser.add_argument("--page-size", type=int, default=200)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    told = parser.parse_args()
    plan = Plan(told.resources, told.batches, told.page_size, told.latency_ms / 1000)
    pages = Pages(plan, f"http://127.0.0.1:{told.port}/fhir")
    asyncio.run(talking(told.port, pages.answer_to, plan.latency))


if __name__ == "__main__":
    main()

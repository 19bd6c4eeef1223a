"""From a FHIR server's pages to tables that an analyst can query: the ways that can read a server.

Each takes the base URL of benchmarks/mixed_server.py and a folder:

- paging: a bare loop of `requests` that follows the links, decodes the pages and throws them away;
- floor_pages: the same loop into NDJSON files, then what is the floor there;
- ours_pages: a first night up to the core tables; unchanged_pages: the night after it, in the same folder;
  resent_pages: the night after that, in which the server sends all of it again, whatever was asked for;
- fhir_pyrate_pages: `steal_bundles_to_dataframe` with a function written by hand.

cumulus-etl reads a server by Bulk Data export alone; the other peers read none.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.end_to_end_views import COLUMNS, ROWS, TABLES

Steps = dict[str, float]


def _bundles(base: str, table: str) -> Iterator[Any]:
    """Every page of a table, batch by batch of patients, by a bare loop."""
    import requests

    with requests.Session() as session:
        for batch in count():
            url: str | None = f"{base}/{table}?batch={batch}"
            while url:
                bundle = session.get(url, timeout=60).json()
                if not bundle["entry"]:
                    return
                yield bundle
                url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def paging(base: str, _out: Path) -> Steps:
    for table in TABLES:
        for _ in _bundles(base, table):
            pass
    return {}


def floor_pages(base: str, out: Path) -> Steps:
    import orjson

    from benchmarks.end_to_end_ways import floor

    for table in TABLES:
        with (out / f"{table}.ndjson").open("wb") as file:
            for bundle in _bundles(base, table):
                file.writelines(orjson.dumps(entry["resource"]) + b"\n" for entry in bundle["entry"])
    return floor(str(out), out)


def ours_pages(base: str, out: Path) -> Steps:
    from benchmarks.end_to_end_ours import night
    from ingest.center import Center
    from ingest.gate_pool import GatePool

    with GatePool(os.cpu_count() or 1) as gate:
        return night(Center("a", "A", base, "R4"), out, gate)


def resent_pages(base: str, out: Path) -> Steps:
    import requests

    requests.get(f"{base}/$resend", timeout=60)
    try:
        return ours_pages(base, out)
    finally:
        requests.get(f"{base}/$resend?off", timeout=60)


def fhir_pyrate_pages(base: str, out: Path) -> Steps:
    import logging

    import pandas as pd
    from fhir_pyrate import Pirate

    from benchmarks.end_to_end_ways import opened

    logging.disable(logging.CRITICAL)
    pirate = Pirate(auth=None, base_url=base, num_processes=os.cpu_count() or 1)
    with opened(out) as connection:
        for table in TABLES:

            def rows(bundle: Any, table: str = table) -> Mapping[str, list[Any]]:
                found = [ROWS[table](each.resource.to_dict()) for each in bundle.entry or ()]
                return {table: [dict(zip(COLUMNS[table], row, strict=True)) for row in found]}

            frames = []
            for batch in count():
                made = pirate.steal_bundles_to_dataframe(table, {"batch": str(batch)}, process_function=rows)
                frame = made[table] if isinstance(made, dict) else made
                if frame.empty:
                    break
                frames.append(frame)
            connection.register("frame", pd.concat(frames))
            connection.execute(f"CREATE TABLE {table.lower()} AS SELECT * FROM frame")
    return {}


PAGE_WAYS: dict[str, Callable[[str, Path], Steps]] = {
    "paging": paging,
    "floor_pages": floor_pages,
    "ours_pages": ours_pages,
    "unchanged_pages": ours_pages,
    "resent_pages": resent_pages,
    "fhir_pyrate_pages": fhir_pyrate_pages,
}

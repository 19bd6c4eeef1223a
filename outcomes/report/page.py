"""The report as a file: HTML from the published release (the figures beside it: outcomes/figures.py).

No scripts, no addresses, nothing to fetch: the page's own policy forbids all of it, and everything that came
from a center is escaped. It prints well, so that it can go into a trial folder.
"""

import os
import secrets
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from outcomes.report.facts import Mart, ReportFacts, read_published
from outcomes.report.parts import groups
from outcomes.report.sections import sections
from outcomes.report.summary import news, tiles
from warehouse.disk import disk_errors


def write_report(mart: Mart, target: Path, facts: ReportFacts) -> Path:
    """Write the report to `target` (mode 0600, replaced in one step) and return its path."""
    write_private(target, render(mart, facts))
    return target


def render(mart: Mart, facts: ReportFacts) -> str:
    """The report as HTML text; raises WarehouseError when the mart holds no results."""
    published = read_published(mart, facts.audience)
    centers = groups([(center.center_id, center.name) for center in facts.centers])
    environment = Environment(
        loader=PackageLoader("outcomes"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2")
    return page.render(
        facts=facts,
        run_id=published.run_id,
        tiles=tiles(published),
        news=news(published, facts),
        sections=sections(published, facts, centers),
    )


def write_private(target: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes beside `target` with mode 0600, flush to disk and move into place.

    Raises WarehouseError when the disk refuses; the file that was there stays.
    """
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with disk_errors(f"{target} could not be written"):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode("utf-8") if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

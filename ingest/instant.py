"""FHIR instants, by FHIR's own grammar and nothing wider.

Python's parser also takes 20260301T120000Z, weeks and blanks, which other readers take for something else
(https://hl7.org/fhir/R4/datatypes.html#instant).
"""

import datetime as dt
import re

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def instant(value: object) -> dt.datetime | None:
    """A FHIR instant in UTC; None for anything without a time zone, not a time, or beyond UTC's range."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        # A leap second, say, or a fill-in date such as 0001-01-01T00:00:00+02:00, which lies before the first
        # instant of UTC: the content hash decides then.
        return None

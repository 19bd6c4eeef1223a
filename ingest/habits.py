"""What a center's server has shown that it takes: tried once, remembered for the run, by all threads."""

import threading

from ingest.query import Query


class Habits:
    """POST searches, strict handling, page sizes and date prefixes of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._takes_post: bool | None = None  # not known before the first search
        self._takes_strict = True
        self._counts: dict[str, int] = {}
        self._after_only: set[str] = set()

    @property
    def takes_post(self) -> bool | None:
        """Whether POST _search works; None while nobody knows."""
        with self._lock:
            return self._takes_post

    @property
    def takes_strict(self) -> bool:
        """Whether `Prefer: handling=strict` is worth sending."""
        with self._lock:
            return self._takes_strict

    def post_worked(self) -> None:
        """A POST search was answered: from now on a refused one is about its type."""
        with self._lock:
            if self._takes_post is None:
                self._takes_post = True

    def post_refused(self) -> bool:
        """Note a refused POST search; False when the server has taken one before."""
        with self._lock:
            if self._takes_post is None:
                self._takes_post = False
            return self._takes_post is False

    def post_ends_nowhere(self) -> None:
        """The next link of a POST search cannot be read: search by GET from now on."""
        with self._lock:
            self._takes_post = False

    def strict_refused(self) -> None:
        """The server refused a search for nothing but strict handling."""
        with self._lock:
            self._takes_strict = False

    def fit(self, query: Query) -> Query:
        """The query in the form that this server is known to take for its type."""
        with self._lock:
            count = self._counts.get(query.resource_type)
            is_after_only = query.resource_type in self._after_only
        if count is not None and (query.count is None or query.count > count):
            query = query.with_count(count)
        return query.after_only() if is_after_only else query

    def learn(self, query: Query, taken: Query) -> None:
        """Remember what had to be changed in `query` before it was taken as `taken`."""
        with self._lock:
            if taken.count is not None and taken.count != query.count:
                self._counts[query.resource_type] = taken.count
            if taken.since != query.since:
                self._after_only.add(query.resource_type)


def concessions(query: Query) -> list[Query]:
    """Other forms of a query that a server refused: smaller pages, then `gt` for `ge`.

    Some servers answer 400 to a _count they find too large (microsoft/fhir-server#1263), some know only
    one prefix of a date (cerner/fhir.cerner.com#1032).
    """
    forms: list[Query] = []
    count = query.count or 0
    for _ in range(3):
        count //= 2
        if count:
            forms.append(query.with_count(count))
    if query.since is not None and query.after_only() != query:
        forms.append(query.after_only())
    return forms


def smaller(query: Query) -> Query | None:
    """The query with half the page size; None when a page already holds one resource."""
    return query.with_count(query.count // 2) if query.count is not None and query.count > 1 else None

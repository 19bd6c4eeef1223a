"""The status page of `serve`: `/`, `/status.json`, `/healthz` and `/metrics`, read-only, by HTTP.

It shows what `cryocohort status` shows: runs, centers, counts, rules and reasons; no ids, no content. It
listens on this machine only unless configured otherwise, and answers GET and HEAD alone.
"""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined

from ingest.origin import Origin
from mappings.errors import ConfigError, CryocohortError
from service.settings import Settings
from service.status import as_json, latest_starts, next_starts, problems, read_status
from service.status_metrics import CONTENT_TYPE, metrics_text
from warehouse.lock import is_locked

HTML = "text/html; charset=utf-8"
JSON = "application/json"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent for one path."""

    status: int
    content_type: str
    body: bytes


@contextmanager
def status_page(settings: Settings, clock: Callable[[], dt.datetime]) -> Iterator[str]:
    """Serve the page while the block runs; gives its address, empty where none is configured.

    Raises ConfigError when the configured address cannot be listened on.
    """
    if not settings.file.serve.listen:
        yield ""
        return
    server = _listen(settings, clock)
    thread = threading.Thread(target=server.serve_forever, name="status page", daemon=True)
    thread.start()
    url = f"http://{server.host}:{server.server_port}/"
    structlog.get_logger().info("status page", url=url)
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listen(settings: Settings, clock: Callable[[], dt.datetime]) -> "_Server":
    host, port = settings.file.serve.listen.rsplit(":", 1)
    try:
        return _Server(host, int(port), StatusPages(settings, clock))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise ConfigError(
            f"cryocohort.toml: serve.listen: {settings.file.serve.listen} cannot be listened on ({reason}).",
            'name a free address such as "127.0.0.1:8643", or "" for no status page.',
        ) from None


class StatusPages:
    """The four pages, made anew from the status file at each request."""

    def __init__(self, settings: Settings, clock: Callable[[], dt.datetime]) -> None:
        self._settings = settings
        self._clock = clock
        pages = Environment(
            loader=PackageLoader("service"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        pages.filters["minute"] = _minute
        self._template = pages.get_template("status.html.j2")
        self._pages: dict[str, Callable[[], Answer]] = {
            "/": self._page,
            "/status.css": _style,
            "/status.json": self._json,
            "/healthz": self._health,
            "/metrics": self._metrics,
        }

    def answer(self, path: str) -> Answer:
        """What `path` shows; 503 with the reason while there is no status to show."""
        page = self._pages.get(path)
        if page is None:
            return Answer(404, "text/plain", b"Not found.\n")
        try:
            return page()
        except CryocohortError as error:
            return Answer(503, "text/plain; charset=utf-8", f"{error.message} {error.next_step}\n".encode())

    def _problems(self) -> list[str]:
        folder = self._settings.warehouse_folder
        starts = latest_starts(self._settings, self._clock())
        return problems(read_status(folder), starts, is_locked=is_locked(folder))

    def _page(self) -> Answer:
        status = read_status(self._settings.warehouse_folder)
        text = self._template.render(
            study=self._settings.file.study.title,
            status=status,
            problems=self._problems(),
            next_starts=next_starts(self._settings, self._clock()),
            last_complete={sync.center_id: sync.finished_at for sync in status.complete},
            is_running=is_locked(self._settings.warehouse_folder),
            now=self._clock(),
        )
        return Answer(200, HTML, text.encode())

    def _json(self) -> Answer:
        status = read_status(self._settings.warehouse_folder)
        text = as_json(status, self._problems(), next_starts(self._settings, self._clock()))
        return Answer(200, JSON, text.encode())

    def _health(self) -> Answer:
        found = self._problems()
        text = "\n".join(found) if found else "healthy"
        return Answer(503 if found else 200, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _metrics(self) -> Answer:
        status = read_status(self._settings.warehouse_folder)
        starts = next_starts(self._settings, self._clock())
        return Answer(200, CONTENT_TYPE, metrics_text(status, self._problems(), starts))


class _Server(ThreadingHTTPServer):
    """A socket for the pages; `host` as it was configured."""

    daemon_threads = True

    def __init__(self, host: str, port: int, pages: StatusPages) -> None:
        super().__init__((host, port), _Handler)
        self.host = host
        self.pages = pages
        self.is_private = Origin("http", host, port).is_loopback


class _Handler(BaseHTTPRequestHandler):
    """HTTP around StatusPages."""

    server: _Server
    timeout = 10  # seconds for a request: an open connection that says nothing is not waited for

    def do_GET(self) -> None:
        """Answer with the page."""
        self._send(self._answer(), has_body=True)

    def do_HEAD(self) -> None:
        """Answer without the page."""
        self._send(self._answer(), has_body=False)

    def _answer(self) -> Answer:
        # A page of another site, opened in a browser on this machine, must not read this one by its own name.
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if self.server.is_private and not Origin("http", host, 0).is_loopback:
            return Answer(403, "text/plain", b"Ask for 127.0.0.1 or localhost.\n")
        return self.server.pages.answer(self.path.partition("?")[0])

    def _send(self, answer: Answer, *, has_body: bool) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        """The Server header: no versions."""
        return "cryocohort"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Requests are not logged: monitoring asks every few seconds."""


def _style() -> Answer:
    return Answer(
        200, "text/css; charset=utf-8", (files("service") / "templates" / "status.css").read_bytes()
    )


def _minute(moment: dt.datetime | None) -> str:
    return "never" if moment is None else moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")

"""Debian's Chromium without a window: opens a page, says what it logged and asked the network for."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
# axe reads every cell of the page, on a machine that does other work as well.
SCRIPT_SECONDS = 300

Theme = Literal["light", "dark"]
# Nothing emulated, or the page as it is laid out for paper.
Media = Literal["", "print"]


class Browser:
    """One Chromium; a page is opened from a file or an address."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, page: Path | str, *, width: int, theme: Theme = "light", media: Media = "") -> None:
        """Show a page at a width in CSS pixels; what was logged before is forgotten."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._cdp("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._cdp("Emulation.setEmulatedMedia", media=media, features=features)
        for kind in ("browser", "performance"):
            self._driver.get_log(kind)
        self._driver.get(page if isinstance(page, str) else page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self._driver.execute_script(script, *arguments)

    def run_async(self, script: str) -> Any:
        """What a script in the page hands to its last argument."""
        return self._driver.execute_async_script(script)

    def console(self) -> list[str]:
        """Everything on the console since the page was opened."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        sent = (e["params"] for e in events if e["method"] == "Network.requestWillBeSent")
        return [each["request"]["url"] for each in sent]

    def screenshot(self, target: Path) -> None:
        """The whole page as PNG."""
        size = self.run("const r = document.documentElement; return [r.clientWidth, r.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 16_000), "scale": 1}
        shot = self._cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        target.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """The page as it prints, on the paper that its style names."""
        printed = self._cdp("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(printed["data"])

    def _cdp(self, command: str, **parameters: Any) -> Any:
        return self._driver.execute_cdp_cmd(command, parameters)


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A Chromium with an empty profile, ended with the block."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        driver.set_script_timeout(SCRIPT_SECONDS)
        driver.command_executor.client_config.timeout = SCRIPT_SECONDS + 30
        yield Browser(driver)
    finally:
        driver.quit()


def is_outside(url: str) -> bool:
    """Whether an address is anything but a file of this machine or a part of the page itself."""
    return urlsplit(url).scheme not in ("file", "data", "about")

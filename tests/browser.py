"""A real browser that looks at a page as people do, and notes what goes wrong there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "CHROMIUM"
"""Environment variable: the browser to use."""
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DESK, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


def chromium() -> str:
    """The program to run."""
    found = os.environ.get(CHROMIUM) or shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, f"no chromium found; install it (apt-get install chromium), or set {CHROMIUM}=/path/to/one"
    return found


@contextmanager
def started() -> Iterator[Browser]:
    """The browser, with a profile of its own that is gone afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield browser
        browser.close()


class Look:
    """A file as the browser shows it. `wrong` is what the console, the policy and the page's scripts complained of,
    `requests` what it asked for beside the file itself; `place` is where in the page, from # on."""

    def __init__(self, browser: Browser, file: Path, place: str = "", **options: Any) -> None:
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_page(**({"viewport": DESK} | options))
        self.page.on("console", lambda message: self.wrong.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri() + place)
        self.requests.remove(file.as_uri())

    def ask(self, expression: str, argument: object = None) -> Any:
        """The value of an expression of JavaScript, or of a function called with an argument."""
        return self.page.evaluate(expression, argument)

    def texts(self, selector: str) -> list[str]:
        """What all elements that a selector picks hold, shown or hidden."""
        return self.page.locator(selector).all_text_contents()

    def table(self, selector: str) -> list[list[str]]:
        """The cells of a table's body, row by row."""
        return self.ask(
            "selector => [...document.querySelector(selector).tBodies[0].rows]"
            ".map(row => [...row.cells].map(cell => cell.textContent))",
            selector,
        )

    def traces(self, chart: str) -> list[dict[str, Any]]:
        """What a chart draws."""
        return self.ask(
            "id => document.getElementById(id).data.map(({name, x, y, z}) => ({name, x: [...x], y: [...y], z}))",
            chart,
        )

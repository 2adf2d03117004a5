"""A real browser at the console: Debian's Chromium, steered by Playwright, and what no page may do in it."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from app.admin.people import sessions, users
from app.admin.people.users import Role
from app.console import PATH, create_console
from app.console.guard import SECRET
from tests.commands.conftest import Installation

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}

# Each language, and each theme: a page that is right in these is right in all.
LOOKS = [("en", "light"), ("pt_BR", "dark"), ("es", "light")]

# The pictures of the console in the documents, and the document that shows them.
PICTURES = Path(__file__).parents[2] / "docs" / "static" / "console"
DOCUMENT = (PICTURES.parents[1] / "console.md").read_text()


@dataclass
class Site:
    """A console that is served at `url`."""

    installation: Installation
    app: Any
    url: str

    def cookie(self, role: Role, *, language: str = "", theme: str = "", zone: str = "") -> dict[str, Any]:
        """Return the cookie of a session of a user with this role, who wants pages to look so."""
        parts, name = self.installation.parts, str(role)
        if users.get(parts, name) is None:
            users.add(parts, name, role)
        users.prefer(parts, name, language=language, theme=theme, zone=zone)
        secret = sessions.begin(parts, name, "127.0.0.1", "a test")
        self.app.test_client().get("/sign-in")  # makes the key that signs
        value = self.app.session_interface.get_signing_serializer(self.app).dumps({SECRET: secret})
        return {"name": self.app.config["SESSION_COOKIE_NAME"], "value": value, "url": self.url}


@contextmanager
def served(installation: Installation) -> Iterator[Site]:
    app = create_console(installation.parts)
    server = make_server("127.0.0.1", 0, DispatcherMiddleware(NotFound(), {PATH: app}), threaded=True)
    server.log_startup = lambda: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Site(installation, app, f"http://127.0.0.1:{server.port}{PATH}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield Debian's Chromium; without one the tests are skipped, or fail where CI wants them."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no browser: make browser installs one")
        pytest.skip("no browser: make browser installs one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Browsing:
    """A window of the browser: `page` is Playwright's; `problems` is what its pages did wrong."""

    site: Site
    page: Page
    problems: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(cls, browser: Browser, site: Site, *, scripts: bool = True) -> Iterator[Browsing]:
        context = browser.new_context(viewport=DESKTOP, java_script_enabled=scripts)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        page = context.new_page()
        found = cls(site, page)
        page.on("console", found._said)
        page.on("pageerror", lambda error: found.problems.append(f"script: {error}"))
        page.on("request", found._asked)
        try:
            yield found
        finally:
            context.close()

    def sign_in(self, role: Role = Role.OWNER, *, language: str = "", theme: str = "", zone: str = "") -> None:
        """Be somebody with this role, who wants pages to look so."""
        self.page.context.add_cookies([self.site.cookie(role, language=language, theme=theme, zone=zone)])  # type: ignore[list-item]

    def open(self, path: str = "/") -> Page:
        self.page.goto(f"{self.site.url}{path}")
        return self.page

    def check_page(self) -> None:
        """Expect the page that is shown to be usable by all, on a phone too, and to have asked nobody else."""
        self.page.evaluate(AXE)
        for size in (PHONE, DESKTOP):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{self.page.url} is {wide} px too wide for {size['width']} px"
            result = self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
            found = [f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}" for one in result["violations"]]
            assert not found, f"{self.page.url} at {size['width']} px:\n" + "\n".join(found)
        self.expect_no_problems()

    def picture(self, name: str) -> None:
        """Expect the picture in the documents to show this page, or draw it, where `make screenshots` asks for it.

        What the page says, without its figures and ids, is beside the picture. A page that no document shows has none.
        """
        if f"static/console/{name}.png" not in DOCUMENT or self.page.locator("html").get_attribute("lang") != "en":
            return
        said = "\n".join(self.page.locator("h1, h2, h3, th, dt, label, button, nav a").all_inner_texts()) + "\n"
        said = re.sub(r"[\w-]*[0-9a-f]{12}[\w-]*", "ID", said)
        words = PICTURES / f"{name}.txt"
        if os.environ.get("SCREENSHOTS"):
            self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
            words.write_text(said)
        else:
            assert said == words.read_text(), f"{name}.png shows another page: run `make screenshots`"

    def expect_no_problems(self) -> None:
        assert not self.problems, "\n".join(self.problems)

    def _said(self, message: ConsoleMessage) -> None:
        # That a request was answered with an error is the page's to show.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.site.url, "data:")):
            self.problems.append(f"asked {request.url}")

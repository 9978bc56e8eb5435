"""A headless Chromium with a report's page, and what it complained of."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from support import factories

from labeleff.reporting.study_report import build

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def needed(condition, what):
    if not condition:
        pytest.skip(f"{what} isn't installed, which shows pages in a browser")


@pytest.fixture(scope="session")
def browser():
    needed(importlib.util.find_spec("playwright"), "the package playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    needed(path, f"a browser ({', '.join(BROWSERS)})")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def axe():
    """Text of axe-core's script, as a package carries it."""
    found = importlib.util.find_spec("axe_playwright_python")
    needed(found, "the package axe-playwright-python")
    [script] = Path(found.origin).parent.rglob("axe.min.js")
    return script.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """Folder of a report of a made study, at two places."""
    folder = tmp_path_factory.mktemp("report")
    encoders = [{"name": "resnet9", "width": 0.25}, {"name": "mobilenet_v2"}]
    factories.folder(folder, encoders=encoders)
    build(folder)
    return folder


class Watched:
    """A page with everything that it logged, failed at or asked the network for."""

    def __init__(self, page):
        self.page, self.complaints = page, []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._request(request.url))

    def _request(self, url):
        if not url.startswith(("file:", "data:")):
            self.complaints.append(url)


@pytest.fixture
def opened(browser):
    """Open a file in a new page of a given width and theme."""
    contexts = []

    def open_file(path, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(15_000)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.goto(Path(path).as_uri())
        return watched

    yield open_file
    for context in contexts:
        context.close()

"""Fixtures for the tests of the steps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.steps.browser import Browser
from tests.steps.programs import Screen, plain_environment

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1300")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real browser without a window, with a profile of its own."""
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (program and driver) or os.name == "nt":
        pytest.skip("needs chromium and chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield Browser(found)
    found.quit()


@pytest.fixture
def browser(chromium: Browser, tmp_path: Path) -> Iterator[Browser]:
    """The same browser, its downloads in this test's folder; afterwards it looks at nothing."""
    chromium.downloads = tmp_path / "downloads"
    chromium.downloads.mkdir()
    chromium.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow",
                                                                 "downloadPath": str(chromium.downloads)})
    chromium.driver.get("about:blank")
    chromium.requests()  # what earlier tests asked for
    chromium.said()
    yield chromium
    chromium.driver.get("about:blank")


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    sockets = Path("/tmp") / f"octo_{uuid.uuid4().hex[:8]}"  # a socket's path is short
    sockets.mkdir(mode=0o700)
    monkeypatch.setenv("SCREENDIR", str(sockets))
    made = Screen(tmp_path)
    yield made
    for session in json.loads(made("-l", "--json")):
        subprocess.run(["screen", "-S", f"{session['pid']}.{session['name']}", "-X", "quit"], timeout=30,
                       env=plain_environment(), stdout=subprocess.DEVNULL)
    shutil.rmtree(sockets, ignore_errors=True)

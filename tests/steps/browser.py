"""A real browser as tests use it: look at a page until it says something, press, choose."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class Browser:
    """`driver` is selenium's; all that waits fails after PATIENCE seconds with what was there."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.downloads = Path()

    def open(self, url: str) -> None:
        """The page, as soon as there is one."""
        until(lambda: is_served(url))
        self.driver.get(url)

    def find(self, css: str) -> Any:
        return until(lambda: self.driver.find_elements("css selector", css))[0]

    def text(self, css: str) -> str:
        """What is to be read there now; "" where there is no such thing."""
        script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''"
        return str(self.driver.execute_script(script, css))

    def wait_for(self, css: str, text: str) -> str:
        """The text there, once it holds `text`."""
        until(lambda: text in self.text(css), lambda: f"{css}: {self.text(css)!r}, waiting for {text!r}")
        return self.text(css)

    def press(self, css: str) -> None:
        self.find(css).click()

    def choose(self, css: str, label: str) -> None:
        """An entry of a dropdown of Dash."""
        from selenium.webdriver.common.by import By

        self.press(css)
        path = f"//*[contains(@class, 'dash-dropdown-option') and normalize-space()='{label}']"
        until(lambda: self.driver.find_elements(By.XPATH, path))[0].click()

    def wait_for_figure(self, wanted: dict[str, int]) -> None:
        """Until that is what is drawn: {name: how many points, …}."""
        until(lambda: self._figure() == wanted, lambda: str(self._figure()))

    def _figure(self, css: str = "#plot .js-plotly-plot") -> Any:
        script = ("const e = document.querySelector(arguments[0]); if (!e || !e.data) return {};"
                  "return Object.fromEntries(e.data.map((t) => [t.name, (t.y || t.x).length]))")
        return self.driver.execute_script(script, css)

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        found = [message["params"]["request"]["url"] for message in messages
                 if message["method"] == "Network.requestWillBeSent"]
        return [url for url in found if not url.startswith(("chrome", "data:", "about:", "blob:"))]

    def said(self) -> list[str]:
        """The console's errors since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def until(found: Callable[[], Any], told: Callable[[], str] = lambda: "") -> Any:
    """What `found` gives, once that is something."""
    give_up = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < give_up, f"it does not come; {told()}"
        time.sleep(0.03)
    return value


def is_served(url: str) -> bool:
    """Something listens there."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as made:
        made.settimeout(1)
        return made.connect_ex((host, int(port))) == 0


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


class Aside:
    """A step that runs in a thread beside the test: `result` is what it returned, `error` what it raised."""

    def __init__(self, run: Callable[..., Any], ctx: Any, params: Mapping[str, Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._go, args=(run, ctx, params), daemon=True)
        self._thread.start()

    def _go(self, run: Callable[..., Any], ctx: Any, params: Mapping[str, Any]) -> None:
        try:
            self.result = run(ctx, params)
        except BaseException as error:
            self.error = error

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self.runs, "it does not end"
        if self.error is not None:
            raise self.error
        return self.result

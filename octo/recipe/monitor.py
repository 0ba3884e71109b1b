"""What the machine and this process use: cores and memory by psutil, energy by CodeCarbon where it is installed.

CodeCarbon is used in its offline mode: nothing is sent anywhere, and nothing is written.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from .sizes import machine_cores

HOW_TO_GET_ENERGY = "energy is measured by CodeCarbon: pip install 'octo-step-engine[energy]'"


def free_cores() -> float:
    """Cores that nobody uses now, at least one: a step has to run somewhere."""
    import psutil

    cores = machine_cores()
    busy = psutil.cpu_percent(interval=0.1) / 100 * (os.cpu_count() or 1)
    return float(max(1, min(cores, round(cores - busy))))


def free_memory() -> int:
    """Bytes of memory that can be had without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


class Monitor:
    """Gives figures when asked. `cpu_percent` and energy are of the time since it was asked before (or made)."""

    def __init__(self, country: str = "") -> None:
        import psutil

        psutil.cpu_percent()  # from here on it counts
        self._country = country
        self._energy: Any = None
        self._kwh = 0.0
        self._emissions = 0.0
        self._since = 0.0

    def figures(self) -> dict[str, Any]:
        """One look: figures of the machine, of this process, and `energy`.

        `energy` is `{kwh, kwh_in_all, seconds}` (and `emissions_kg` where the country is known), from the second look
        on; `{"how": …}` where CodeCarbon is not installed.
        """
        import psutil

        memory, process = psutil.virtual_memory(), psutil.Process()
        own = process.cpu_times()
        return {
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S"),
            "cpu_percent": psutil.cpu_percent(),
            "cores": machine_cores(),
            "load": [round(each, 2) for each in psutil.getloadavg()],
            "mem_total": int(memory.total),
            "mem_available": int(memory.available),
            "mem_percent": memory.percent,
            "process": {"cpu_seconds": round(own.user + own.system, 3), "rss": int(process.memory_info().rss)},
            "energy": self._used(),
        }

    def _used(self) -> dict[str, Any]:
        if self._energy is None:
            self._energy = _tracker(self._country)
            if self._energy is None:
                return {"how": HOW_TO_GET_ENERGY}
            self._begin()
            return {"kwh": 0.0, "kwh_in_all": 0.0, "seconds": 0.0}
        used = self._energy.stop_task()
        seconds = time.monotonic() - self._since
        self._begin()
        self._kwh += used.energy_consumed
        self._emissions += used.emissions
        found = {"kwh": used.energy_consumed, "kwh_in_all": self._kwh, "seconds": round(seconds, 3)}
        return found | ({"emissions_kg": self._emissions} if self._country else {})

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._energy.start_task(f"octo {self._since}")


def _tracker(country: str) -> Any:
    """CodeCarbon's meter; None where it is not installed."""
    # it tells at length on standard error what hardware it found, and sets its level itself
    logging.getLogger("codecarbon").addFilter(lambda record: record.levelno >= logging.CRITICAL)
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        return None
    # without a country it has no factor for emissions and would complain; they are not shown then
    return OfflineEmissionsTracker(
        country_iso_code=country or "USA",
        save_to_file=False,
        log_level="critical",
        measure_power_secs=3600,
        allow_multiple_runs=True,
    )

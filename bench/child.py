"""One measurement in a process of its own: `python -m bench.child '{"call": "yardsticks.disk_sync", …}'`.

Its answer is the last line of standard output, as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def measure(order: dict[str, Any]) -> dict[str, Any]:
    module, function = order["call"].split(".")
    try:
        call = getattr(importlib.import_module(f"bench.{module}"), function)
        answer: dict[str, Any] = call(Path(order["where"]), **order["options"])
    except ModuleNotFoundError as error:
        return {"missing": f"{error.name} is not installed"}
    return answer


if __name__ == "__main__":
    print("\n" + json.dumps(measure(json.loads(sys.argv[1]))))

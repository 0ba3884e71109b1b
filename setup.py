"""The one thing that setup.cfg cannot say: found packages and a named one together.

`modules/` goes into the wheel as `octo/_modules`, so that no import name in it (`context`, `server`, ...)
becomes a top-level name of the user's site-packages. All else is in setup.cfg.
"""

from setuptools import find_namespace_packages, setup

OWN = ["octo", "octo.*", "step_library", "step_library.*"]

found = find_namespace_packages(include=OWN, exclude=["*.__pycache__"])
documented = find_namespace_packages("modules", exclude=["*__pycache__"])

setup(packages=[*found, "octo._modules", *(f"octo._modules.{name}" for name in documented)])

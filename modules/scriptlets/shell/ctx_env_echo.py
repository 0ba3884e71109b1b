#!/usr/bin/env bash
""":"  # bash runs what stands up to the next three quotes, Python takes it for text and runs what follows it
here=$(dirname "${BASH_SOURCE[0]}")
[ -e "$here/ctx_env_echo.sh" ] || here=$here/../../../../step_library/shell # as it is installed
exec bash "$here/ctx_env_echo.sh" "$@"
"""

import os

print("CTX ENV VARS:")
for name in sorted(name for name in os.environ if name.startswith("CTX_")):
    print(f"{name}={os.environ[name]}")

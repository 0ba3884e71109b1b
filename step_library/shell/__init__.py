"""Programs for shell steps: `cmd: scriptlets/shell/NAME.sh`."""

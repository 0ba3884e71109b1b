# Everything goes through the virtual environment .venv of this checkout; nothing else is touched.
# Only relative paths here: make cannot quote a directory name with spaces.

PYTHON ?= python3
# test processes at once
WORKERS ?= 2

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# An environment knows its own path: a checkout that was moved gets a new one.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
INSTALLED := .venv/installed-$(HERE)
INSTALLED_TEST := .venv/installed-test-$(HERE)
INSTALLED_BENCH := .venv/installed-bench-$(HERE)
PACKAGE := setup.cfg setup.py pyproject.toml
SLOW := slow or faults
PROGRAMS := chromium chromium-driver redis-server postgresql screen jq

.PHONY: help demo test quick lint coverage bench clean programs

help:
	@echo "make demo      install into .venv and run a real step machine: an acceptance check of this computer"
	@echo "make test      install with the test tools, then lint, types and the whole suite (WORKERS=$(WORKERS))"
	@echo "make quick     the tests without the slow ones; under three minutes"
	@echo "make lint      ruff and mypy"
	@echo "make programs  the programs that some tests start, where they are missing and can be installed"
	@echo "make coverage  the whole suite, with the branch coverage of octo/store and octo/engine"
	@echo "make bench     the budget table, beside LangGraph and Burr"
	@echo "make clean     remove .venv and all else that these made"
	@echo "PYTHON=python3.12 make demo takes another Python (3.10 or later)"

# The machine check runs on a copy, so that the example stays as it is and every call starts afresh.
demo: $(INSTALLED)
	@rm -rf demo/machine_check && mkdir -p demo && cp -R instances/machine_check demo/machine_check
	@$(BIN)/octo reset demo/machine_check >/dev/null
	$(BIN)/octo run demo/machine_check
	@echo "report:  $$PWD/demo/machine_check/Assets/report.html"
	@echo "graph:   $$PWD/demo/machine_check/Assets/graph.png"
	@echo "again, step by step: see instances/machine_check/README.md; the command is $(BIN)/octo"

test: lint programs
	$(BIN)/python -m pytest -n $(WORKERS)

# What some tests start: a browser, Redis, PostgreSQL, GNU screen, jq. Where they cannot be had, those tests say so and skip.
programs:
	@test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
	{ command -v chromium && command -v chromedriver && command -v redis-server && command -v psql && command -v screen && command -v jq; } \
	>/dev/null || { echo "installing the programs that tests start: $(PROGRAMS)"; apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PROGRAMS) >/dev/null; } || \
	echo "these programs could not be installed: the tests that start them are skipped"

quick: $(INSTALLED_TEST)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not ($(SLOW))"

lint: $(INSTALLED_TEST)
	$(BIN)/ruff check .
	$(BIN)/mypy

coverage: $(INSTALLED_TEST)
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term --cov-fail-under=95

bench: $(INSTALLED_BENCH)
	$(BIN)/python bench/run.py

clean:
	rm -rf .venv build dist demo htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf ./*.egg-info modules/*.egg-info

$(INSTALLED): $(PACKAGE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Octo needs Python 3.10 or later; say which with PYTHON=...")'
	@test -e $@ || { echo "making .venv"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing into .venv"
	@$(PIP) install --editable .
	@touch $@

$(INSTALLED_TEST): $(INSTALLED)
	@echo "installing the test tools"
	@$(PIP) install --editable ".[test]"
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED)
	@echo "installing LangGraph and Burr to compare with"
	@$(PIP) install --editable ".[bench]"
	@touch $@

# A developer's day is three words: make check, make test, make bench.
# Needs make and a Python from 3.11 to 3.13 that can make virtual environments; the rest is fetched into .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run demo test check fmt bench soak audit docs lock clean

MAKEFLAGS += --no-print-directory
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check
UV_VERSION := 0.13.8

# The first interpreter that runs at all: a version manager's shim may exist and still fail. The system's own come
# first: distributions build them with optimisations that a version manager's builds often lack (a third in speed).
PYTHONS := python3.13 python3.12 python3.11
FIND_PYTHON = for python in $(addprefix /usr/bin/,$(PYTHONS)) $(PYTHONS) python3; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	2>/dev/null && break; python=; done; \
	[ -n "$$python" ] || { echo 'No Python from 3.11 to 3.13 with the venv module was found.' >&2; exit 1; };

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' Makefile

venv: $(VENV)/.runtime ## Build .venv with the alveary command; nothing to do when it is up to date

$(BIN)/python:
	@$(FIND_PYTHON) "$$python" -m venv $(VENV)

# Each stamp is younger than all it was made from; the order-only interpreter only has to exist.
$(VENV)/.runtime: pyproject.toml requirements/runtime.txt | $(BIN)/python
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: requirements/%.txt $(VENV)/.runtime
	@$(PIP) install --require-hashes -r $<
	@touch $@

run: venv ## Serve ./data
	@$(BIN)/alveary serve --data ./data

demo: venv ## Carry a cell from one unit to another, and say what happens
	@$(BIN)/python demo/demo.py

# One module stays in one process, so its servers are started once.
TESTS ?= -n 2 --dist loadscope
test: $(VENV)/.dev ## Run the tests (TESTS='tests/unit -x' for some of them)
	@$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.dev ## Format, lint, types, import contracts, security, architecture
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@found=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$found"; exit 1; }
	@found=$$($(BIN)/bandit --quiet --recursive --configfile pyproject.toml src 2>&1) || { echo "$$found"; exit 1; }
	@$(BIN)/python -m pytest tests/architecture
	@$(BIN)/python -m tests.architecture.longest

fmt: $(VENV)/.dev ## Format and repair what can be repaired by itself
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: $(VENV)/.bench ## Measure, beside nginx, wsgidav, PocketBase and Kinto where they are installed
	@$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.bench ## Half an hour of mixed load
	@$(BIN)/python -m bench.soak $(ARGS)

audit: $(VENV)/.dev ## Known vulnerabilities of what is shipped; what cannot be looked up is a failure
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements/runtime.txt

docs: venv ## Write the pages that are made from the code
	@$(BIN)/python docs/make_pages.py

# Universal locks: one file serves every supported Python and machine. ARGS=--upgrade takes the newest versions.
COMPILE = $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate $(ARGS) pyproject.toml
lock: $(BIN)/python ## Write requirements/*.txt anew from pyproject.toml
	@$(BIN)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(COMPILE) --output-file requirements/runtime.txt
	@$(COMPILE) --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	@$(COMPILE) --extra bench --constraint requirements/dev.txt --output-file requirements/bench.txt

clean: ## Remove what can be built again; data folders stay
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests bench demo -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

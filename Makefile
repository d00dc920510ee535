.DEFAULT_GOAL := help
.PHONY: setup demo test lint docs reference soak bench limitations first-minutes deploy-check screenshots client catalog dist lock help clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait for processes more than they compute, so more workers than processors are faster.
WORKERS ?= 4
MINUTES ?= 30
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

help: ## Show all targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	$(BIN)/python -m compileall -q src
	@touch $@

setup: $(VENV)/.installed ## Install the locked dependencies into .venv

demo: setup ## Run a local ION and the hub, connected, with changes flowing
	$(BIN)/ultraviolet demo

# Without cached bytecode, each process that a test starts would compile the package again.
test: export PYTHONDONTWRITEBYTECODE =
test: setup ## Run the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup ## Check style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

docs: setup ## Build the documentation into docs/_build; warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build

reference: setup ## Generate docs/reference from the code
	$(BIN)/python -m docs.generate

soak: setup ## Run hub and local ION under faults and crashes for MINUTES (30), then verify
	$(BIN)/python -m tests.e2e.soak --minutes $(MINUTES)

bench: setup ## Run the benchmarks, or those in NAMES
	$(BIN)/python -m bench $(NAMES)

limitations: setup ## Measure the four documented limitations, with healing on and off
	$(BIN)/python bench/limitations.py

first-minutes: setup ## Measure the first minutes of a new user in a fresh clone and a real browser
	$(BIN)/python -m tests.first_minutes

deploy-check: setup ## Build and check the image with podman or docker, or its steps without them
	$(BIN)/python -m tests.container

screenshots: setup ## Create docs/screenshots from a small demo
	$(BIN)/python tests/screenshots.py

client: setup ## Generate the typed client in src/ultraviolet/client from the API
	$(BIN)/python tools/make_client.py

catalog: setup ## Generate the catalog of resources from the contract in src/ultraviolet/ion/contract
	$(BIN)/python tools/make_catalog.py

dist: setup ## Build wheel and source distribution into dist, check them, and try each Python
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	PYTHONS="3.11 3.12 3.13" $(BIN)/python -m pytest -q tests/e2e/test_wheel.py

lock: setup ## Update the lock files from pyproject.toml
	$(COMPILE) --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --no-annotate -c requirements.lock --all-extras --output-file requirements-run.lock pyproject.toml
	$(COMPILE) --no-annotate -c requirements.lock --group build --output-file requirements-build.lock

clean: ## Remove the virtual environment, caches and demo data
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache demo-data

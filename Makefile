.DEFAULT_GOAL := help
.PHONY: setup demo test lint docs reference soak bench limitations first-minutes deploy-check screenshots client catalog lock help clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
MINUTES ?= 30
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

setup: $(VENV)/.installed ## Install the locked dependencies into .venv

demo: setup ## Run a local ION and the hub, connected, with changes flowing
	$(BIN)/ultraviolet demo

test: setup ## Run the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

docs: setup ## Build the documentation into docs/_build; warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build

reference: setup ## Write the pages of docs/reference that follow from the code
	$(BIN)/python -m docs.generate

soak: setup ## Run hub and local ION under faults and crashes for MINUTES (30), then prove that nothing is lost
	$(BIN)/python -m tests.e2e.trouble --minutes $(MINUTES)

bench: setup ## Measure the budgets against baselines of the same run; NAMES chooses some
	$(BIN)/python -m bench $(NAMES)

limitations: setup ## Measure the four documented limitations, with healing on and off
	$(BIN)/python bench/limitations.py

first-minutes: setup ## Walk a new user's first minutes in a fresh clone and a real browser, and time each step
	$(BIN)/python -m tests.first_minutes

deploy-check: setup ## Build the image and run it with podman or docker; without them, do what the Dockerfile says
	$(BIN)/python -m tests.container

screenshots: setup ## Make the screenshots in docs/screenshots from a small demo
	$(BIN)/python tests/screenshots.py

client: setup ## Write the typed client in src/ultraviolet/client anew from the API
	$(BIN)/python tools/make_client.py

catalog: setup ## Generate the catalog of resources from the contract in src/ultraviolet/ion/contract
	$(BIN)/python tools/make_catalog.py

lock: setup ## Write the locks anew from pyproject.toml, with hashes and without index addresses
	$(COMPILE) --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --no-annotate -c requirements.lock --all-extras --output-file requirements-run.lock pyproject.toml
	$(COMPILE) --no-annotate -c requirements.lock --group build --output-file requirements-build.lock

clean: ## Remove the virtual environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache demo-data

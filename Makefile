# Needs Python 3.11 or newer, make and a package registry; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-properties test-servers test-browser test-spark soak lint format docs bench lock

help:
	@echo "make demo    two FHIR servers, one night, every figure of the paper"
	@echo "make test    the tests"
	@echo "make test-properties  random nights, mutants, failing requests and statements, kills"
	@echo "make test-servers  whole nights against HAPI and Medplum (Java 17, Maven, Node)"
	@echo "make test-browser  the report in Chromium, with axe-core (Chromium, chromedriver, npm)"
	@echo "make test-spark  the same figures on DuckDB and on Spark (Java 17)"
	@echo "make soak    1,000 kills, 400 nights, every fault in every way (about an hour)"
	@echo "make lint    ruff, mypy, import-linter, sqlfluff"
	@echo "make docs    docs/reference/ anew from the product"
	@echo "make bench   the benchmarks (ratios, measured side by side)"
	@echo "make lock    new hash-pinned requirements/*.lock from pyproject.toml"

demo: $(VENV)/.runtime
	@$(BIN)/cryocohort demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --ignore tests/properties

test-properties: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal tests/properties

test-servers: $(VENV)/.dev
	$(BIN)/python -m pytest tests/servers -m servers

test-browser: $(VENV)/.dev
	$(BIN)/python -m pytest tests/browser -m browser

test-spark: $(VENV)/.spark
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/spark -m spark

soak: $(VENV)/.dev
	CRYOCOHORT_SEED=$${CRYOCOHORT_SEED:-$$(date +%s)} CRYOCOHORT_EXAMPLES=200 $(BIN)/python -m pytest tests/properties -m soak

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff lint --processes 2 --nocolor warehouse outcomes

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --processes 2 warehouse/core warehouse/checks outcomes

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.mapping
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.gate
	$(BIN)/python -m benchmarks.remap
	$(BIN)/python -m benchmarks.outcomes
	$(BIN)/python -m benchmarks.warehouse
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.end_to_end --environments .bench

lock: $(VENV)/.dev
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra report --group dev $(LOCK) -o requirements/dev.lock
	$(BIN)/uv pip compile pyproject.toml --extra report -c requirements/dev.lock $(LOCK) -o requirements/runtime.lock
	$(BIN)/uv pip compile pyproject.toml --extra spark -c requirements/dev.lock $(LOCK) -o requirements/spark.lock
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile - -c requirements/dev.lock $(LOCK) -o requirements/build.lock
	echo 'duckdb>=1.5,<1.6' | $(BIN)/uv pip compile - $(LOCK) -o requirements/duckdb-1.5.lock

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cryocohort needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml requirements/build.lock requirements/runtime.lock | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/build.lock -r requirements/runtime.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(PIP) install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/.spark: requirements/spark.lock $(VENV)/.dev
	$(PIP) install --quiet --require-hashes -r requirements/spark.lock
	@touch $@

# Two commands do all the set-up: `make demo` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
PYTHON := python3
endif
CLI := $(BIN)/pipedrive-orchestration

.DEFAULT_GOAL := help
.PHONY: help demo dev import test lint types tests test-instant chaos attack test-ui test-duckdb scale wheel wheel-test bench fidelity constraints clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/installed ## Import the template project from the embedded demo account
	@$(CLI) demo

dev: $(VENV)/installed ## Dagster UI on the demo account, or on yours with PIPEDRIVE_API_TOKEN
	@$(CLI) dev

import: $(VENV)/installed ## Import every source of the project from your account
	@$(CLI) import

test: $(VENV)/installed-dev ## Everything that has to pass; lint and types run beside the tests
	@checks=$$(mktemp) && trap 'rm -f $$checks' EXIT; \
	$(MAKE) --no-print-directory lint types > $$checks 2>&1 & beside=$$!; \
	$(MAKE) --no-print-directory tests; tests=$$?; \
	wait $$beside; beside=$$?; cat $$checks; \
	test $$tests -eq 0 && echo "tests: passed" || echo "tests: FAILED"; \
	test $$beside -eq 0 && echo "lint and types: passed" || echo "lint and types: FAILED"; \
	test $$tests -eq 0 -a $$beside -eq 0

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/installed-types
	PYTHONPATH=$(VENV)/types $(BIN)/python -m mypy

tests: $(VENV)/installed-dev
	$(BIN)/pytest

chaos: $(VENV)/installed-dev ## All tests at full size, with more faults, kills and hostile input; sizes: docs/reliability.md
	CHAOS_FULL=1 $(BIN)/pytest -n 0

# TEST_INSTANT=2028-02-29T23:59:30 repeats an instant that was printed.
test-instant: $(VENV)/installed-dev ## What depends on the calendar, at a random instant
	TEST_INSTANT=$(or $(TEST_INSTANT),random) $(BIN)/pytest -n 2 $(addprefix pipedrive_orchestration_tests/,\
	    test_any_instant.py demo/test_lists.py exactness/test_object_types.py orchestration/test_assets.py)

test-ui: $(VENV)/installed-dev ## Drive Dagster's UI in a headless browser (needs Debian's chromium)
	$(BIN)/pytest -n 0 -m ui pipedrive_orchestration_tests/ui

wheel: $(VENV)/installed-dev ## Build the wheel into dist/
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

wheel-test: $(VENV)/installed-dev ## Install the wheel in an environment of its own and use it in empty folders
	WHEEL_TEST_PYTHON=$$(command -v $(PYTHON)) $(BIN)/pytest -n 0 -s -v -m wheel pipedrive_orchestration_tests/installation

attack: $(VENV)/installed-dev ## What somebody who means no good would try; a browser too (needs Debian's chromium)
	CHAOS_FULL=1 $(BIN)/pytest -n 0 -v -m "ui or not ui" pipedrive_orchestration_tests/attack \
	  $(addprefix pipedrive_orchestration_tests/,services/test_web_guard.py workflows/test_actions.py chaos/test_hostile_input.py \
	  chaos/test_secrets.py webhooks/test_receiver.py api/test_middleware.py api/test_fuzz.py)

test-duckdb: $(VENV)/installed-dev ## Open files with DuckDB 1.2 to 2.x, and run the tests on 1.5.5 and the newest 2.x
	$(BIN)/pytest -n 0 -m duckdbs pipedrive_orchestration_tests/warehouse

scale: $(VENV)/installed-dev ## Several hosts with real servers: PostgreSQL, Redis, S3, workers; one after the other is killed
	lake=$$($(BIN)/python -m pipedrive_orchestration_tests.warehouse.duckdbs) && \
	PYTHONPATH=$$lake $(BIN)/pytest -n 0 -m scale pipedrive_orchestration_tests/scale

bench: $(VENV)/installed-dev ## Print figures
	$(BIN)/python -m benchmarks

fidelity: $(VENV)/installed-dev ## Read the demo account, and what was written, through Pipedrive's own npm client
	$(BIN)/python -m pipedrive_orchestration_tests.fidelity

constraints: ## Resolve the dependencies anew and write their exact versions to constraints*.txt
	rm -rf $(VENV)-fresh && $(PYTHON) -m venv $(VENV)-fresh
	$(VENV)-fresh/bin/pip install --quiet "pip>=25.1"
	$(VENV)-fresh/bin/pip install --quiet --group dev -e .
	$(VENV)-fresh/bin/pip freeze --exclude-editable > constraints.txt
	$(VENV)-fresh/bin/pip install --quiet --target $(VENV)-fresh/types --group types
	$(VENV)-fresh/bin/pip freeze --path $(VENV)-fresh/types > constraints-types.txt
	rm -rf $(VENV)-fresh

clean: ## Remove what running made: state, data, caches
	rm -rf .state data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt "pip>=25.1"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --group dev
	@touch $@

$(VENV)/installed-types: $(VENV)/installed-dev constraints-types.txt
	rm -rf $(VENV)/types
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r constraints-types.txt --target $(VENV)/types
	@touch $@

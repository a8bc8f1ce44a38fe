# Every target says what it does: 'make help'.
PYTHON ?= python3
UV := .bootstrap/bin/uv
# Compiled files make every start some three times faster; a machine may have switched them off for everybody.
export PYTHONDONTWRITEBYTECODE :=
RUN := .venv/bin
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint unit bench lock clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready ## Make the environment in .venv, from the lock

demo: .venv/.ready ## Run the whole story on the example platform, in a scratch folder
	@$(RUN)/interlock demo

test: lint ## Run all checks and tests, as CI does
	$(RUN)/pytest -q -n $(JOBS) --dist loadfile tests

unit: .venv/.ready ## Run the tests that need no engine
	$(RUN)/pytest -q -n $(JOBS) tests/unit

lint: .venv/.ready ## Check style, types and layers
	$(RUN)/ruff check src tests benches
	$(RUN)/ruff format --check src tests benches
	$(RUN)/mypy
	$(RUN)/lint-imports

bench: .venv/.ready ## Measure all figures and write docs/benchmarks.md (takes most of an hour)
	$(RUN)/python benches/run.py --write

lock: $(UV) ## Lock the dependencies anew
	$(UV) pip compile -q pyproject.toml --group dev --generate-hashes --universal --python-version 3.11 \
		--no-emit-index-url --no-header -o requirements.lock

clean: ## Remove environments and caches of this checkout
	rm -rf .bootstrap .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed; name one with PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .bootstrap
	.bootstrap/bin/python -m pip -q install uv==0.13.9

.venv/.ready: requirements.lock pyproject.toml | $(UV)
	$(UV) venv -q --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync -q --compile-bytecode --python $(RUN)/python --require-hashes requirements.lock
	$(UV) pip install -q --python $(RUN)/python --no-deps --no-build-isolation -e .
	@touch $@

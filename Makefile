# Every target sets up what it needs: .venv by uv where present, else by venv and pip.
# The Python to use: the first here that is new enough, or say which: make PYTHON=python3.13
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; \
    done)
comma := ,
UV_PYTHON = $(if $(filter file,$(origin PYTHON)),">=3.11$(comma)<3.14","$(PYTHON)")
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_ARGS ?=
SIDE_BY_SIDE ?= -n auto --dist worksteal
BENCH_ARGS ?=
interop: $(READY) ## other people's clients and suites against the broker, with a report card
	@$(BIN)/python -m tests.interop.run $(INTEROP_ARGS)

# make test   sets up .venv with everything, runs every test, fails under 90 % line coverage
# make demo   sets up .venv without the developers' tools and shows the whole journey (DEMO_ARGS="...")
# make lint | types | format | clean
#
# PYTHON=...      another Python than the first one found that is 3.11 or newer
# TORCH=...       what `pip install` gets for PyTorch; on Linux the plain name brings 2 GB of CUDA. For the CPU build say
#                 TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
# JOBS=...        test processes (default: one per core, at most 4)
# PYTEST_ARGS=... passed on to pytest, as in PYTEST_ARGS="-k demand"; COVER= switches the coverage off

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
TORCH ?= torch==2.13.0
JOBS ?= auto
PYTEST_ARGS ?=
DEMO_ARGS ?=
COVER ?= --cov=modaloom --cov-report=term:skip-covered --cov-fail-under=90

# One thread per test process: the numerics of tiny arrays only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help test demo lint types format clean packages

help:
	@awk '!/^#/ { exit } { sub(/^# ?/, ""); print }' Makefile

test: $(VENV)/.installed-dev packages
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist worksteal --durations 5 $(COVER) $(PYTEST_ARGS)

# The page is tested in Chromium. Where it can be installed, it is; elsewhere those tests say why they are skipped.
packages:
	@command -v chromium chromium-browser google-chrome >/dev/null && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "installing Chromium, and letters for Chinese pages"; \
	    apt-get update -qq >/dev/null || true; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null || \
	        echo "Chromium cannot be installed: the page's tests will not run" >&2; \
	else \
	    echo "no Chromium here: the page's tests are skipped (Debian and Ubuntu: apt install chromium fonts-noto-cjk)" >&2; \
	fi

demo: $(VENV)/.installed
	$(BIN)/modaloom demo $(DEMO_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* coverage.xml htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find modaloom tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamps say what is installed; a changed pyproject.toml makes them stale.
$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install -qq --editable '.[all,dev]'
	@touch $@

# PyTorch comes first and alone, so that its pin decides and nothing else drags in another build.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV), which takes a few minutes the first time"
	$(BIN)/python -m pip install -qq $(TORCH)
	$(BIN)/python -m pip install -qq --editable '.[all]'
	@touch $@

$(BIN)/python:
	@fits() { "$$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
	for candidate in $(if $(PYTHON),"$(PYTHON)",python3 python3.11 python3.12 python3.13 python); do \
	    if command -v "$$candidate" >/dev/null && fits "$$candidate"; then \
	        echo "using $$(command -v "$$candidate"), $$("$$candidate" --version)"; \
	        exec "$$candidate" -m venv $(VENV); \
	    fi; \
	done; \
	echo "Modaloom needs Python 3.11 or newer with its modules venv and ensurepip (Debian and Ubuntu: apt install" >&2; \
	echo "python3-venv), and found none$(if $(PYTHON), at PYTHON=$(PYTHON)). Say where it is: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

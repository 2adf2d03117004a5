# Needs make and Python 3.11, 3.12 or 3.13; everything else comes into .venv, pinned by requirements/ci.txt.

PYTHON ?= python3
PORT ?= 8080
SCHEDULES ?= 20000

# The core: the ledger on a real Redis, the protocol, the providers, and each mapper on exact JSON.
FAST := tests/ledger tests/protocol tests/providers tests/mappers tests/docs tests/test_words.py \
  --ignore tests/ledger/test_topologies_cluster.py --ignore tests/ledger/test_failover.py
VENV := .venv
INSTALLED := $(VENV)/installed

# The tests start hundreds of processes: what one has compiled, the next shall find.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test-fast test test-long bench lint docs tables lock clean

help:
	@echo "make install   build $(VENV) with the giftbridge command in it (PYTHON=$(PYTHON))"
	@echo "make demo      run the service before the sandboxes (PORT=$(PORT))"
	@echo "make test-fast run the tests that need no long set-up: after each edit"
	@echo "make test      run all tests"
	@echo "make test-long run their long forms too, more schedules (SCHEDULES=$(SCHEDULES)) and every mutation"
	@echo "make bench     measure the service beside a bare handler; needs wrk"
	@echo "make lint      check style and types"
	@echo "make docs      build the documentation into build/docs"
	@echo "make tables    write the tables in the documents that come from the code"
	@echo "make lock      choose the newest allowed versions again (needs uv)"
	@echo "make clean     remove what the others made"

install: $(INSTALLED)

$(INSTALLED): requirements/ci.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "$(PYTHON) is not Python 3.11 to 3.13: name one with make PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/ci.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: install
	@$(VENV)/bin/giftbridge demo --port $(PORT)

test-fast: install
	@$(VENV)/bin/python -m pytest -n auto $(FAST)

test: install
	@$(VENV)/bin/python -m pytest -n auto

test-long: install
	@$(VENV)/bin/python -m pytest tests -n auto -m "long or not long"
	@$(VENV)/bin/python -m tests.simulation --schedules $(SCHEDULES)
	@$(VENV)/bin/python -m tests.explorer
	@$(VENV)/bin/python -m tests.mutations
	@$(VENV)/bin/python -m tests.mutations.every_guard

bench: install
	@$(VENV)/bin/python -m bench

lint: install
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache >$(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }

docs: install
	@$(VENV)/bin/python -m sphinx -q -W --keep-going -E -c docs -d build/doctrees . build/docs
	@$(VENV)/bin/python docs/offline.py build/docs
	@echo "build/docs/index.html"

tables: install
	@$(VENV)/bin/python -m tests.docs.tables

lock:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --output-file requirements/ci.txt pyproject.toml requirements/build.in

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# Needs make and Python 3.11, 3.12 or 3.13; everything else comes into .venv, pinned by the locks in requirements/.

PYTHON ?= python3
PORT ?= 8080
SCHEDULES ?= 20000

# The core: the ledger on a real Redis, the protocol, the providers, and each mapper on exact JSON.
FAST := tests/ledger tests/protocol tests/providers tests/mappers tests/docs tests/test_words.py \
  --ignore tests/ledger/test_topologies_cluster.py --ignore tests/ledger/test_failover.py
# What the tests of one file share is started once.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
VENV := .venv
INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
SBOM := build/sbom
DIST := build/dist

# The tests start hundreds of processes: what one has compiled, the next shall find.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-dev demo browser checkers test-fast test test-long screenshots bench bench-quick bench-pages lint docs tables sbom dist lock clean

help:
	@echo "make install   build $(VENV) with the giftbridge command in it (PYTHON=$(PYTHON))"
	@echo "make install-dev  the same, and the tools that test, lint and document"
	@echo "make demo      run the service before the sandboxes, with a page to try it (PORT=$(PORT))"
	@echo "make browser   install Chromium, for the tests of the console that need one (as root, Debian or Ubuntu)"
	@echo "make checkers  install what judges deploy/: hadolint, kubernetes-validate and, as root, promtool"
	@echo "make test-fast run the tests that need no long set-up: after each edit"
	@echo "make test      run all tests"
	@echo "make test-long run their long forms too, more schedules (SCHEDULES=$(SCHEDULES)) and every mutation"
	@echo "make screenshots  write the pictures of the console in the documents"
	@echo "make bench     measure the service beside a bare handler; needs wrk"
	@echo "make bench-quick  count the round trips and commands of each call: needs no wrk, and a minute at most"
	@echo "make bench-pages  measure each page of the console with a hundred thousand transactions kept"
	@echo "make lint      check style and types"
	@echo "make docs      build the documentation into build/docs"
	@echo "make tables    write the tables in the documents that come from the code"
	@echo "make sbom      write the bill of materials of what a service runs (CycloneDX), and list its licenses"
	@echo "make dist      build what is released, check it, and run it with every Python from 3.11 to 3.13 that is here"
	@echo "make lock      choose the newest allowed versions again (needs uv)"
	@echo "make clean     remove what the others made"

install: $(INSTALLED)

$(INSTALLED): requirements/runtime.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "$(PYTHON) is not Python 3.11 to 3.13: name one with make PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements/runtime.txt --requirement requirements/build.txt
	$(VENV)/bin/python $(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

install-dev: $(INSTALLED_DEV)

$(INSTALLED_DEV): requirements/ci.txt $(INSTALLED)
	$(VENV)/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements/ci.txt
	@touch $@

demo: install
	@$(VENV)/bin/giftbridge demo --port $(PORT)

browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	  [ "$$(id -u)" = 0 ] || { echo "install Chromium as root: apt-get install chromium" >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

# Those that judge deploy/: from PyPI, and promtool from Debian, where root asks for it.
checkers: install-dev
	$(VENV)/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements/checkers.txt
	@command -v promtool || [ "$$(id -u)" != 0 ] || { \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; }

test-fast: install-dev
	@$(VENV)/bin/python -m pytest $(PARALLEL) $(FAST)

test: install-dev
	@$(VENV)/bin/python -m pytest $(PARALLEL)

test-long: install-dev
	@$(VENV)/bin/python -m pytest tests examples $(PARALLEL) -m "long or not long"
	@$(VENV)/bin/python -m tests.simulation --schedules $(SCHEDULES)
	@$(VENV)/bin/python -m tests.explorer
	@$(VENV)/bin/python -m tests.mutations
	@$(VENV)/bin/python -m tests.mutations.every_guard

screenshots: install-dev
	@SCREENSHOTS=1 $(VENV)/bin/python -m pytest tests/console -n 2

bench: install-dev
	@$(VENV)/bin/python -m bench

bench-quick: install-dev
	@$(VENV)/bin/python -m bench --quick

bench-pages: install-dev
	@$(VENV)/bin/python -m bench.pages

lint: install-dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache >$(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }

docs: install-dev
	@$(VENV)/bin/python -m sphinx -q -W --keep-going -E -c docs -d build/doctrees . build/docs
	@$(VENV)/bin/python docs/offline.py build/docs
	@echo "build/docs/index.html"

tables: install-dev
	@$(VENV)/bin/python -m tests.docs.tables
	@$(VENV)/bin/python -m tests.docs.interfaces

# What a service runs, in an environment of its own: name, version, license and hash of each, for pip-audit and others.
sbom:
	rm -rf $(SBOM)
	$(PYTHON) -m venv $(SBOM)/tool
	$(SBOM)/tool/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements/sbom.txt
	$(PYTHON) -m venv --without-pip $(SBOM)/runtime
	$(SBOM)/tool/bin/python -m pip --python $(SBOM)/runtime/bin/python install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements/runtime.txt
	$(SBOM)/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --gather-license-texts \
	  --output-file $(SBOM)/giftbridge.cdx.json $(SBOM)/runtime/bin/python
	@$(SBOM)/tool/bin/python requirements/licenses.py $(SBOM)/giftbridge.cdx.json
	@echo "$(SBOM)/giftbridge.cdx.json"

# What is released, built and looked at; then installed and run with every version of Python that is here.
dist:
	rm -rf dist $(DIST)
	$(PYTHON) -m venv $(DIST)/tool
	$(DIST)/tool/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements/dist.txt
	$(DIST)/tool/bin/python -m build --no-isolation --outdir dist .
	$(DIST)/tool/bin/twine check --strict dist/*
	$(DIST)/tool/bin/check-wheel-contents dist/*.whl
	@set -eu; for version in 3.11 3.12 3.13; do \
	  python$$version -c '' 2>/dev/null || { echo "python$$version is not here: not tried"; continue; }; \
	  python$$version -m venv $(DIST)/$$version; \
	  $(DIST)/$$version/bin/python $(PIP_INSTALL) --require-hashes --requirement requirements/runtime.txt; \
	  $(DIST)/$$version/bin/python $(PIP_INSTALL) --no-index --no-deps dist/*.whl; \
	  (cd $(DIST) && ./$$version/bin/giftbridge --version && ./$$version/bin/giftbridge mappers >/dev/null); \
	done

COMPILE := uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock:
	$(COMPILE) --all-extras --output-file requirements/ci.txt pyproject.toml requirements/build.in
	$(COMPILE) --constraint requirements/ci.txt --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) --constraint requirements/ci.txt --output-file requirements/build.txt requirements/build.in
	$(COMPILE) --constraint requirements/ci.txt --output-file requirements/checkers.txt requirements/checkers.in
	$(COMPILE) --output-file requirements/sbom.txt requirements/sbom.in
	$(COMPILE) --output-file requirements/dist.txt requirements/dist.in

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

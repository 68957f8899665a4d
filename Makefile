# The front door. Every path is relative, so that the checkout may lie anywhere, blanks in its path included;
# Python is called by its own path, since the first line of an installed script may not be longer than 127 characters.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV ?= .venv
# The first of these that is 3.11 or newer makes the environment.
INTERPRETERS ?= python3.11 python3.12 python3.13 python3
PYTHON := $(VENV)/bin/python
MODERATION := $(PYTHON) -m moderation
PIP := $(PYTHON) -m pip --disable-pip-version-check --no-input install --no-compile
# Tests without processes, servers, coded video and whole networks; they come first, for they tell most in a minute.
UNIT := tests/unit tests/policies
# Three files at a time, on two cores: every test has a database, ports and folders of its own, and half of them wait.
BESIDE := -n 3 --dist loadfile

.PHONY: help install install-dev run demo test test-full check format bench bench-scale lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /|/' | awk -F '|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

run: install ## build the models and start everything at http://127.0.0.1:8080, with sample clips; Ctrl-C stops it
	@exec $(MODERATION) up --samples

demo: install ## run the sample clips through once and print what became of them
	@exec $(MODERATION) demo

test: install-dev ## the default tests, at most 10 minutes on 2 cores
	$(PYTHON) -m pytest -m "not full" $(BESIDE) $(UNIT)
	$(PYTHON) -m pytest -m "not full" $(BESIDE) $(UNIT:%=--ignore=%)

test-full: test ## the default tests, then the long ones: kills, fresh installs, browsers, the extra `torch` (1 GB more)
	$(PYTHON) .ci/tools.py
	$(PYTHON) .ci/torch_extra.py
	$(PYTHON) -m pytest -m full $(BESIDE)

check: install-dev ## format, lint, types, import contracts
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	MYPYPATH=benchmarks:tests/assets $(PYTHON) -m mypy benchmarks/*.py
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	test ! -d review_ui/templates || $(PYTHON) -m djlint --lint --quiet review_ui/templates

format: install-dev ## write the format that `check` wants
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: install ## what a clip costs by stage, what its mark survives, starts and sizes; writes benchmarks/results/
	$(PYTHON) benchmarks/run.py

bench-scale: install ## long queues and many fingerprints; never in CI
	$(PYTHON) benchmarks/scale.py
	$(PYTHON) benchmarks/review_queue.py
	$(PYTHON) benchmarks/backtest.py
	$(PYTHON) benchmarks/revocation.py

lock: install-dev ## resolve the pinned requirements anew
	$(PYTHON) .ci/lock.py

clean: ## remove the environment and the caches; `var/`, the state, stays
	rm -rf "$(VENV)" .venv-torch .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

install: $(VENV)/.installed ## make the environment and install what is pinned
install-dev: $(VENV)/.installed-dev

$(VENV)/.python:
	@for python in $(INTERPRETERS); do \
	  if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$python"; "$$python" -m venv "$(VENV)" && touch $@ && exit 0; \
	  fi; \
	done; \
	echo "no Python 3.11 or newer with venv found; on Debian: apt install python3 python3-venv" >&2; exit 1

$(VENV)/.installed: $(VENV)/.python requirements.lock pyproject.toml
	@echo "installing the pinned packages (about 170 MB to download the first time)"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --quiet --no-deps -e .
	@$(PYTHON) .ci/first_import.py
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "installing the tools for tests and checks"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

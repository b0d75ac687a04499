# Everything is installed into .venv on first use, and again only when what it was installed from
# has changed. `make clean` takes it all away.

PYTHON ?= python3
PORT ?= 8080
BIN := .venv/bin

# What the tests and measurements need from the system, as command:package (names of Debian).
TEST_PROGRAMS := redis-server:redis-server nginx:nginx-light exiftool:libimage-exiftool-perl \
	chromium:chromium firefox-esr:firefox-esr node:nodejs npm:npm \
	php:php-cli ruby:ruby go:golang-go
BENCH_PROGRAMS := redis-server:redis-server nginx:nginx-light wrk:wrk

# Debian keeps servers where an ordinary user's PATH does not look.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check bench format clean test-programs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s  %s\n", $$1, $$2 }' Makefile

run: .venv/demo.stamp ## the demo on http://127.0.0.1:8080/ (PORT=8090 for another port)
	@exec $(BIN)/media-gate demo --port $(PORT)

test: .venv/dev.stamp tests/browser/node_modules/.stamp ## all tests, with a real Redis, nginx and browsers
	node --test --test-timeout=30000 --test-reporter=spec tests/js/*.test.mjs
	$(BIN)/pytest -n auto

test-fast: .venv/dev.stamp ## what runs with Python packages alone, in under a minute
	$(BIN)/pytest -n auto --fast

check: .venv/dev.stamp ## lint and types, then all tests: what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory test

bench: .venv/dev.stamp ## speed and memory beside nginx and thumbor (ARGS="--only cached")
	@$(call install-programs,$(BENCH_PROGRAMS))
	$(BIN)/python -m bench $(ARGS)

format: .venv/dev.stamp ## bring the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove everything that was made here
	rm -rf .venv build dist var *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf tests/browser/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each extra of pyproject.toml.
.venv/%.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[$*]' -c constraints.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo 'media_gate needs Python 3.11 or newer: make PYTHON=python3.12 …'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call apt-install,python3-venv) \
	|| { echo 'Python cannot make environments here: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv .venv

tests/browser/node_modules/.stamp: tests/browser/package.json | test-programs
	npm install --prefix tests/browser --no-package-lock --no-audit --no-fund --silent
	@touch $@

test-programs:
	@$(call install-programs,$(TEST_PROGRAMS))

# Fails where it is not root on Debian or one of its children.
apt-install = ( [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null )

# One by one: a package that a distribution lacks keeps none of the others away.
define install-programs
for pair in $(1); do \
	command -v $${pair%%:*} >/dev/null || $(call apt-install,$${pair#*:}) \
	|| echo "$${pair%%:*} is missing here, so some of this cannot run: apt-get install $${pair#*:}"; \
done
endef

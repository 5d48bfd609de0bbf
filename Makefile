# Two commands do everything on a machine with Python >= 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: help install lock check sbom test test-again test-quick test-thorough chaos demo pictures bench bench-small bench-scale bench-page bench-time-left bench-peers mutate clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## the virtual environment .venv, pinned with hashes

# The stamp is newer than what it was installed from, so a second run does nothing.
$(INSTALLED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "This Python has no venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV): about a minute"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Production's pins are a subset of the developers': the second file is compiled under the first. What is pinned stays,
# as long as pyproject.toml allows it: `make lock UPGRADE=--upgrade` takes the newest of everything.
lock: $(INSTALLED) ## pin what pyproject.toml asks for (UPGRADE=--upgrade: the newest of everything)
	$(COMPILE) $(UPGRADE) --output-file requirements.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

# What the image has.
PRODUCT := $(wildcard *.py) $(filter-out tests/ sandbox/ bench/,$(dir $(wildcard */__init__.py)))
check: $(INSTALLED) ## lint, format, types, import rules, circles of imports, security, schemas of files, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.import_circles
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(PRODUCT)
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m tests.support.audit requirements.txt
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	@! grep -nE '://|^ *-(i|f|-index-url|-extra-index-url|-find-links|-trusted-host)|@ *file:' requirements.txt requirements-dev.txt \
		|| { echo "A package index or a path is in a lock file: run make lock" >&2; exit 1; }

sbom: $(INSTALLED) ## sbom.json: what production installs, for whoever asks (CycloneDX)
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible --output-file sbom.json requirements.txt

# Modules are compiled once, not at each start of a program, also where the environment says otherwise.
test test-again test-quick test-thorough bench bench-small bench-scale: export PYTHONDONTWRITEBYTECODE =

# One process more than the two cores that CI has: tests wait a quarter of their time, for servers and for clocks.
WORKERS ?= 3
test: $(INSTALLED) ## every test, on embedded servers (WORKERS=3: in so many processes)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-again: $(INSTALLED) ## those tests that failed the last time, one at a time
	$(BIN)/pytest --last-failed --last-failed-no-failures none

# Before each commit: all that needs no server but Postgres, and is not named by tests/quick.py.
test-quick: $(INSTALLED) ## the quick tests, on no server but Postgres
	$(BIN)/pytest --quick -n 2 --dist worksteal

# The same statements, searched for longer, on larger worlds: those tests that read tests/support/thoroughness.py.
test-thorough: $(INSTALLED) ## hours: the tests that search, with many examples, and real repositories whole
	THOROUGH=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal $$(grep -rl --include='test_*.py' 'from tests.support.thoroughness' tests)

# SEED decides which faults strike when; another one every time unless it is set.
MINUTES ?= 10
chaos: $(INSTALLED) ## a whole system, struck by one fault after the other (SEED=1 MINUTES=10)
	@SEED=$(SEED) MINUTES=$(MINUTES) $(BIN)/python -m tests.support.chaos

# The launcher ends the demo, in good order, also when make itself is killed.
demo: $(INSTALLED) ## a whole backfill from the purchase on, with the page to watch it
	@exec $(BIN)/python sandbox/launch.py $$PPID TERM - $(BIN)/python -m sandbox.demo

bench: $(INSTALLED) ## what complete threads cost of GitHub's budgets, and of this machine
	$(BIN)/python -m bench.cost

bench-small: $(INSTALLED) ## what a thousand small repositories cost, and a later job over them
	$(BIN)/python -m bench.small

# About a quarter of an hour on two quiet cores.
bench-scale: $(INSTALLED) ## what grows with the number of repositories and of workspaces
	$(BIN)/python -m bench.scale

bench-page: $(INSTALLED) ## what the settings page costs a browser
	$(BIN)/python -m bench.page

# What people see, photographed while the demo runs; needs a Chromium.
pictures: $(INSTALLED) ## photographs for the README, of the running demo
	$(BIN)/python -m sandbox.pictures

# How often a backfill ends within the time left that was shown. About eight minutes.
bench-time-left: $(INSTALLED) ## how often the end lies within the time left that was shown
	$(BIN)/python -m bench.time_left

# Installs the others from PyPI into .bench, once.
bench-peers: $(INSTALLED) ## the same cost for other tools
	$(BIN)/python -m bench.peers

# Changes one place of the product at a time and asks the tests whether they notice; hours for all of it.
# make mutate ONLY="budget store/comments.py" SAMPLE=0 SEED=2 REPORT=changes.jsonl
SAMPLE ?= 12
SEED ?= 1
mutate: $(INSTALLED) ## change one place at a time, and ask the tests whether they notice
	$(BIN)/python -m bench.mutation $(ONLY) --sample $(SAMPLE) --seed $(SEED) $(if $(REPORT),--report $(REPORT))

clean: ## delete what was made here: the virtual environment, caches
	rm -rf $(VENV) .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

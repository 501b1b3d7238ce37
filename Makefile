# Two commands: `make run` and `make test`. Everything else is for those who change the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test chaos lint format install lock messages
.DEFAULT_GOAL := run

run: install
	@exec $(BIN)/python -m dev.launcher

# Four files at a time: tests wait more than they compute. A file stays with one process, since its tests share what is
# slow to start: workers, a browser's account.
SHARED := -n 4 --dist loadfile

# Every promise, in 10 to 15 minutes on two cores. ARGS="tests/companies" or ARGS="-k rate_limit" runs a part.
test: install
	@$(BIN)/python -m dev.browser
	@$(BIN)/python -m pytest $(SHARED) -m "not thorough" $(ARGS)

# What `make test` runs and all that it leaves out: every case, 2,000 random runs, planted bugs, each benchmark once
# and, for root, hosts that are cut off. Before a release; over an hour.
.PHONY: test-all
test-all: install
	@$(BIN)/python -m dev.browser
	@$(BIN)/python -m pytest $(SHARED)
	@$(MAKE) machine
	@$(MAKE) mutants
	@$(MAKE) bench ARGS=--quick
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) scale; else echo "Not root: make scale is left out."; fi

# Every test with branch coverage (at least 95 %).
.PHONY: coverage
coverage: install
	@$(BIN)/python -m dev.browser
	@$(BIN)/python -m pytest $(SHARED) --cov

# 2,000 random runs of people, faults, crashes and clocks against the engine, on two cores.
.PHONY: machine
machine: install
	@MACHINE=thorough $(BIN)/python -m pytest -n 2 tests/machine/test_machine.py $(ARGS)

# Plants bugs one after the other; each must be seen by the tests that it names.
.PHONY: mutants
mutants: install
	@$(BIN)/python -m tests.machine.mutants

chaos: install
	@$(BIN)/python -m benchmarks.chaos $(ARGS)

# Web and two worker hosts as network namespaces, one of them cut off in the middle; for root, about 90 seconds.
.PHONY: scale
scale: install
	@$(BIN)/python -m benchmarks.scale $(ARGS)

# Up to 30 minutes; ARGS="b1 b3" measures a part, ARGS=--quick shows that it works. Writes benchmarks/results.md.
.PHONY: bench
bench: install
	@$(BIN)/python -m benchmarks.bench $(ARGS)

# Builds new environments with every Python and pip that counts, and starts and stops the product in each: 5 minutes
# on two quiet cores. ARGS=3.13 tries one.
.PHONY: fresh
fresh:
	@$(PYTHON) dev/fresh.py $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin dev
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/python -m dev.checks

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Installs again only when the lock has changed. Nothing is resolved or built: what was not pinned is not fetched.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes
install: $(VENV)/installed
$(VENV)/installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.platform == "win32" and "Lime Go runs on Linux and macOS. On Windows, run it inside WSL 2 (in PowerShell: wsl --install).")'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make run PYTHON=python3.12")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python lacks its venv module. On Debian: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned requirements (once) …"
	@$(INSTALL) -r requirements-dev.txt || { echo "Not every pinned package could be had. They are there for Linux (glibc 2.28 or newer, x86-64 or ARM64) and macOS on Apple silicon; docs/development.md tells more."; exit 1; }
	@found=$$($(BIN)/python -m pip --disable-pip-version-check check) || { echo "$$found"; exit 1; }
	@touch $@

# Writes docs/values.md, the written forms of values, from what the tests check.
.PHONY: values
values: install
	@$(BIN)/python -m tests.companies.values_table

# Pins and hashes what pyproject.toml asks for.
LOCK = $(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --no-strip-extras --generate-hashes --no-annotate --no-header
lock: install
	$(LOCK) -o requirements.txt
	$(LOCK) --group dev -o requirements-dev.txt

# Needs GNU gettext.
messages: install
	$(BIN)/python manage.py makemessages --locale sv --no-location --no-wrap --ignore .venv --ignore .data
	$(BIN)/python manage.py compilemessages --locale sv --ignore .venv

# TD3 Service. `make help` lists the targets; all of them work inside .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed
RIVALS_VENV := .venv-rivals
RIVALS_STAMP := $(RIVALS_VENV)/.installed
GUIDE := api/static/guide/index.html
GUIDE_SOURCES := mkdocs.yml $(shell find docs guide api embedded td3client td3core worker \
  -path api/static -prune -o -name '*.md' -o -name '*.svg' -o -name '*.py')
# Two cores are assumed, and a third process, because many tests wait for servers; one torch thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo serve docs test coverage chaos fuzz check lint client-types bench third-party rivals clean
.DELETE_ON_ERROR:

help: ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## create .venv and install the pinned dependencies
	@echo "Installed in $(VENV)."

$(STAMP): pyproject.toml td3core/pyproject.toml td3client/pyproject.toml constraints.txt
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	  python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 or newer was not found; set its path: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	  echo "Creating $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	@echo "Installing the pinned dependencies into $(VENV): about 2 GB, one to three minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./td3core -e ./td3client -e '.[dev,docs]'
	@touch $@

demo: $(STAMP) ## run the service once on the sample log, or on LOG=path/to/log.csv
	@$(BIN)/python -m embedded.demo $(if $(LOG),'$(LOG)')

serve: $(STAMP) ## run the service until Ctrl-C, at TD3_HOST (127.0.0.1) and TD3_PORT (8000)
	@$(MAKE) --no-print-directory $(GUIDE) || echo "The guide could not be built; the service runs without it" >&2
	@$(BIN)/python -m embedded

docs: $(STAMP) ## build the documentation site, which the API serves at /guide
	@$(BIN)/python -m guide
	@echo "Built in $(dir $(GUIDE))"

$(GUIDE): $(STAMP) $(GUIDE_SOURCES)
	@echo "Building the guide"
	@$(BIN)/python -m guide

test: lint ## run `check` and all tests except `chaos`, against real servers
	@echo "Running every test"
	@$(PYTEST) -m "not chaos"

coverage: $(STAMP) ## run the tests of `make test` and tell which lines they reach; takes half as long again
	@$(PYTEST) -m "not chaos" --cov --cov-report=term

chaos: $(STAMP) ## run the fault-injection tests, which take many minutes
	@echo "Running the chaos tests"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m chaos

check: lint ## run the quick checks: format, lint, types, import contracts, unit tests
	@echo "Running the unit tests"
	@$(PYTEST) -m "not acceptance and not slow and not chaos"

fuzz: $(STAMP) ## try hostile input on everything that parses, for FUZZ_MINUTES (10)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tools.fuzz $(or $(FUZZ_MINUTES),10)

lint: $(STAMP)
	@echo "Checking format, lint, types and import contracts"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/basedpyright
	@$(BIN)/basedpyright --project td3core
	@$(BIN)/lint-imports --no-logo

client-types: $(STAMP) ## write the client's types anew, after a change to what the API answers
	@$(BIN)/python -m tools.client_types

bench: $(BENCH_STAMP) ## measure and plot into build/bench, on the sample or on LOG="one.csv other.csv"
	@$(BIN)/python -m benchmarks $(LOG) $(if $(THREADS),--threads $(THREADS)) $(BENCH_OPTIONS)

third-party: $(BENCH_STAMP) ## create .venv-bench, in which benchmarks.third_party runs RecTools
	@echo "Installed in $(BENCH_VENV); now: $(BIN)/python -m benchmarks.third_party LOG"

$(BENCH_STAMP): $(STAMP) benchmarks/third_party/requirements.txt benchmarks/third_party/constraints.txt
	@$(BIN)/python -m venv --clear $(BENCH_VENV)
	@echo "Installing the pinned third party into $(BENCH_VENV)"
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c benchmarks/third_party/constraints.txt -r benchmarks/third_party/requirements.txt
	@touch $@

rivals: $(RIVALS_STAMP) ## create .venv-rivals, in which benchmarks.service runs procrastinate
	@echo "Installed in $(RIVALS_VENV); now: $(BIN)/python -m benchmarks.service"

$(RIVALS_STAMP): $(STAMP) benchmarks/service/requirements.txt benchmarks/service/constraints.txt
	@$(BIN)/python -m venv --clear $(RIVALS_VENV)
	@echo "Installing the pinned rivals into $(RIVALS_VENV)"
	@$(RIVALS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c benchmarks/service/constraints.txt -r benchmarks/service/requirements.txt
	@touch $@

clean: ## remove .venv, .venv-bench, .venv-rivals and caches, but not the data in var/
	@echo "Removing $(VENV), $(BENCH_VENV), $(RIVALS_VENV), caches and build output"
	@rm -rf $(VENV) $(BENCH_VENV) $(RIVALS_VENV) api/static tests/browser/node_modules build dist htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `make demo` and `make test` are all that has to be typed: each makes .venv first, when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev,minilm,fast,candidates,serve
STAMP := $(VENV)/.installed
DEMO_ARGS ?=
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test coverage kills endurance bench figures lint format types imports equations docs site constraints clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp holds the extras that are installed: one that is asked for later is installed beside them.
comma := ,
empty :=
THERE := $(shell cat $(STAMP) 2>/dev/null)
WANTED := $(sort $(THERE) $(subst $(comma), ,$(EXTRAS)))
INSTALLED := .[$(subst $(empty) $(empty),$(comma),$(WANTED))]
ifneq ($(filter-out $(THERE),$(WANTED)),)
$(STAMP): FORCE
FORCE:
endif

# Without the stamp, what stands in .venv is of unknown origin (an interrupted installation, say) and is made anew.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "otmel needs Python 3.10 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if command -v uv >/dev/null; then \
		test -e $(STAMP) || uv venv --quiet --clear --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
		uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '$(INSTALLED)'; \
	else \
		test -e $(STAMP) || $(PYTHON) -m venv --clear $(VENV) || \
			{ echo "no venv could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
		echo "installing the packages of constraints.txt into $(VENV) (a few minutes, once)"; \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '$(INSTALLED)'; \
	fi
	@echo $(WANTED) > $(STAMP)

install: $(STAMP)  ## make .venv with otmel and all it needs

demo: $(STAMP)  ## generate a world, train on it, link three mentions
	$(BIN)/otmel demo $(DEMO_ARGS)

# Two threads in each of two workers fight for the same two cores; one each is many times faster.
test: export OMP_NUM_THREADS = 1
test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

coverage: export OMP_NUM_THREADS = 1
coverage: $(STAMP)  ## run the tests, and say which lines none of them runs; this takes a third more time
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

kills: $(STAMP)  ## kill writers of graph and index 200 times, seeded, and read what is left
	OTMEL_KILLS=200 OTMEL_INDEX_KILLS=200 $(BIN)/python -m pytest --no-cov -q -s -m "" tests/data/store/test_kills.py tests/index/test_index_faults.py
	OTMEL_KILLS=12 $(BIN)/python -m pytest --no-cov -q -s tests/remote/test_training.py tests/remote/test_writing.py
	OTMEL_CLUSTER_KILLS=30 $(BIN)/python -m pytest --no-cov -q -s tests/cluster/test_cluster.py

endurance: $(STAMP)  ## a thousand changes each of graph, index and service under readers, and three seeds of the token track
	OTMEL_READER_CHANGES=1000 OTMEL_INDEX_OPERATIONS=1000 OTMEL_SERVER_OPERATIONS=1000 OTMEL_TRACK_SEEDS=3 $(BIN)/python -m pytest --no-cov -q --timeout=3600 tests/data/store/test_readers.py tests/index/test_update.py tests/server/test_changes.py tests/models/test_token_track.py

bench: $(STAMP)  ## measure every benchmark at a small size, and compare with the committed ratios
	$(BIN)/python benchmarks/run.py --quick --out build/benchmarks
	$(BIN)/python benchmarks/gate.py build/benchmarks benchmarks/results/quick

figures: $(STAMP)  ## measure everything (1½ hours, nothing else should run) and write docs/benchmarks.md
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/run.py --quick
	$(BIN)/python scripts/benchmarks_page.py

lint: $(STAMP)  ## ruff: faults and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## pyright
	$(BIN)/pyright

imports: $(STAMP)  ## the direction in which modules may import each other
	$(BIN)/lint-imports

equations: $(STAMP)  ## fail when an equation of the paper has no place, or docs/equations.md is out of date
	$(BIN)/python scripts/equations.py --check

docs: $(STAMP)  ## write docs/equations.md
	$(BIN)/python scripts/equations.py

site: $(STAMP)  ## build the documentation's site into build/site, strictly
	@$(BIN)/python -c 'import zensical' 2>/dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/zensical build --clean --strict

constraints: $(STAMP)  ## write constraints.txt from what is installed now
	$(BIN)/python scripts/constraints.py

clean:  ## remove .venv and everything generated
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts -name __pycache__ -prune -exec rm -rf {} +

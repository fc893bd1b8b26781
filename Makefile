# Every target makes .venv by itself; .venv/bin/ringside is the command.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
ONLY ?=

.PHONY: venv run test bench bench-peers format clean

venv: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

run: $(STAMP)
	$(BIN)/ringside demo

test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config importlinter.ini --no-cache
	$(BIN)/python -m pytest -q -n 2

# The peers that rings, the store, feeds and backtests are measured beside; without them their rows are left out. What they
# bring with them does not go together, so they get environments of their own.
bench-peers: $(STAMP)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check 'iceoryx2>=0.10' 'pyzmq>=27' 'polars>=1.30'
	test -x .venv/peers/bin/python || $(PYTHON) -m venv .venv/peers
	-.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check cryptofeed nautilus_trader hftbacktest
	test -x .venv/peers-arrays/bin/python || $(PYTHON) -m venv .venv/peers-arrays
	-.venv/peers-arrays/bin/python -m pip install --quiet --disable-pip-version-check 'vectorbt[rust]>=1.2' polars duckdb

bench: bench-peers
	$(BIN)/python -m perf $(ONLY)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

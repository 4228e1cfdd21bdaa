# Everything is set up on first use: `make demo` and `make test` work on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIENTS ?= all
# Portable across x86-64 machines of the last ten years; see the README for one's own CPU or GPU.
ifeq ($(shell uname -m),x86_64)
CMAKE_ARGS ?= -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON
export CMAKE_ARGS
endif

.PHONY: help venv demo test check clients acceptance bench docs

help:
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

venv: $(VENV)/.done ## make .venv with all that development needs

$(VENV)/.done: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Segue needs Python 3.11 or newer: pass one with make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "python3-venv is missing: apt-get install python3-venv (or your system's name for it)"; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || \
		{ echo "a C++ compiler is missing: apt-get install g++ (or your system's name for it)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing; the first build of llama-cpp-python takes about ten minutes."
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: venv ## serve a tiny model and play an agent conversation against it
	$(BIN)/segue demo

test: venv ## run the tests
	$(BIN)/pytest -n auto

check: venv ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

clients: venv ## install the real clients that tests run: 2 GB in ~/.cache, or CLIENTS=ci for a few
	PYTHONPATH=. $(BIN)/python -m tests.acceptance.install $(CLIENTS)

acceptance: clients ## the long tests too, and those of real clients
	$(BIN)/pytest -n auto -m 'long or not long'

bench: venv ## compare with llama-server; writes bench/out
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m bench

docs: venv ## write the generated parts of the documentation again
	$(BIN)/python docs/generate.py

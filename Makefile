# Everything is set up on first use: `make demo` and `make test` work on a fresh machine.
PYTHON ?= python3
VENV := .venv
VULKAN := .venv-vulkan
BIN := $(VENV)/bin
CLIENTS ?= all
# Portable across x86-64 machines of the last ten years; see the README for one's own CPU or GPU.
ifeq ($(shell uname -m),x86_64)
CMAKE_ARGS ?= -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON
export CMAKE_ARGS
endif

.PHONY: help venv demo test check clients acceptance vulkan bench gpu docs

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

check: venv ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check

clients: venv ## install the real clients that tests run: 2 GB in ~/.cache, or CLIENTS=ci for a few
	PYTHONPATH=. $(BIN)/python -m tests.acceptance.install $(CLIENTS)

acceptance: clients vulkan ## the long tests too, those of real clients, and those on Vulkan
	$(BIN)/pytest -n auto -m 'not vulkan'

# A libllama of its own, so that the one in .venv and pip's cache stay; on Mesa's software driver if there is no GPU.
vulkan: $(VULKAN)/.done ## restores are exact on a GPU backend too: Vulkan, with libllama built for it in .venv-vulkan
	GGML_VK_VISIBLE_DEVICES=0 $(VULKAN)/bin/pytest -n auto --timeout 3600 -m 'vulkan or not long' tests/vulkan tests/engine

$(VULKAN)/.done: pyproject.toml constraints.txt
	@command -v glslc >/dev/null && test -e /usr/include/vulkan/vulkan.hpp && test -d /usr/include/spirv || \
		{ echo "Vulkan is missing: apt-get install mesa-vulkan-drivers glslc libvulkan-dev spirv-headers"; exit 1; }
	test -x $(VULKAN)/bin/python || $(PYTHON) -m venv $(VULKAN)
	@echo "Installing; the build of llama-cpp-python with Vulkan takes about ten minutes."
	CPATH=$(CURDIR)/tests/vulkan/include CMAKE_ARGS="$(CMAKE_ARGS) -DGGML_VULKAN=ON" \
		$(VULKAN)/bin/pip install --quiet --no-cache-dir --constraint constraints.txt --editable '.[dev]'
	@touch $@

bench: venv ## compare with llama-server; writes bench/out
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m bench

# Without `venv`, which would build libllama: it is the one that is installed that is to be tried.
gpu: ## try out a GPU in less than eight minutes: exactness, copies, speed; MODEL=model.gguf; writes bench/out/gpu
	$(BIN)/python -m bench.gpu $(if $(MODEL),--model $(MODEL))

docs: venv ## write the generated parts of the documentation again
	$(BIN)/python docs/generate.py

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# `make help` says what there is. Everything lands in .venv/ and build/; nothing outside the checkout is touched.

VENV := .venv
BUILD := build
BIN := $(VENV)/bin

# PYTHON=... and CXX=... choose what to set up with, if not the first that fits: see scripts/find-python.
# CMAKE_ARGS=-DMLIR_DIR=/usr/lib/llvm-22/lib/cmake/mlir builds against another MLIR 22.
CMAKE_ARGS ?=
# TESTS=test/unit/test_cli.py, or any other arguments of pytest. By default all tests, on every core.
TESTS ?= --numprocesses=auto --dist=worksteal

CXX_SOURCES := $(shell find CMakeLists.txt cmake dialects passes tools -type f 2>/dev/null)
CXX_FORMATTED = $(filter %.cpp %.h,$(CXX_SOURCES))
PYTHON_SOURCES := python test

# Touched when a step is done; it is done again only when what it reads has changed.
PACKAGES := $(VENV)/.dycl-packages
TOOLS := $(BUILD)/.dycl-tools

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup build demo systems test lit pytest test-python corpus fuzz programs sweep peers tiles format lint clean

help: ## Show this list
	@echo "dycl: a compiler for dynamic neural networks. Needs Python 3.11 to 3.13, a C++17 compiler and make."
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo "  demo, test, format and lint run setup first. To choose yourself: make setup PYTHON=python3.12 CXX=clang++"

setup: $(PACKAGES) $(TOOLS) ## Create .venv/ with dycl in it, editable, and build the C++ tools (again: under a second)

build: $(TOOLS) ## Build the C++ tools again where they changed, into .venv/bin

demo: setup ## Compile two dynamic networks, and compare them with eager PyTorch
	@$(BIN)/python python/examples/demo.py

systems: setup ## Install a Vulkan driver and an Arm emulator for the tests, where apt-get can
	@scripts/install-test-systems

test: systems ## Run all tests: lit on the tools and passes, then pytest
	@echo "==> Tests of the tools and passes (lit)"
	@lit=0; $(MAKE) --no-print-directory lit || lit=$$?; \
	  echo "==> Tests of the Python package (pytest)"; \
	  $(MAKE) --no-print-directory pytest && exit $$lit

lit: setup ## Run the lit tests only
	@$(BIN)/lit -s test

pytest: setup ## Run the Python tests only (TESTS="test/unit -k name" for some)
	@$(BIN)/pytest $(TESTS)

test-python: $(TOOLS) ## Run the Python tests on another Python: PYTHON=python3.12 (first time: 6 GB into build/)
	@PYTHON="$(PYTHON)" scripts/test-python $(TESTS)

corpus: setup ## Compile every case of the corpus, of which `make test` compiles some (20 minutes)
	@$(BIN)/pytest --whole test/e2e/test_constructs_compiled.py --numprocesses=auto --dist=worksteal

# FUZZ="--count 300 --seed 7", or any other arguments of test/fuzz/bundles.py.
FUZZ ?=

fuzz: setup ## Load 5,000 mutated bundles, each in a process of its own (some minutes)
	@mkdir -p $(BUILD)/fuzz
	@$(BIN)/dycl compile dycl.zoo:digits_early_exit -o $(BUILD)/fuzz/digits.dycl
	@$(BIN)/dycl compile python/examples/early_exit.py:make_net -o $(BUILD)/fuzz/early_exit.dycl
	@$(BIN)/dycl compile python/examples/early_exit.py:make_net --target llvm-cpu --target vulkan \
	  --place region_1=vulkan -o $(BUILD)/fuzz/placed.dycl
	@$(BIN)/dycl compile dycl.zoo:skipnet38_rnn --arg tiny=true -o $(BUILD)/fuzz/shared.dycl
	@$(BIN)/python test/fuzz/bundles.py $(BUILD)/fuzz/digits.dycl $(BUILD)/fuzz/early_exit.dycl \
	  $(BUILD)/fuzz/placed.dycl $(BUILD)/fuzz/shared.dycl $(FUZZ)

# PROGRAMS="--count 200 --seed 7", or any other arguments of test/fuzz/programs.py.
PROGRAMS ?=

programs: setup ## Compare 1,000 small random programs with eager (some minutes)
	@$(BIN)/python test/fuzz/programs.py $(PROGRAMS)

# SWEEP="repeat roll", or any other arguments of test/sweep/shapes.py and dtypes.py.
SWEEP ?=

sweep: setup ## Compare ops with eager: sizes and counts dynamic, tensors of every dtype (some minutes), or SWEEP=roll
	@status=0; for sweep in shapes dtypes; do $(BIN)/python test/sweep/$$sweep.py $(SWEEP) || status=1; done; exit $$status

# PEERS="skipnet38_rnn", or any other arguments of test/benchmarks/peers.py.
PEERS ?=

peers: setup ## Compare with other runtimes (installs them): all networks, or PEERS=skipnet38_rnn
	@# With what it was tested with, so that pip leaves that as it is.
	@$(BIN)/python -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*extras["compiler"], *extras["peers"], sep="\n")' \
	  >$(VENV)/peers-requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r $(VENV)/peers-requirements.txt
	@$(BIN)/python test/benchmarks/peers.py $(PEERS)

# TILES="digits_early_exit", or any other arguments of test/benchmarks/tiles_used.py.
TILES ?=

tiles: setup ## Check that IREE uses the tiles of every region of the zoo (half an hour), or TILES=skipnet38_rnn
	@$(BIN)/python test/benchmarks/tiles_used.py $(TILES)

format: setup ## Format Python and C++, and mend what the linter can mend
	@$(BIN)/ruff format -q $(PYTHON_SOURCES)
	@$(BIN)/ruff check -q --fix $(PYTHON_SOURCES)
	@$(BIN)/clang-format -i $(CXX_FORMATTED)

lint: setup ## Check format, lint and types
	@status=0; \
	  $(BIN)/ruff format -q --check $(PYTHON_SOURCES) || status=1; \
	  $(BIN)/ruff check -q $(PYTHON_SOURCES) || status=1; \
	  $(BIN)/clang-format --dry-run -Werror $(CXX_FORMATTED) || status=1; \
	  $(BIN)/pyright || status=1; \
	  exit $$status

clean: ## Remove .venv/ and build/
	rm -rf $(VENV) $(BUILD)

$(PACKAGES): pyproject.toml
	@python=$$(scripts/find-python) && \
	  echo "==> Installing PyTorch, torch-mlir, IREE and MLIR into $(VENV)/ with $$python (first time: some minutes)" && \
	  { [ -x $(BIN)/python ] || "$$python" -m venv $(VENV); }
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  >$(VENV)/build-requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r $(VENV)/build-requirements.txt
	@# The tools are built below, by the same CMakeLists.txt, where a change rebuilds only what it touches.
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation \
	  -C wheel.cmake=false -C editable.mode=inplace -e '.[compiler,sign,zoo,elsewhere,dev]'
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["tool"]["dycl"]["elsewhere-alone"], sep="\n")' \
	  >$(VENV)/elsewhere-requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -r $(VENV)/elsewhere-requirements.txt
	@touch $@

$(TOOLS): $(PACKAGES) $(CXX_SOURCES)
	@echo "==> Building dycl-opt and dycl-translate in $(BUILD)/ (first time: some minutes)"
	@$(BIN)/cmake -S . -B $(BUILD) -G Ninja $(CMAKE_ARGS) \
	  -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_MAKE_PROGRAM="$(abspath $(BIN))/ninja" \
	  -DCMAKE_INSTALL_PREFIX="$(abspath $(VENV))" \
	  -DPython3_EXECUTABLE="$(abspath $(BIN))/python" >/dev/null
	@$(BIN)/cmake --build $(BUILD)
	@$(BIN)/cmake --install $(BUILD) >/dev/null
	@touch $@

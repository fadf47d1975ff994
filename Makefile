# What people type. `make demo` and `make test` need nothing beforehand but python3, make and
# the packages that `make system-deps` names. A second run of anything set up is instant.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check
ROOMS   := election scanner hardware firmware_sim tally console
CHECKED := $(ROOMS) tests tools benchmarks
# How many tests run at once; `make test JOBS=0` runs them one after the other.
JOBS    ?= auto
# Where `make demo` writes.
OUT     ?= demo-out

.PHONY: help setup demo test lint bench accuracy fuzz soak tamper lock traceability system-deps clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# --- Set-up ---------------------------------------------------------------------------------

setup: $(VENV)/.base  ## make .venv with the locked libraries and the project

# The stamp is made last: a venv without pip (python3-venv missing) is made again.
$(VENV)/.made:
	@tools/make-venv "$(PYTHON)" $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.made lock/base.txt pyproject.toml
	@echo "Installing the locked libraries (once) …"
	@$(PIP) install --quiet --require-hashes -r lock/base.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.base lock/test.txt
	@echo "Installing the locked test tools (once) …"
	@$(PIP) install --quiet --require-hashes -r lock/test.txt
	@touch $@

system-deps:  ## install the Debian packages that are missing (as root)
	@tools/system-deps

# --- What it is for -------------------------------------------------------------------------

demo: $(VENV)/.base  ## play an election night; the report lands in demo-out/
	@$(BIN)/ballotbench demo --out $(OUT) $(DEMO_ARGS)

# Without root the tests still run; those that need a missing tool say so.
test:  ## run the tests
	@tools/system-deps --try
	@$(MAKE) --no-print-directory $(VENV)/.test
	@$(BIN)/python -m pytest -q -n $(JOBS) $(if $(filter 0,$(JOBS)),,--dist worksteal) $(PYTEST_ARGS)

lint: $(VENV)/.test  ## style, types, who may import whom
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports

# `make bench PEER=DIR PEER_PYTHON=…` adds OMRChecker; DOCS=1 puts the figures into the page.
# The nation takes some minutes to make: NATION_ARGS="--nation DIR" keeps it for the next time.
bench: $(VENV)/.test  ## measure speed; figures in .benchmarks/, ratios on the screen
	@mkdir -p .benchmarks && rm -f .benchmarks/*.json
	@$(BIN)/python -m pytest -q benchmarks -o addopts= --benchmark-only --benchmark-columns=min,median \
		--benchmark-sort=fullname --benchmark-json=.benchmarks/latest.json $(PYTEST_ARGS)
	@$(BIN)/python -m benchmarks.batch_scaling --json .benchmarks/scaling.json
	@$(BIN)/python -m benchmarks.link --json .benchmarks/link.json
	@$(BIN)/python -m benchmarks.central --json .benchmarks/central.json
	@$(BIN)/python -m benchmarks.nation $(NATION_ARGS) --json .benchmarks/nation.json
	@$(if $(PEER),$(BIN)/python -m benchmarks.peer_omrchecker $(PEER) --json .benchmarks/peer.json \
		--python $(or $(PEER_PYTHON),$(BIN)/python),:)
	@$(BIN)/python tools/bench_table.py .benchmarks $(if $(DOCS),--docs docs/performance.md)

accuracy: $(VENV)/.base  ## read ten million target positions of known truth; docs/accuracy.md
	@$(BIN)/python -m tools.accuracy $(ACCURACY_ARGS)

fuzz: $(VENV)/.base  ## 100,000 damaged files and 10,000 odd arrays: read or refused, no more
	@$(BIN)/python -m tools.fuzz $(FUZZ_ARGS)

# Each part of it has a small version among the tests.
soak: $(VENV)/.test  ## long runs: 2,000 cuts of device, scanner and cable; 200 of the screen device; 1,000 photographs of tapes; a million hurt frames and answers; 100,000 sheets in faulty weather; 5,000 tamperings with a published nation
	@$(BIN)/python -m tests.firmware_sim.cuts $(CUTS_ARGS)
	@$(BIN)/python -m tests.firmware_sim.dre_cuts $(DRE_CUTS_ARGS)
	@$(BIN)/python -m tools.tape_photos
	@$(BIN)/python -m tests.hardware.fuzz_frames $(FUZZ_FRAMES_ARGS)
	@$(BIN)/python -m tests.hardware.soak $(SHEETS_ARGS)
	@$(BIN)/python -m tests.hardware.fuzz_parsers $(FUZZ_PARSERS_ARGS)
	@$(BIN)/python -m tests.tally.tamperings $(TAMPERINGS_ARGS)

tamper: $(VENV)/.test  ## 10,000 single-field edits of journal, log and package, each found
	@$(BIN)/python -m tests.firmware_sim.tamper $(TAMPER_ARGS)

# --- Upkeep ---------------------------------------------------------------------------------

# Versions for every system and Python from 3.11 on, with hashes; no names of package indexes.
COMPILE := pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet

lock: $(VENV)/.made  ## choose and lock library versions anew (needs uv)
	@uv=$$(command -v $(BIN)/uv || command -v uv) || { \
		echo "make lock needs uv: $(BIN)/python -m pip install uv" >&2; exit 1; }; \
	$$uv $(COMPILE) --upgrade --extra build --output-file lock/base.txt; \
	$$uv $(COMPILE) --upgrade --extra build --extra test --extra audit --extra cluster --extra console --extra escl --extra exchange --extra hsm \
		--constraint lock/base.txt \
		--output-file lock/test.txt

traceability: $(VENV)/.base  ## write docs/traceability.md and the tables of docs/devices.md anew
	@$(BIN)/python tools/traceability.py
	@$(BIN)/python -m tools.device_chart

clean:  ## remove everything made, the environment too
	rm -rf $(VENV) demo-out dist build .accuracy .benchmarks .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find $(CHECKED) -name __pycache__ -type d -prune -exec rm -rf {} +

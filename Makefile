# People and CI call the same targets. Each sets up what it needs in $(VENV), from the versions in constraints.txt.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Override on the command line: make serve RUNTIME=gpu, make test PYTEST_ARGS="-k nifti -x"
VENV        ?= .venv
RUNTIME     ?= cpu
PYTEST_ARGS ?=
IMAGE       ?= fetalhead:latest
IMAGE_ARGS  ?=
ADVISORIES  ?=
DURATION    ?= 30m

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# ONNX Runtime reports to its maker otherwise; the service forbids it by itself (SECURITY.md).
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help install system-packages viewer viewer-if-possible demo serve test test-soak soak docs reference check bench image train-smoke sbom audit-dependencies format lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.service  ## the service and its commands, in $(VENV)

system-packages:  ## the Debian packages that some tests need (root); without them those tests are skipped
	scripts/system-packages

viewer:  ## the page at /, from app/viewer/source (needs Node.js 18 or newer with npm)
	scripts/build-viewer

viewer-if-possible:
	scripts/build-viewer --if-possible

demo: $(VENV)/.service viewer-if-possible  ## measure one simulated head through the running service
	$(BIN)/python -m training.cli.demo demo-output

serve: $(VENV)/.service viewer-if-possible  ## the service in the foreground on 127.0.0.1:8000
	FETALHEAD_HOST=127.0.0.1 FETALHEAD_PORT=8000 $(BIN)/fetalhead serve

test: $(VENV)/.development viewer-if-possible  ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

docs: $(VENV)/.development  ## the documentation site, into site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

reference: $(VENV)/.development  ## renew docs/reference and the tables of docs/errors.md and docs/settings.md from the code
	$(BIN)/python -m scripts.reference

test-soak: $(VENV)/.development  ## endurance: 2 minutes of load, 30 kills, 5,000 damaged uploads (10 minutes of one core; 35 where it is shared by six)
	SOAK_SECONDS=2m SOAK_KILLS=30 SOAK_MUTATIONS=5000 $(BIN)/python -m pytest tests/soak --capture=no $(PYTEST_ARGS)

soak: $(VENV)/.development  ## the load alone, for DURATION=30m (30s, 30m, 2h)
	SOAK_SECONDS=$(DURATION) $(BIN)/python -m pytest tests/soak/test_load.py --capture=no $(PYTEST_ARGS)

check: $(VENV)/.development  ## format, lint, types, import contracts, documentation, then all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test

BENCH_ARGS ?=

bench: $(VENV)/.development  ## time this service beside the straight way and torch; tables, and benchmarks/results/*.json
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

train-smoke: $(VENV)/.development  ## simulate, fit and export in a minute: it shows that all runs, not that it learns
	rm -rf runs/smoke
	$(BIN)/fetalhead-train fit smoke
	$(BIN)/fetalhead-train export runs/smoke

image: Dockerfile viewer-if-possible  ## the serving image, built by docker, podman or buildah
	docker/build $(IMAGE) $(RUNTIME) $(IMAGE_ARGS)

sbom: $(VENV)/.development  ## the bill of materials of the service (CycloneDX), in build/sbom-RUNTIME.json
	scripts/sbom $(BIN)/python $(RUNTIME) build/sbom-$(RUNTIME).json

audit-dependencies:  ## compare the pinned versions with a folder of OSV records: ADVISORIES=FOLDER
	scripts/audit-dependencies $(ADVISORIES)

format: $(VENV)/.development  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## resolve all dependencies anew into constraints.txt
	python3 scripts/lock

clean:  ## remove what the targets made, the virtual environment included
	rm -rf $(VENV) build dist demo-output site browser-pictures app/viewer/static app/viewer/source/node_modules *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	scripts/create-venv $(VENV)

# ONNX Runtime's builds install into the same folder, the last one wins: the others go first (docs/adr/0001).
$(VENV)/.runtime-$(RUNTIME): constraints.txt | $(BIN)/python
	rm -f $(VENV)/.runtime-*
	$(BIN)/python -m pip list --format=freeze | sed -nE 's/^(onnxruntime[^=]*|openvino)==.*/\1/p' \
		| xargs --no-run-if-empty $(BIN)/python -m pip uninstall -qq --yes
	touch $@

$(VENV)/.service: pyproject.toml constraints.txt $(VENV)/.runtime-$(RUNTIME) | $(BIN)/python
	$(PIP) --editable '.[$(RUNTIME),report]'
	touch $@

$(VENV)/.development: pyproject.toml constraints.txt $(VENV)/.runtime-$(RUNTIME) | $(BIN)/python
	$(PIP) --editable '.[$(RUNTIME),report,train,docs,dev]'
	touch $@ $(VENV)/.service

# People and CI use the same targets. Each installs what it needs into $(VENV), in the versions of constraints.txt.
# The times in the help are for two quiet CPU cores, after installation.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# The names of the images, as docker-compose.yml has them.
-include .env
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

# Override on the command line: make serve RUNTIME=gpu, make test PYTEST_ARGS="-k nifti -x". WORKERS is the number of
# processes that test side by side; with WORKERS=0 a test can print and be debugged.
VENV        ?= .venv
RUNTIME     ?= cpu
PYTEST_ARGS ?=
WORKERS     ?= 2
IMAGE       ?= $(or $(IMAGE_$(if $(filter cpu,$(RUNTIME)),CPU,GPU)),fetalhead:$(VERSION)-$(RUNTIME))
IMAGE_ARGS  ?=
ADVISORIES  ?=
DURATION    ?= 30m

BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# ONNX Runtime reports to its maker otherwise; the service forbids it by itself (SECURITY.md).
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help install develop system-packages missing-packages viewer viewer-if-possible demo serve test test-fast golden test-soak soak docs reference check bench image train-queue train-smoke sbom audit-dependencies format lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.service  ## install the service and its commands into $(VENV) (minutes, 0.8 GB)

develop: $(VENV)/.development  ## also install what training, tests and documentation need (minutes, 2.2 GB, with CUDA far more)

system-packages:  ## install the Debian packages that some tests need (as root); without them these tests are skipped
	scripts/system-packages

missing-packages:
	@scripts/system-packages --tell

viewer:  ## build the web page from app/viewer/source (1 minute; needs Node.js 18 or newer and npm)
	scripts/build-viewer

viewer-if-possible:
	scripts/build-viewer --if-possible

demo: $(VENV)/.service viewer-if-possible  ## measure one simulated head through the running service (20 s)
	$(BIN)/python -m training.cli.demo demo-output

serve: $(VENV)/.service viewer-if-possible  ## run the service on 127.0.0.1:8000 until Ctrl+C
	FETALHEAD_HOST=127.0.0.1 FETALHEAD_PORT=8000 $(BIN)/fetalhead serve

test: missing-packages $(VENV)/.development viewer-if-possible  ## run all tests (12 minutes or more on 2 cores)
	$(PYTEST) $(PYTEST_ARGS)

test-fast: missing-packages $(VENV)/.development  ## run what is worth running before each commit (2 minutes on 2 cores)
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

docs: $(VENV)/.development  ## build the documentation site in site/; warnings are errors (10 s)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

reference: $(VENV)/.development  ## renew the reference pages in docs/ from the code (5 s)
	$(BIN)/python -m scripts.reference

golden: $(VENV)/.development  ## renew the golden files of reports in tests/golden from the code; read the diff (1 minute)
	RENEW_GOLDEN=1 $(PYTEST) -m golden $(PYTEST_ARGS)

test-soak: $(VENV)/.development  ## test endurance: load, kills and damaged uploads (10 minutes)
	SOAK_SECONDS=2m SOAK_KILLS=30 SOAK_MUTATIONS=5000 $(BIN)/python -m pytest tests/soak --capture=no $(PYTEST_ARGS)

soak: $(VENV)/.development  ## load the service for DURATION, such as 30s, 30m or 2h (default 30m)
	SOAK_SECONDS=$(DURATION) $(BIN)/python -m pytest tests/soak/test_load.py --capture=no $(PYTEST_ARGS)

check: $(VENV)/.development  ## run what CI runs: format, lint, types, imports, documentation, all tests (15 minutes or more)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test

BENCH_ARGS ?=

bench: $(VENV)/.development  ## time the service and compare it with plain implementations (10 minutes); writes benchmarks/results
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

train-queue: $(VENV)/.development  ## train the runs of runs/queue.toml on one core, or go on where that stopped (hours)
	$(BIN)/python scripts/train-queue

train-smoke: $(VENV)/.development  ## simulate, train and export a tiny model, to see that every step runs (1 minute)
	rm -rf runs/smoke
	$(BIN)/fetalhead-train fit smoke
	$(BIN)/fetalhead-train export runs/smoke

image: Dockerfile viewer-if-possible  ## build the container image with docker, podman or buildah (minutes)
	docker/build $(IMAGE) $(RUNTIME) $(IMAGE_ARGS)

sbom: $(VENV)/.development  ## write the list of installed components (CycloneDX) to build/sbom-$(RUNTIME).json (10 s)
	scripts/sbom $(BIN)/python $(RUNTIME) build/sbom-$(RUNTIME).json

audit-dependencies:  ## compare the pinned versions with OSV advisories in the folder ADVISORIES
	scripts/audit-dependencies $(ADVISORIES)

format: $(VENV)/.development  ## format the sources and apply safe lint fixes (5 s)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## resolve all dependencies again and write constraints.txt (minutes)
	python3 scripts/lock

clean:  ## delete everything the targets made, including the virtual environment
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

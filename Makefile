# One command runs the main job (make demo), one passes the tests (make test); each sets everything up first.
PYTHON ?= python3.11
WORKSPACE ?= workspace
CUSTOMERS ?= 50000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# without byte code every start would compile Feast and Ray anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo app test test-slow lint bench lock browser docs screenshots clean
.DEFAULT_GOAL := help

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(READY) ## Virtual environment with the locked packages

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## The main job over a synthetic world: segments, subgroups, models, plan
	$(BIN)/scenefit world --customers $(CUSTOMERS) --seed 7 --workspace $(WORKSPACE)
	$(BIN)/scenefit run --workspace $(WORKSPACE) --backend ray

app: $(READY) ## Open the pages over the workspace
	$(BIN)/scenefit app --workspace $(WORKSPACE)

test: lint ## Lint, types, import contract, tests, doctests
	$(BIN)/python -m pytest

test-slow: $(READY) ## The slow suites
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Measure the claims of docs/benchmarks.md
	$(BIN)/python -m benchmarks run ray world features segmentation subgroups audiences lookalikes recsys recsys_scenes matching decisions

browser: ## Chromium and Chinese fonts for the browser journeys (Debian)
	@command -v chromium >/dev/null && fc-list 2>/dev/null | grep -qi cjk || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -q && $$sudo apt-get install -y -q --no-install-recommends chromium fonts-noto-cjk fontconfig; }

lock: ## Resolve the dependencies anew
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --upgrade --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -o requirements.lock

docs: $(READY) ## Print the generated pages anew
	$(BIN)/python -m scenefit.contracts.tables > docs/tables.md
	$(BIN)/python -m feature_repo.document > docs/features.md
	$(BIN)/python -m scenefit.runtime.settings > docs/settings.md

screenshots: $(READY) browser ## Pictures of the pages over the workspace, for README and docs
	SCENEFIT_SCREENSHOTS=docs/images SCENEFIT_JOURNEY_WORKSPACE=$(WORKSPACE) $(BIN)/python -m pytest -m browser tests/journeys

clean: ## Remove the workspace and all caches, not the environment
	rm -rf $(WORKSPACE) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

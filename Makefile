# Sets everything up from a machine that has only Python (>= 3.11) and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
RUN    := $(VENV)/.run
DEV    := $(VENV)/.dev

.PHONY: help setup demo test lint docs clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(RUN) ## Create the virtual environment and install visnet into it

$(RUN): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) -e .
	touch $@

$(DEV): $(RUN)
	$(PIP) -e '.[dev]'
	touch $@

demo: $(RUN) ## Draw a small dataset, build its augmented set, train and evaluate VisNet on it
	rm -rf demo
	$(BIN)/visnet-aug draw --out demo/drawn --identities 48
	$(BIN)/visnet-aug build --src demo/drawn --out demo/aug --recipe demo
	$(BIN)/visnet-aug inspect demo/aug
	$(BIN)/visnet-train --manifest demo/aug/manifest.csv --out demo/run --config demo
	$(BIN)/visnet-eval --checkpoint demo/run/last.pt > demo/run/evaluation.txt
	@echo
	@echo 'Done. Open next:'
	@echo '  demo/aug/report/index.html      all images, each copy beside its source'
	@echo '  demo/run/curves.png             losses and accuracy (Rank-1 by chance: 2.6%)'
	@echo '  demo/run/evaluation/strips.png  queries, each with the gallery images ranked first'
	@echo 'Then build a set from your own images: docs/quickstart.md'

# Two test processes with one thread each: more threads than cores would slow each other down.
test: lint ## Run linters, type checks and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

lint: $(DEV) ## Run linters and type checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/visnet-aug doctor

docs: $(DEV) ## Build the documentation into site/; tests/docs keeps it in step with the code
	$(BIN)/python -m docsite
	$(BIN)/zensical build --strict --clean

clean: ## Remove the environment, the demo and the site
	rm -rf $(VENV) demo site .cache

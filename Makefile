# Everything from a machine that has only Python (>= 3.11) and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help setup demo test lint docs clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(READY) ## Create the virtual environment and install visnet into it

# Both OpenCV wheels own the folder cv2; the headless one is written last, whole (docs/opencv.md).
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps \
	  opencv-python-headless==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("opencv-python"))')
	touch $@

demo: $(READY) ## Draw a small dataset, build its augmented set, train and evaluate VisNet on it
	rm -rf demo
	$(BIN)/visnet-aug draw --out demo/drawn --identities 48
	$(BIN)/visnet-aug build --src demo/drawn --out demo/aug --recipe pipelines/demo.yaml
	$(BIN)/visnet-aug inspect demo/aug
	$(BIN)/visnet-train --manifest demo/aug/manifest.csv --out demo/run --config pipelines/demo.yaml
	$(BIN)/visnet-eval --checkpoint demo/run/last.pt

# Two test processes with one thread each: on two cores, more threads would only wait in turns.
test: $(READY) lint ## Linters, types and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/visnet-aug doctor

docs: $(READY) ## Build the documentation into site/ (tests/docs hold it to the code)
	$(BIN)/python -m docsite
	$(BIN)/zensical build --strict --clean

clean: ## Remove the environment and the demo
	rm -rf $(VENV) demo site .cache

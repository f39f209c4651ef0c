# `make demo` and `make test` start from a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# One BLAS thread per process: the second core runs another step.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/gesturebench run demo
	$(BIN)/gesturebench table demo
	$(BIN)/gesturebench report demo

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned packages into $(VENV); this takes a minute or two."
	$(PIP) --editable '.[standin]'
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned packages and the test tools into $(VENV); this takes a minute or two."
	$(PIP) --editable '.[standin,body,test]'
	touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A fresh machine needs python3 (3.11 or newer) with venv, and make. Every target sets up .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint docs picture notebook bench clean

demo: $(INSTALLED)
	$(BIN)/python studies/quickstart.py run --store results
	$(BIN)/superconv report results --study quickstart --output results/report.html

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

# A warning is an error. Nothing is read from the network.
docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo 'docs/_build/index.html'

# The picture of a report in README and documentation; needs a Chromium.
picture: $(INSTALLED)
	$(BIN)/python docs/picture.py

# Executes studies/analysis.ipynb, so that its outputs show on GitHub.
notebook: $(INSTALLED)
	$(BIN)/python -m docs.notebook

# `make bench SAVE=--save` keeps the figures in benchmarks/results, where README and docs take them from.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.startup $(SAVE)
	$(BIN)/python -m benchmarks.training_loop $(SAVE)
	$(BIN)/python -m benchmarks.store $(SAVE)
	$(BIN)/python -m benchmarks.analysis $(SAVE)
	$(BIN)/python -m benchmarks.analysis_scaling $(SAVE)
	$(BIN)/python -m benchmarks.report $(SAVE)
	$(BIN)/python -m benchmarks.planner $(SAVE)
	$(BIN)/python -m benchmarks.study_overhead $(SAVE)
	$(BIN)/python -m benchmarks.checkpoints $(SAVE)
	$(BIN)/python -m benchmarks.demo $(SAVE)

# Written last, so that an installation that was cut off is begun again.
$(INSTALLED): pyproject.toml
	@echo 'setting up .venv; torch is large, this takes a few minutes'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(INSTALLED)

clean:
	rm -rf .venv results

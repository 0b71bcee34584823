# A fresh machine needs python3 (3.11 or newer) with venv, and make. Every target sets up .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint bench clean

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

bench: $(INSTALLED)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/training_loop.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/analysis_scaling.py
	$(BIN)/python -m benchmarks.report
	$(BIN)/python benchmarks/planner.py
	$(BIN)/python benchmarks/study_overhead.py
	$(BIN)/python benchmarks/checkpoints.py
	$(BIN)/python benchmarks/demo.py

# Written last, so that an installation that was cut off is begun again.
$(INSTALLED): pyproject.toml
	@echo 'setting up .venv; torch is large, this takes a few minutes'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(INSTALLED)

clean:
	rm -rf .venv results

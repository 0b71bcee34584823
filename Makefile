# A fresh machine needs python3 (3.11 or newer) with venv, and make. Every target sets up .venv.

PYTHON ?= python3
BIN := .venv/bin
DEMO_INSTALLED := .venv/installed-demo
INSTALLED := .venv/installed

# Everything that runs without a cluster, a browser, documents or object storage; and one run on Ray.
TESTED_AT_MINIMUM := tests/design tests/planning tests/training tests/data tests/models tests/analysis \
	tests/storage tests/cli tests/api tests/execution/test_session.py tests/execution/test_worker.py \
	tests/report/charts tests/report/test_page.py tests/report/test_sections.py tests/report/test_text.py

.PHONY: demo test test-minimum lint docs picture scorecard notebook bench gpu clean

demo: $(DEMO_INSTALLED)
	$(BIN)/python studies/quickstart.py run --store results
	$(BIN)/superconv report results --study quickstart --output results/report.html

# Tests start some 200 processes, each of which would otherwise compile the package again.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# Tests the lowest versions that pyproject.toml allows, in an environment of their own (uv resolves
# downwards), and notes for which pyproject.toml that passed.
test-minimum:
	$(PYTHON) -m venv --clear .venv-minimum
	.venv-minimum/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-minimum/bin/uv pip install --quiet --python .venv-minimum/bin/python --resolution lowest-direct --editable '.[report]'
	.venv-minimum/bin/uv pip install --quiet --python .venv-minimum/bin/python pytest hypothesis
	OMP_NUM_THREADS=1 .venv-minimum/bin/python -m pytest $(TESTED_AT_MINIMUM)
	git hash-object pyproject.toml > tests/minimum-versions-tested

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

# Warnings are errors. The build needs no network.
docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build
	@echo 'docs/_build/index.html'

# Takes the picture of a report for README and documentation. Needs Chromium.
picture: $(INSTALLED)
	$(BIN)/python docs/picture.py

# Writes docs/scorecard.md from the sample store, studies/results.
scorecard: $(INSTALLED)
	$(BIN)/python -m docs.scorecard

# Executes studies/analysis.ipynb, so that its outputs show on GitHub.
notebook: $(INSTALLED)
	$(BIN)/python -m docs.notebook

# `make bench SAVE=--save` writes benchmarks/results, from which README and documentation are made.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.startup $(SAVE)
	$(BIN)/python -m benchmarks.training_loop $(SAVE)
	$(BIN)/python -m benchmarks.store $(SAVE)
	$(BIN)/python -m benchmarks.large_store $(SAVE)
	$(BIN)/python -m benchmarks.analysis $(SAVE)
	$(BIN)/python -m benchmarks.analysis_scaling $(SAVE)
	$(BIN)/python -m benchmarks.coverage $(SAVE)
	$(BIN)/python -m benchmarks.report $(SAVE)
	$(BIN)/python -m benchmarks.planner $(SAVE)
	$(BIN)/python -m benchmarks.study_overhead $(SAVE)
	$(BIN)/python -m benchmarks.checkpoints $(SAVE)
	$(BIN)/python -m benchmarks.streaming $(SAVE)
	$(BIN)/python -m benchmarks.pricing $(SAVE)
	$(BIN)/python -m benchmarks.demo $(SAVE)

# Checks everything about devices on this machine's GPU. Takes the machine's own Python, whose torch has
# CUDA, and needs no Ray. `make gpu SAVE=--save` writes what the documentation's page on GPUs is made from.
gpu:
	$(PYTHON) -m benchmarks.gpu $(SAVE)

# Packages for the demo. Written last, so that an interrupted installation starts again.
$(DEMO_INSTALLED): pyproject.toml
	@echo 'setting up .venv; torch is large, this takes a few minutes'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[report]'
	touch $(DEMO_INSTALLED)

# The other packages: for tests, lint, documentation and benchmarks.
$(INSTALLED): $(DEMO_INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(INSTALLED)

clean:
	rm -rf .venv .venv-minimum results docs/_build docs/_generated

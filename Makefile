# Everything runs in .venv, made on first use; after that nothing is fetched. Another Python: make test PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install quickstart test lint format docs clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[dev]"
	touch $@

# Its own outputs alone are replaced: data/demo and runs/quickstart.
quickstart: $(INSTALLED)
	$(BIN)/hvp preprocess demo
	rm -rf runs/quickstart runs/quickstart.training
	$(BIN)/hvp train recipes/quickstart.yaml --set train.epochs=16
	$(BIN)/hvp eval runs/quickstart
	$(BIN)/python benchmarks/contrast.py runs/quickstart
	@printf '\nGo on with:\n'
	@printf '  %s\n' '$(BIN)/hvp predict --text "..." --image image.jpg    entities of a text of your own' \
	  '$(BIN)/hvp preprocess demo --task mre                   the same for relations, then:' \
	  '$(BIN)/hvp train recipes/quickstart_mre.yaml' \
	  '$(BIN)/hvp recipes                                      the published systems'

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 tests

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_words.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Thin: each target is one command that you could type yourself.
BIN := .venv/bin
ARGS ?=
# Hundreds of processes start in a test run: each would compile again what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup wheelhouse demo test lint bench pictures schema clean

setup: ## .venv under packaging/lock.txt, and Qt's system libraries
	@PYTHON="$(PYTHON)" sh packaging/setup.sh

wheelhouse: setup ## what a target without a network installs from
	@$(BIN)/python -m core.delivery.wheelhouse .wheelhouse

demo: wheelhouse ## the whole loop on the flights project, then the window
	@$(BIN)/plimsoll demo $(ARGS)

test: setup ## everything that must hold before a merge
	@$(MAKE) --no-print-directory -j 2 wheelhouse lint
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy core
	@$(BIN)/lint-imports

bench: wheelhouse ## the figures of docs/benchmarks.md
	@for file in tests/benchmarks/[a-z]*.py; do echo "# $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done

pictures: wheelhouse ## docs/pictures, made by the test that walks the demo
	@PLIMSOLL_PICTURES=docs/pictures $(BIN)/python -m pytest tests/journeys/test_demo.py -k pictures $(ARGS)
	@$(BIN)/python -m pytest tests/app/test_pictures.py $(ARGS)

schema: setup ## resources/plimsoll.schema.json, for editors
	@$(BIN)/python -m core.project.json_schema resources/plimsoll.schema.json

clean: ## all that can be made again, but not your workspaces
	@rm -rf .venv .wheelhouse .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

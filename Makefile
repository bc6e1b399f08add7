# Two commands on a fresh machine: `make demo` and `make test`. Everything they need is installed by them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all lint format lock docs clean

demo: $(VENV)/installed  ## install, run the sentiment study on real data and real models, say where the report is
	@$(BIN)/bakeoff run sentiment

test: $(VENV)/installed-test  ## install what tests need, run the suite (fast ones; `make test-all` runs every one)
	@$(BIN)/python scripts/prepare_tests.py
	@BAKEOFF_OFFLINE=1 $(BIN)/python scripts/run_tests.py -m "not slow" $(PYTEST_ARGS)

test-all: $(VENV)/installed-test
	@$(BIN)/python scripts/prepare_tests.py
	@BAKEOFF_OFFLINE=1 $(BIN)/python scripts/run_tests.py $(PYTEST_ARGS)

lint: $(VENV)/installed-test  ## ruff, mypy on the package, the layers between rooms, generated pages up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-test  ## write the pages that are generated from the program
	$(BIN)/python scripts/generate_docs.py

lock: $(VENV)/installed-test  ## write requirements.lock from what is installed here
	$(BIN)/python scripts/lock.py

$(VENV)/installed: pyproject.toml requirements.lock scripts/install.sh
	@sh scripts/install.sh $(PYTHON) $(VENV) all
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@sh scripts/install.sh $(PYTHON) $(VENV) all,test,lint
	@touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info

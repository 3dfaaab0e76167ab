# Every target is one line; `make help` lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python
JOBS ?= 3
# Some images forbid Python to keep its bytecode. Tests are hundreds of processes, and each would compile the same again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup demo up check test gallery simulate simulate-mutants bench fix contracts clients clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup:  ## make .venv from the hash-checked lock (done by the others when needed)
	@ops/setup.sh

demo: setup  ## start everything, restart chargers, print the verdicts, stay up (ONCE=1: exit instead)
	@$(PY) -m ops demo $(if $(ONCE),--once)

up: setup  ## start the stack, empty, with its data kept in your data folder
	@$(PY) -m ops up

check: setup  ## format, lint, types, import rules, contracts, unit tests: under a minute
	@ops/check.sh

test: setup  ## every test, on the embedded Kafka and PostgreSQL (JOBS=1: one after the other)
	@$(PY) -m pytest tests $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile --no-loadscope-reorder) $(ARGS)

simulate: setup  ## try to break the restarts: make simulate SEEDS=100000, or replay one: SEED=7 [MUTANT=name]
	@PYTHONPATH=tests/support $(PY) -m simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(MUTANT),--mutant $(MUTANT))

simulate-mutants: setup  ## show that the simulation finds every deliberate defect
	@$(PY) -m pytest tests/simulation/mutants_on_demand.py -q $(ARGS)

gallery: setup  ## take the pictures of the page in docs/ again
	@COMEBACK_GALLERY=docs $(PY) -m pytest tests/component/portal/browser/test_gallery.py -q -p no:randomly

bench: setup  ## measure: make bench NAME=restart-latency (the README lists all)
	@$(PY) -m bench $(NAME) $(ARGS)

fix: setup  ## format and repair what can be repaired
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .

contracts: setup  ## regenerate schemas and AsyncAPI from the contracts
	@$(PY) -m contracts generate

clients: setup  ## describe the API and generate its clients (wants Node.js and the network)
	@$(PY) clients/generate.py

clean:  ## remove .venv and caches (never your data)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

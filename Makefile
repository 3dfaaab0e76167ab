# Every target is one line; `make help` lists them.
.DEFAULT_GOAL := help
PY := .venv/bin/python
.PHONY: help setup demo up check test bench fix contracts clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup:  ## make .venv from the hash-checked lock (done by the others when needed)
	@ops/setup.sh

demo: setup  ## start everything, restart chargers, print the verdicts, stay up (ONCE=1: exit instead)
	@$(PY) -m ops demo $(if $(ONCE),--once)

up: setup  ## start the stack, empty, with its data kept in your data folder
	@$(PY) -m ops up

check: setup  ## format, lint, types, import rules, contracts, unit tests: under a minute
	@ops/check.sh

test: setup  ## every test, on the embedded Kafka and PostgreSQL
	@$(PY) -m pytest tests $(ARGS)

bench: setup  ## measure: make bench NAME=restart-latency
	@$(PY) -m bench $(NAME) $(ARGS)

fix: setup  ## format and repair what can be repaired
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .

contracts: setup  ## regenerate schemas and AsyncAPI from the contracts
	@$(PY) -m contracts generate

clean:  ## remove .venv and caches (never your data)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

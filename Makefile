PYTHON ?= python3
BIN := .venv/bin
LANDING ?= data/landing
USERS ?= 65000
OUT ?= $(LANDING)/social_media_info.json
AT_ONCE ?= 2
COMPOSE ?= docker compose
UV ?= uv
COMPILE = $(UV) pip compile --quiet --upgrade --no-header --constraint constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Nothing is installed whose hash is not listed, and nothing else is used to build what is. Python's own pip installs but
# the pip in build.txt.
HASHED := --require-hashes --no-deps --no-build-isolation --requirement

.DEFAULT_GOAL := help
.PHONY: help setup run test test-faults lint sample doctor explain psql summary report docs cluster dashboard bench clean \
	up down logs test-images lock grants sbom

help: ## show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.venv/.run: requirements/build.txt requirements/run.txt setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo 'Python 3.11 to 3.13 expected; call make with PYTHON=/path/to/python3.12'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) $(HASHED) requirements/build.txt
	$(PIP) $(HASHED) requirements/run.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@echo 'preparing Java for Spark, once ...'
	@$(BIN)/socialmart java --prepare
	@touch $@

.venv/.test: .venv/.run requirements/test.txt
	$(PIP) $(HASHED) requirements/test.txt
	@touch $@

setup: .venv/.run ## create .venv with pinned dependencies

run: setup ## run the pipeline on the landing folder; if that is empty and all is new, on a copy of the sample
	@$(BIN)/socialmart run --sample

.venv/.bench: .venv/.run requirements/bench.txt
	$(PIP) $(HASHED) requirements/bench.txt
	@touch $@

test: .venv/.test lint ## lint, then run all tests but the slow ones, AT_ONCE files of tests in parallel
	$(BIN)/python -m pytest --numprocesses $(AT_ONCE) --dist loadfile --no-loadscope-reorder

test-faults: .venv/.test ## run every fault (killed runs, full disks, servers that go away), and the slow tests; an hour
	FAULTS=all $(BIN)/python -m pytest -m 'slow or faults'

lint: .venv/.test ## ruff, mypy and sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar dbt_project

sample: setup ## write a sample of USERS users to OUT
	$(BIN)/python -m bench.sample --users $(USERS) --out $(OUT)

doctor: setup ## check whether the pipeline can run here, and say what to do if not
	@$(BIN)/socialmart doctor

explain: setup ## say for every stage whether it is up to date, and if not, why
	@$(BIN)/socialmart explain

psql: setup ## open psql on the warehouse
	@$(BIN)/socialmart psql

summary: setup ## show the last run's stages, what was unusual, and the ledger
	@$(BIN)/socialmart summary

report: setup ## write the report on the published marts and print its path
	@$(BIN)/socialmart report

docs: setup ## write dbt's page about models and lineage and print its path
	@$(BIN)/socialmart docs

bench: .venv/.bench ## measure the pipeline against the floor; BENCH=--quick, --all, --page ...
	@$(BIN)/python -m bench $(BENCH)

cluster: setup ## run a Spark cluster on this machine (a master, two workers) until Ctrl-C
	@$(BIN)/socialmart cluster

dashboard: setup ## run Luigi's dashboard on this machine until Ctrl-C; runs show up there
	@$(BIN)/socialmart dashboard

up: ## start everything in containers, as .env says (WORKERS=3: three Spark workers)
	@containers/require-passwords --file .env
	$(COMPOSE) up --build --detach

down: ## stop the containers; what they have stored stays
	$(COMPOSE) down

logs: ## show the containers' output as it comes, runs from cron included
	$(COMPOSE) logs --follow

test-images: .venv/.test ## build the images and run the pipeline in them; needs root, buildah and debootstrap
	IMAGES=run $(BIN)/python -m pytest --log-cli-level=INFO tests/images

lock: ## write requirements/ from setup.cfg and constraints.txt, with the hashes of all files; needs uv (pip install uv)
	@mkdir -p requirements
	printf 'pip\nsetuptools>=77\n' | $(COMPILE) - --output-file requirements/build.txt
	$(COMPILE) setup.cfg --output-file requirements/run.txt
	for extra in bench notebook test; do $(COMPILE) setup.cfg --extra $$extra --output-file requirements/$$extra.txt \
		$$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements/run.txt) || exit 1; done

grants: setup ## write containers/postgres/grants.sql from the map of personal data
	LUIGI_CONFIG_PATH=containers/settings/luigi.cfg $(BIN)/socialmart roles print --login socialmart --database warehouse \
		> containers/postgres/grants.sql

sbom: setup ## print what is installed in .venv, and Debian's packages here, as CycloneDX
	@$(BIN)/python -m luigi_tasks.cli.sbom

clean: ## delete checkpoints, logs, the report, dbt's page and the embedded warehouse; landing files stay
	rm -rf data/checkpoints data/local data/logs data/report data/docs data/postgres

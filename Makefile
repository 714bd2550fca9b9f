# `make` lists what can be done. Nothing but Python 3.11 or newer and a network is needed.

VENV := .venv
PYTHON := $(VENV)/bin/python
BIN := $(VENV)/bin
# The contract as it was agreed, for `buf breaking`: the last release, before the first one main; or name a branch, tag
# or commit.
BASE ?= $(shell git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null \
	|| git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main)
INSTALL := $(PYTHON) -m pip install --disable-pip-version-check --no-input --require-hashes --only-binary :all: --no-compile

# Kafka's jars are fetched and prepared ahead, unless a broker of your own is named.
ENGINES := test -n "$$CONSENT_KAFKA_BOOTSTRAP" || $(PYTHON) -m consent_service.embedded "$$CONSENT_CACHE_DIR"

# The tests in a browser need Chromium: Debian's package is installed where that can be done. And packages from npm.
FIND_CHROMIUM := $(PYTHON) -m tests.chromium
NPM := $(PYTHON) -m tests.npm

# Each of the many programs that tests start would compile the sources anew where PYTHONDONTWRITEBYTECODE is set.
COMPILED := $(PYTHON) -m compileall -q consent_service clients/python/consent_client

.DEFAULT_GOAL := help
.PHONY: help run test soak check lint demo bench screenshots lock audit proto web clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.service ## start everything on this machine: PostgreSQL, Kafka, sample catalogue, service (ARGS=...)
	@exec $(PYTHON) -m consent_service run $(ARGS)

demo: $(VENV)/.service ## the main job told in the terminal: consent, withdrawal, consumers that stop (ARGS=...)
	@exec $(PYTHON) -m consent_service demo $(ARGS)

# Three processes on two cores: a quarter of the time one waits for a limit to pass.
test: lint ## the whole test suite, installing what it needs (ARGS=... for pytest)
	@$(ENGINES)
	@$(FIND_CHROMIUM)
	@$(NPM)
	@$(COMPILED)
	@exec $(PYTHON) -m pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder $(ARGS)

soak: $(VENV)/.development ## the tests that have a long variant, at length: more kills, outages and examples (ARGS=...)
	@$(ENGINES)
	@$(FIND_CHROMIUM)
	@$(NPM)
	@exec env CONSENT_SOAK=1 $(PYTHON) -m pytest -m soak -v -o log_cli=true $(ARGS)

check: lint ## format, lint, strict types, import rules, the Kafka contract, size limits
	$(PYTHON) -m pytest -q tests/style

# What `test` runs too; size limits are tests.
lint: $(VENV)/.development
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint
	@if git cat-file -e "$(BASE):proto" 2>/dev/null; \
	then echo "$(BIN)/buf breaking --against $(BASE)"; $(BIN)/buf breaking --against ".git#ref=$(BASE)"; \
	else echo "buf breaking: skipped, there is no agreed contract to compare with yet"; fi

bench: $(VENV)/.development ## measure each path beside the figure it is compared with (ARGS=...)
	@exec $(PYTHON) -m benchmarks $(ARGS)

screenshots: $(VENV)/.development ## each state of banner and demonstration as a picture in build/screenshots
	@$(FIND_CHROMIUM)
	@$(ENGINES)
	@exec $(PYTHON) -m tests.browser.screenshots

proto: $(VENV)/.development ## generate what comes from the Kafka contract: Python code, docs/asyncapi.yaml
	$(BIN)/buf generate
	$(PYTHON) -m tests.contracts.asyncapi

web: $(VENV)/.development ## build the web client: clients/web/dist, and the script that the service serves
	$(PYTHON) -m tests.browser.build

# The service's own lock comes first; the other two hold the same versions and add to them.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate pyproject.toml
lock: $(VENV)/.development ## write the lock files anew: Python packages and Kafka's jars (UPGRADE=--upgrade)
	$(COMPILE) $(UPGRADE) --output-file requirements.lock
	$(COMPILE) $(UPGRADE) --extra embedded --constraint requirements.lock --output-file requirements-embedded.lock
	$(COMPILE) $(UPGRADE) --extra embedded --group dev --constraint requirements-embedded.lock \
		--output-file requirements-dev.lock
	$(PYTHON) -m consent_service.embedded.lock_jars

audit: $(VENV)/.development ## ask the database of known weaknesses about every locked package; needs a network (ARGS=... for uv audit)
	@exec $(PYTHON) -m tests.packaging.audit $(ARGS)

clean: ## remove what make installed and what the tools left behind; data folders are kept
	rm -rf $(VENV) build dist tests/contracts/npm/node_modules clients/web/node_modules tests/browser/npm/node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: made last, so that an installation that was cut short is done again.
$(VENV)/.made:
	@for python in $(PYTHON3) python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer is needed; name it with PYTHON3=/path/to/python3" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$found --version)"; \
	$$found -m venv $(VENV) || { \
		echo "Python's module venv is needed (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@touch $@

$(VENV)/.service: requirements-embedded.lock $(VENV)/.made
	@$(call install,$<)
	@$(ENGINES)
	@$(call command)
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.made
	@$(call install,$<)
	@$(ENGINES)
	@$(call command)
	@touch $@ $(VENV)/.service

# One line a package; pip's exit code comes through the pipe as the last line. What it unpacks is compiled on all cores, which
# pip does not do; some packages hold templates that are no Python, and are left as they are.
define install
echo "installing what $(1) holds"; \
{ $(INSTALL) --requirement $(1); echo "exit $$?"; } | awk ' \
	/^Collecting / { print "  " $$2; fflush() } \
	/^Installing collected/ { print "  unpacking"; fflush() } \
	/^exit / { code = $$2 } \
	END { exit code }'
@$(PYTHON) -m compileall -qq -j 0 $(VENV)/lib || true
endef

# The packages run from the checkout; these are their commands.
define command
for name in consent-service:consent_service consent-watch:consent_client.watch; do \
	{ echo '#!/bin/sh'; \
	  echo "exec \"$(abspath $(PYTHON))\" -m $${name#*:} \"\$$@\""; \
	} > "$(BIN)/$${name%:*}" && chmod +x "$(BIN)/$${name%:*}" || exit 1; \
done; \
$(PYTHON) -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'consent.pth').write_text( \
	'$(CURDIR)\n$(CURDIR)/clients/python\n')"
endef

# `make run` opens the dashboard, `make test` runs the tests; each installs what it needs first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The official SDK: all are tried by `make interop`, the two oldest and the newest by every `make test`.
SDK_VERSIONS := 0.2.14 0.2.32 0.2.42 0.5.1
SDK_TESTED := 0.2.14 0.2.32 0.5.1
# The official command line, and frameworks that use sandboxes; harbor needs Python 3.12. Some need libraries of their
# time.
PRIME_VERSIONS := 0.3.46 0.5.60 0.18.0
FRAMEWORKS := verifiers-0.1.9 verifiers-0.4.0 harbor-0.26.0
WITH_prime-0.5.60 := 'prime-sandboxes<0.2.33' 'typer<0.21'
WITH_verifiers-0.1.9 := 'prime-sandboxes<0.2.33'
WITH_verifiers-0.4.0 := prime-sandboxes
WITH_harbor-0.26.0 := prime-sandboxes
INTEROP := $(SDK_TESTED:%=.interop/%/.done)
# Three times the processors: most tests wait for a screen or a process most of their time.
WORKERS ?= 6
SEED ?= 1
TIME ?= 3600

# What the tests are started with, for example `env HOME=/dev/null`.
WITH ?=

# Nothing is written to the user's home, which may be read-only.
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip

.PHONY: run test test-all check lint types interop interop-frameworks bench soak package \
	screenshots snapshots manual proto lock clean

run: $(VENV)/.run
	@$(BIN)/sandtui

test: $(VENV)/.dev $(INTEROP)
	$(WITH) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# Under every Python that is found, each with an environment of its own; PYTHONS=/path/to/python3.14:... names more.
test-all:
	@$(PYTHON) -m tests.interpreters

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev
	$(BIN)/mypy

# Runs every version of the SDK against a platform and writes the table in
# sandtui/manual/sdk.md, then the official command line.
interop: $(VENV)/.dev $(SDK_VERSIONS:%=.interop/%/.done) $(PRIME_VERSIONS:%=.interop/prime-%/.done)
	$(BIN)/python -m tests.interop $(SDK_VERSIONS)
	$(BIN)/python -m tests.interop.prime $(PRIME_VERSIONS)

# Frameworks against a platform: PYTHON=/path/to/python3.12 or later, for harbor.
interop-frameworks: $(VENV)/.dev $(FRAMEWORKS:%=.interop/%/.done)
	$(BIN)/python -m tests.interop.frameworks $(FRAMEWORKS)

# One table of every measurement with its bars: BENCH="start sandboxes" runs only those.
bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench $(BENCH)

# Sends the real program random input: SEED=7 begins with another seed, TIME=600 takes ten minutes instead of an hour.
soak: $(VENV)/.dev
	$(BIN)/python -m tests.soak --seed $(SEED) --time $(TIME)

# Builds wheel and source archive, and runs the program from the wheel in an empty environment.
package: $(VENV)/.dev
	$(BIN)/python -m tests.package

screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.screenshots
	$(BIN)/python -m tests.web.screenshots

# Takes the screens as they are now for the right ones: look at each picture before you commit it.
snapshots: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) tests/ui --snapshot-update

# Writes the table of keys in the manual anew, from the registry of actions.
manual: $(VENV)/.dev
	$(BIN)/python -m tests.manual

# Generates the messages of command sessions; a newer generator would ask users for a newer protobuf.
proto: $(VENV)/.made
	$(PIP) --upgrade --target $(VENV)/grpcio-tools 'grpcio-tools==1.78.0'
	PYTHONPATH=$(VENV)/grpcio-tools $(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. sandtui/client/models/command_session.proto

# Writes down versions and hashes of all that is installed, without addresses of any registry.
lock: $(VENV)/.dev
	$(PIP) 'uv>=0.9,<1'
	$(BIN)/python -m tests.lock

clean:
	rm -rf $(VENV) .interop .soak build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml requirements.lock | $(VENV)/.made
	@sed '/^# For development/,$$d' requirements.lock > $(VENV)/run.lock
	$(PIP) --require-hashes --requirement $(VENV)/run.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml requirements.lock | $(VENV)/.made
	$(PIP) --require-hashes --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

.interop/%/.done:
	$(PYTHON) -m venv .interop/$*
	.interop/$*/bin/python -m pip install --quiet --disable-pip-version-check prime-sandboxes==$*
	@touch $@

define PACKAGE
.interop/$(1)-%/.done:
	$$(PYTHON) -m venv .interop/$(1)-$$*
	.interop/$(1)-$$*/bin/python -m pip install --quiet --disable-pip-version-check $(1)==$$*
	$$(if $$(WITH_$(1)-$$*),.interop/$(1)-$$*/bin/python -m pip install --quiet --disable-pip-version-check $$(WITH_$(1)-$$*))
	@touch $$@
endef
$(foreach name,prime verifiers harbor,$(eval $(call PACKAGE,$(name))))

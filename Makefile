# Everything works from a bare checkout: each target makes what it needs first.
# Stamp files in .venv say which requirements are installed, so that nothing is installed twice.

PYTHON ?= python3
BIN := .venv/bin
AUTH_EMULATOR := tests/auth_emulator
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header $(UPGRADE)

# The certificates of the machine, as pip uses them; uv brings its own otherwise.
export UV_NATIVE_TLS := 1

.PHONY: run test fuzz storm bench-ledger lint format clean lock audit
.DELETE_ON_ERROR:

run: .venv/local.stamp
	@exec $(BIN)/mobius run --stop-with-parent

test: lint $(AUTH_EMULATOR)/node_modules/.installed
	$(BIN)/pytest --numprocesses 2 --dist loadfile

# Minutes of calls that nobody would make: FUZZ_CALLS=1000 makes fewer, FUZZ_SEED=7 an earlier run's again.
fuzz: .venv/dev.stamp
	@exec $(BIN)/python -m tests.fuzz

# Sends through kills, freezes, cuts and lost messages, five minutes of them: SENDS=500 makes fewer, SEED=7 others.
storm: .venv/dev.stamp
	@exec $(BIN)/python -m tests.storm --sends $(or $(SENDS),10000) --seed $(or $(SEED),1)

# A whole ledger verified, beside the bare floor: EVENTS=1000000 takes some minutes.
bench-ledger: .venv/local.stamp
	@exec $(BIN)/python -m bench.ledger --events $(or $(EVENTS),100000)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .local $(AUTH_EMULATOR)/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each set builds on the one before it, so that all agree on every version. A pin stays as it is unless
# UPGRADE=--upgrade asks for newer ones.
lock: .venv/uv.stamp
	$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(LOCK) requirements/runtime.in -o requirements/runtime.txt
	$(LOCK) requirements/local.in -c requirements/runtime.txt -o requirements/local.txt
	$(LOCK) requirements/dev.in -c requirements/local.txt -o requirements/dev.txt

# Whether a locked version is known to be vulnerable. Needs the network; says so, and fails, without.
audit: .venv/dev.stamp
	@$(BIN)/python requirements/audit.py requirements/dev.txt

.venv/uv.stamp: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: install it, or name one, as in make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r $<
	@touch $@

# The official Auth emulator, which the tests of signing in start. For a newer one: its version in
# package.json, then npm install --package-lock-only beside it.
$(AUTH_EMULATOR)/node_modules/.installed: $(AUTH_EMULATOR)/package-lock.json $(AUTH_EMULATOR)/.npmrc
	@command -v npm >/dev/null \
	  || { echo "Node 20 or newer with npm is needed for the Auth emulator: https://nodejs.org"; exit 1; }
	cd $(AUTH_EMULATOR) && npm ci --no-audit --no-fund
	@touch $@

# uv takes a second where pip takes half a minute; pip knows some networks that uv doesn't.
.venv/%.stamp: requirements/%.txt pyproject.toml .venv/uv.stamp
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $< \
	  || $(BIN)/pip install --quiet --require-hashes -r $<
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

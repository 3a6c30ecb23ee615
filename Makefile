# Everything works from a bare checkout: each target makes what it needs first.
# Stamp files in .venv say which requirements are installed, so that nothing is installed twice.

PYTHON ?= python3
BIN := .venv/bin
AUTH_EMULATOR := tests/auth_emulator
EXTENSION := extension
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header $(UPGRADE)

# The certificates of the machine, as pip uses them; uv brings its own otherwise.
export UV_NATIVE_TLS := 1

.PHONY: run extension test ready-to-test fuzz storm bench-ledger bench-screen screenshots lint format clean lock audit
.DELETE_ON_ERROR:

run: .venv/local.stamp $(EXTENSION)/dist/.built
	@exec $(BIN)/mobius run --stop-with-parent

# The browser extension, as Chrome loads it, in extension/dist; and the demo page that `make run` serves.
extension: $(EXTENSION)/dist/.built

test: ready-to-test lint
	cd $(EXTENSION) && npm test
	$(BIN)/pytest --numprocesses 3 --dist loadfile

# Whatever the tests need beside what the README asks for.
ready-to-test: .venv/dev.stamp $(EXTENSION)/dist/.built $(AUTH_EMULATOR)/node_modules/.installed .venv/chromium.stamp

# Minutes of calls that nobody would make: FUZZ_CALLS=1000 makes fewer, FUZZ_SEED=7 an earlier run's again.
fuzz: .venv/dev.stamp
	@exec $(BIN)/python -m tests.fuzz

# Sends through kills, freezes, cuts and lost messages, five minutes of them: SENDS=500 makes fewer, SEED=7 others.
storm: .venv/dev.stamp
	@exec $(BIN)/python -m tests.storm --sends $(or $(SENDS),10000) --seed $(or $(SEED),1)

# A whole ledger verified, beside the bare floor: EVENTS=1000000 takes some minutes.
bench-ledger: .venv/local.stamp
	@exec $(BIN)/python -m bench.ledger --events $(or $(EVENTS),100000)

# Sends through two browsers of a running stack: how long until the other one shows them. SENDS=100
bench-screen: .venv/dev.stamp $(EXTENSION)/dist/.built .venv/chromium.stamp
	@exec $(BIN)/python -m bench.screen --sends $(or $(SENDS),100)

# The pictures of the README, from the running product.
screenshots: .venv/dev.stamp $(EXTENSION)/dist/.built .venv/chromium.stamp
	@exec $(BIN)/python -m tests.browser.screenshots

lint: .venv/dev.stamp $(EXTENSION)/dist/.built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd $(EXTENSION) && npm run check

format: .venv/dev.stamp $(EXTENSION)/node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd $(EXTENSION) && npm run format

clean:
	rm -rf .venv .local $(AUTH_EMULATOR)/node_modules $(EXTENSION)/node_modules $(EXTENSION)/build $(EXTENSION)/dist $(EXTENSION)/dist-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
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

# The official Auth emulator, which the tests of signing in start, and what the extension is built with. For
# newer ones: the version in package.json, then npm install --package-lock-only beside it.
%/node_modules/.installed: %/package-lock.json %/.npmrc
	@command -v npm >/dev/null || { echo "Node 20 or newer with npm is needed: https://nodejs.org"; exit 1; }
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# The types come from the API's own description, so the extension is built again when that changes.
$(EXTENSION)/dist/.built: README.md .venv/local.stamp $(EXTENSION)/node_modules/.installed $(wildcard $(EXTENSION)/*.json $(EXTENSION)/*.mjs) \
  $(shell find $(EXTENSION)/src $(EXTENSION)/icons -type f ! -name openapi.d.ts) $(shell find shared/web shared/model.py shared/decisions/policy.py -name '*.py')
	@mkdir -p $(EXTENSION)/build
	$(BIN)/mobius openapi > $(EXTENSION)/build/openapi.json
	cd $(EXTENSION) && npm run --silent types && npm run --silent build
	@touch $@

.venv/chromium.stamp: .venv/uv.stamp
	tests/browser/install_chromium
	@touch $@

# One after the other: both go into the same environment.
.venv/dev.stamp: .venv/local.stamp

# uv takes a second where pip takes half a minute; pip knows some networks that uv doesn't.
.venv/%.stamp: requirements/%.txt pyproject.toml .venv/uv.stamp
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $< \
	  || $(BIN)/pip install --quiet --require-hashes -r $<
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Everything a clone needs; each target sets up .venv first when that is due.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
PIP := --disable-pip-version-check --progress-bar on
# Kernel, desk and simulator are processes of their own: without it each would compile the whole package anew.
unexport PYTHONDONTWRITEBYTECODE


# Each target works in an empty state folder of its own and stops the desk that it started.
IN_OWN_STATE = state=$$(mktemp -d) && export KISNB_STATE="$$state" && \
	trap '$(BIN)/kisnb desk stop >/dev/null 2>&1; rm -rf "$$state"' EXIT

.PHONY: setup lock lab demo test screenshots check format bench faults faults-real notebooks

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kisnb needs Python 3.11 or newer")'
	@echo "Setting up .venv with $$(grep -c == requirements.lock) pinned packages, about 1 GB: two minutes with pip, less with uv."
	$(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then \
		uv pip install --python $(BIN)/python --require-hashes -r requirements.lock && \
		uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		$(BIN)/pip install $(PIP) --require-hashes -r requirements.lock && \
		$(BIN)/pip install $(PIP) --no-deps --no-build-isolation -e .; \
	fi
	@touch $@
	@echo "Ready. make lab opens JupyterLab; make demo plays a whole day without a browser."

LOCK = uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--no-header --python-version 3.11 pyproject.toml

lock:  ## needs uv
	$(LOCK) --group dev -o requirements.lock
	$(LOCK) --group binder --constraints requirements.lock -o binder/requirements.txt

lab: setup
	$(BIN)/kisnb lab

demo: setup
	@$(IN_OWN_STATE); KISNB_SIM_SPEED=step $(BIN)/python -m kisnb.notebook.demo build/report.html

# The notebooks run beside the tests; what they print comes at the end.
test: setup
	@$(IN_OWN_STATE); shown=$$(mktemp); \
	env -u KISNB_DATA KISNB_SIM_SPEED=step $(BIN)/pytest -p no:cacheprovider \
		--nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout 300 \
		notebooks >"$$shown" 2>&1 & beside=$$!; \
	env -u KISNB_STATE $(BIN)/pytest -p no:nbval -n 4 --dist loadfile --no-loadscope-reorder tests; \
	tests=$$?; \
	wait $$beside; notebooks=$$?; cat "$$shown"; rm -f "$$shown"; exit $$((tests | notebooks))

screenshots: setup
	@$(IN_OWN_STATE); KISNB_SIM_SPEED=step $(BIN)/python -m tests.browser.screenshots notebooks/images

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

N ?= 1000
SEED ?= 0

faults: setup  ## N schedules of faults from SEED on; N=1 tells the story of one, shrunk if it fails
	@$(BIN)/python -m tests.faults $(N) $(SEED)

faults-real: N = 20
faults-real: setup  ## the same with a real desk, simulator and notebook, and kill -9: N seeds from SEED on
	@$(BIN)/python -m tests.faults.processes $(N) $(SEED)

bench: setup
	@$(IN_OWN_STATE); KISNB_SIM_SPEED=step $(BIN)/python -m tests.bench

notebooks: setup  ## execute the notebooks and keep their outputs, as make test compares them
	@$(IN_OWN_STATE); cd notebooks && env -u KISNB_DATA KISNB_SIM_SPEED=step $(BIN)/jupyter nbconvert \
		--to notebook --execute --inplace --ExecutePreprocessor.timeout=600 --ExecutePreprocessor.store_widget_state=False \
		--ExecutePreprocessor.record_timing=False *.ipynb

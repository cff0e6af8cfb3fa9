# Everything from a fresh clone: `make help` lists the targets. Each does its own set-up and may be run again.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BACKEND ?= libvirt
BIN := .venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

system: ## install the Debian packages that are missing (as root or through sudo)
	@tests/tools/packages.sh

venv: .venv/stamp ## Python environment in .venv, and .collections for Ansible

.venv/stamp: tests/requirements.txt requirements.txt
	@$(MAKE) --no-print-directory system
	tests/tools/venv.sh

.PHONY: help system venv

# The front door. `make help` lists what there is; the work is done by CMake, scripts/ and tools/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# `make test CC=clang` uses the presets with clang, in their own build folders.
suffix := $(if $(findstring clang,$(CC)),-clang)
DEV := dev$(suffix)
RELEASE := release$(suffix)
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
SCALE ?= 1
TIME ?= 600
NAME ?=
ARGS ?=

# One step per preset: configure when needed, then build. $(call build,PRESET[,TARGET])
build = scripts/build.sh $(1) $(JOBS) $(2)

.PHONY: help install-build install-test install-bench run build dev test bench check tidy format coverage tsan fuzz demo \
        install clean distclean

help: ## list these commands
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

install-build:
	@scripts/install.sh build
install-test:
	@scripts/install.sh test
install-bench:
	@scripts/install.sh bench

run: build ## install what is missing, build, serve on 127.0.0.1:3100 with ./data (ARGS=... for serve's options)
	@exec build/$(RELEASE)/bin/lakehouse serve --demo $(ARGS)

build: install-build ## install what is missing, build the release programs
	@$(call build,$(RELEASE),programs)

dev: install-test ## build with ASan, UBSan and fault points
	@$(call build,$(DEV))

test: install-test ## install what is missing for tests, build, run every test
	@$(call build,$(DEV))
	@$(call build,$(RELEASE))
	@deps/venv/bin/python3 tools/test_run.py --preset $(DEV) --release $(RELEASE) $(ARGS)

bench: install-bench ## run every bench, or one: NAME=http
	@$(call build,$(RELEASE))
	@tools/bench.sh $(RELEASE) $(NAME)

check: install-test ## layers, banned calls, sizes, format, tables, clang-tidy, duplicate code
	@$(call build,$(DEV))
	@python3 tools/check.py --bin build/$(DEV)/bin
	@python3 tools/duplicates.py
	@$(MAKE) --no-print-directory tidy

tidy: ## clang-tidy alone (remembers what was clean)
	@python3 tools/tidy.py --jobs $(JOBS)

format: ## lay out every C file as `make check` wants it
	@python3 tools/format.py

coverage: install-test ## line coverage per module of all tests (ARGS="--only unit" for some)
	@$(call build,coverage)
	@deps/venv/bin/python3 tools/coverage.py $(ARGS)

tsan: install-test ## unit and end-to-end tests under the thread sanitizer
	@$(call build,tsan)
	@deps/venv/bin/python3 tools/test_run.py --preset tsan --only unit,e2e $(ARGS)

fuzz: install-test ## fuzz every target for TIME seconds each, or one: NAME=json
	@$(call build,fuzz,fuzzers)
	@tools/fuzz.sh $(TIME) $(NAME)

demo: build ## write the demo CSV files (SCALE=1) to ./demo
	@build/$(RELEASE)/bin/lakehouse demo --scale $(SCALE) --dir demo

install: build ## install programs, library, model, service and manual page under PREFIX
	@cmake --install build/$(RELEASE) --prefix $(PREFIX)

clean: ## remove what was built
	@rm -rf build

distclean: clean ## also remove what was fetched
	@rm -rf deps .cache

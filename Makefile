# SASSL: build, try, test and install. `make` alone lists the targets.

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR    ?=
PYTHON     ?= python3

# What the demo shows; both may be left empty.
DATA  ?=
MODEL ?=

BIN  := .build/release
VENV := .venv
# The interpreter of the project's own environment, which tests and model tools use.
export SASSL_PYTHON := $(CURDIR)/$(VENV)/bin/python

APT_PACKAGES := pkg-config libturbojpeg0-dev libpng-dev libsqlite3-dev libopenblas-dev libsystemd-dev libtomlplusplus-dev \
                python3-venv
TEST_PACKAGES := systemd systemd-container spin

.PHONY: help deps test-deps build venv demo test test-swift test-python lint bench format install clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

deps: ## install the Debian packages that the build needs (as root or through sudo)
	@bash .ci/install-packages $(APT_PACKAGES)

test-deps: deps
	@bash .ci/install-packages $(TEST_PACKAGES)

build: deps ## build sassld, sasslctl and the reader's C library
	swift build -c release

venv: $(VENV)/.ready

$(VENV)/.ready: python/pyproject.toml python/requirements-test.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip
	$(VENV)/bin/pip install -q -r python/requirements-test.txt
	$(VENV)/bin/pip install -q 'torch==2.13.0+cpu' || \
	  echo "no CPU build of PyTorch is offered here: what needs it is skipped, unless you install torch into $(VENV)"
	touch $@

demo: build $(VENV)/.ready ## images -> stylized batches -> a reading trainer (DATA=folder, MODEL=file)
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python python/examples/demo.py $(if $(DATA),--data "$(DATA)") $(if $(MODEL),--model "$(MODEL)")

test: test-deps lint test-swift test-python ## run every test

test-swift: $(VENV)/.ready
	swift build -c release --build-tests
	swift test -c release --skip-build

test-python: build $(VENV)/.ready
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/ruff check python
	$(VENV)/bin/ruff format --check python
	cd python && ../$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q python/tests

lint:
	swift format lint --strict -r Sources Tests Package.swift

bench: build $(VENV)/.ready ## measure, with other runtimes beside us where they are installed
	bash Benchmarks/run

format: $(VENV)/.ready ## format all sources in place
	swift format -i -r Sources Tests Package.swift
	$(VENV)/bin/ruff format python

install: ## install under PREFIX (run `make build` first); DESTDIR stages a package
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/lib/systemd/system" "$(DESTDIR)$(PREFIX)/lib/sysusers.d" \
	  "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d" "$(DESTDIR)$(PREFIX)/include" "$(DESTDIR)$(PREFIX)/share/doc/sassl" \
	  "$(DESTDIR)$(PREFIX)/share/sassl/tools" "$(DESTDIR)$(SYSCONFDIR)/sassl"
	install -m 755 $(BIN)/sassld $(BIN)/sasslctl "$(DESTDIR)$(PREFIX)/bin/"
	install -m 644 $(BIN)/libsasslring.so "$(DESTDIR)$(PREFIX)/lib/"
	install -m 644 Sources/CSASSLRing/include/sassl_ring.h "$(DESTDIR)$(PREFIX)/include/"
	sed 's#@PREFIX@#$(PREFIX)#g; s#@SYSCONFDIR@#$(SYSCONFDIR)#g' systemd/sassld.service \
	  > "$(DESTDIR)$(PREFIX)/lib/systemd/system/sassld.service"
	install -m 644 systemd/sassl.sysusers "$(DESTDIR)$(PREFIX)/lib/sysusers.d/sassl.conf"
	install -m 644 systemd/sassl.tmpfiles "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sassl.conf"
	install -m 644 README.md LICENSE docs/*.md "$(DESTDIR)$(PREFIX)/share/doc/sassl/"
	install -m 644 python/tools/import_model.py "$(DESTDIR)$(PREFIX)/share/sassl/tools/"
	test -e "$(DESTDIR)$(SYSCONFDIR)/sassl/sassld.toml" || \
	  install -m 644 Config/sassld.toml "$(DESTDIR)$(SYSCONFDIR)/sassl/sassld.toml"

clean: ## remove everything that was built
	rm -rf .build $(VENV) demo python/build python/*.egg-info

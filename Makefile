# SASSL: build, try, test and install. `make` alone lists the targets.

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR    ?=
PYTHON     ?= python3

# What the demo shows and benchmarks read; both may be left empty.
DATA  ?=
MODEL ?=

BIN  := .build/release
VENV := .venv
RING := .build/c/libsasslring.so
# Other loaders and runtimes, which benchmarks compare with.
PEERS := .venv-peers
# Ray, for what reaches past one machine.
RAY := .venv-ray
export PEER_PYTHON
# The project's own environment, and in front of it what else the examples and notebooks need.
FRAMEWORKS := .venv-frameworks
# The interpreter of the project's own environment, which tests and `sasslctl model import` use.
export SASSL_PYTHON := $(CURDIR)/$(VENV)/bin/python

APT_PACKAGES := g++ pkg-config libturbojpeg0-dev libjpeg62-turbo-dev libpng-dev zlib1g-dev libwebp-dev libtiff-dev \
                libgif-dev libsqlite3-dev libopenblas-dev libsystemd-dev libtomlplusplus-dev libarchive-dev libfreetype-dev \
                libfontconfig-dev libmicrohttpd-dev fonts-dejavu-core python3-venv
TEST_PACKAGES := systemd systemd-container spin mandoc zsh fish iproute2 nftables curl

.PHONY: help deps test-deps build venv demo test test-swift test-python test-systemd lint lint-swift lint-python \
        test-frameworks test-metrics test-page test-evidence test-distillation evidence reliability soak sanitize fuzz docs bench bench-trainer \
        bench-peers bench-tables format install install-documents uninstall clean pictures

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

deps: ## install the Debian packages that the build needs (as root or through sudo)
	@bash .ci/install-packages $(APT_PACKAGES)

test-deps: deps
	@bash .ci/install-packages $(TEST_PACKAGES)

build: deps $(RING) ## build sassld, sasslctl and the reader's C library
	swift build -c release

# The library for readers in other languages. All of it is in that folder: every source, and the flags, which SwiftPM and
# python/setup.py (whose library lies beside the Python package) read there too.
$(RING): $(wildcard Sources/CSASSLRing/*.[ch] Sources/CSASSLRing/include/*.h) Sources/CSASSLRing/compile_flags.txt
	mkdir -p $(@D)
	$(CC) @Sources/CSASSLRing/compile_flags.txt -shared -Wl,-soname,$(@F) -I Sources/CSASSLRing/include -o $@ $(filter %.c,$^)

# The same programs with the Swift runtime inside: what is given away must not need a toolchain.
STATIC := .build/static/release

.PHONY: static wheel deb
static: deps $(RING)
	swift build -c release --static-swift-stdlib --scratch-path .build/static --product sassld
	swift build -c release --static-swift-stdlib --scratch-path .build/static --product sasslctl

wheel: static $(VENV)/.ready ## make a wheel that is the whole product, and a source distribution, in .build/wheel
	$(VENV)/bin/pip install -q -r packaging/requirements.txt
	packaging/wheel $(STATIC) .build/wheel

deb: static ## make the Debian package, in .build/deb
	@bash .ci/install-packages debhelper dpkg-dev fakeroot lintian
	packaging/deb .build/deb

.PHONY: test-install
test-install: wheel deb ## install wheel and package in a bare Debian 12 and 13 (as root; minutes; ROOT=folder keeps them)
	@bash .ci/install-packages debootstrap systemd-container
	for release in bookworm trixie; do Tests/packaging/install .build/wheel/*.whl .build/deb/*.deb $$release || exit 1; done

.PHONY: image test-image
ENGINE ?= podman
image: deb ## make a container image of the daemon, called sassl (ENGINE=docker for Docker)
	$(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) -t sassl -f Containerfile .

test-image: deb ## build the container image and run it, with Podman (as root; minutes)
	@bash .ci/install-packages debootstrap podman crun
	Tests/packaging/container

.PHONY: test-slurm
test-slurm: build $(VENV)/.ready ## run the example for Slurm under a Slurm of one machine (as root; a minute)
	@bash .ci/install-packages slurm-wlm munge
	$(VENV)/bin/pip install -q ./python
	Tests/packaging/slurm

.PHONY: test-ray
test-ray: build $(RAY)/.ready ## run clusters of Ray nodes, kill parts of them and cut them off (as root; minutes; KILLS=8, RAY_TESTS=files)
	@bash .ci/install-packages iproute2 nftables
	$(RAY)/bin/pip install -q ./python
	SASSL_PYTHON=$(CURDIR)/$(RAY)/bin/python $(RAY)/bin/python -m pytest -q --kills $(or $(KILLS),8) \
	  $(or $(RAY_TESTS),python/tests/test_ray_parts.py $(wildcard Tests/System/test_ray*.py) Tests/System/test_nodes.py)

$(RAY)/.ready: Tests/requirements-ray.txt
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/pip install -q -r $<
	touch $@

.PHONY: test-processors
test-processors: build $(VENV)/.ready ## the C parts on aarch64 and sassld without AVX2, under qemu (minutes)
	@bash .ci/install-packages qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	$(VENV)/bin/pip install -q ./python
	Tests/Processors/run

.PHONY: test-wheel
test-wheel: wheel ## install the wheel where there is no toolchain, make batches and read them
	Tests/packaging/wheel .build/wheel/*.whl

venv: $(VENV)/.ready

$(VENV)/.ready: python/pyproject.toml Tests/requirements.txt Tests/requirements-loops.txt packaging/ModelImport/requirements.txt \
                Research/distillation/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip
	$(VENV)/bin/pip install -q -r Tests/requirements.txt
	$(VENV)/bin/pip install -q 'torch==2.13.0+cpu' || \
	  echo "no CPU build of PyTorch is offered here: what needs it is skipped, unless you install torch into $(VENV)"
	$(VENV)/bin/python -c 'import torch' 2> /dev/null && $(VENV)/bin/pip install -q -r Tests/requirements-loops.txt || \
	  echo "the training loops of other libraries are not tested"
	touch $@

demo: build $(VENV)/.ready ## images -> stylized batches -> a reading trainer (DATA=folder, MODEL=file)
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python python/examples/demo.py $(if $(DATA),--data "$(DATA)") $(if $(MODEL),--model "$(MODEL)")

pictures: build $(VENV)/.ready ## draw the pictures of the documents anew (minutes)
	@bash .ci/install-packages chromium
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python docs/images/draw.py

test: test-deps lint test-swift test-python test-metrics test-page test-frameworks test-evidence test-distillation test-systemd ## run every test

test-swift: $(VENV)/.ready
	swift build -c release --build-tests
	swift test -c release --skip-build

test-python: build $(VENV)/.ready
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python -m pytest -q python/tests Tests/SamplePictures Tests/System

test-metrics: build $(VENV)/.ready ## have Prometheus and node_exporter read the metrics; alerts and dashboard (half a minute)
	@bash .ci/install-packages prometheus prometheus-node-exporter
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python -m pytest -q Tests/Metrics

test-page: build $(VENV)/.ready ## look at the page of `sasslctl page` with Chromium, without a window (half a minute)
	@bash .ci/install-packages chromium
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python -m pytest -q Tests/Page

# It sees the project's own environment, and has beside it what would be in the way there: without its operators,
# torchvision lets nothing import it (Tests/Frameworks/running.py), and others import it where it is.
$(FRAMEWORKS)/.ready: Tests/requirements-frameworks.txt $(VENV)/.ready
	$(PYTHON) -m venv $(FRAMEWORKS)
	printf '%s\n' $(CURDIR)/$(VENV)/lib/python3*/site-packages > "$$(echo $(FRAMEWORKS)/lib/python3*/site-packages)/project.pth"
	$(FRAMEWORKS)/bin/pip install -q -r $<
	touch $@

test-frameworks: build $(FRAMEWORKS)/.ready ## run the examples with frameworks, and the notebooks (a minute or two)
	$(VENV)/bin/pip install -q ./python
	$(FRAMEWORKS)/bin/python -m pytest -q Tests/Frameworks

test-systemd: build $(VENV)/.ready
	Tests/systemd/run

# What the studies need beside the reader.
EVIDENCE = $(VENV)/bin/pip install -q -r Research/evidence/requirements.txt ./python && cd Research/evidence && \
           ../../$(VENV)/bin/python -m

test-evidence: build $(VENV)/.ready
	$(EVIDENCE) pytest -q

test-distillation: $(VENV)/.ready
	cd Research/distillation && ../../$(VENV)/bin/python -m pytest -q

evidence: build $(VENV)/.ready ## pretrain, probe and report (FOLDER=data and results, STUDY=file)
	$(EVIDENCE) evidence queue $(abspath $(or $(STUDY),Research/evidence/studies/imagenette.toml)) \
	  $(abspath $(or $(FOLDER),$(error FOLDER= is missing: where data and results lie, see Research/evidence/README.md)))

# Both end with the table that docs/reliability.md explains.
PROVOKE = $(VENV)/bin/pip install -q ./python && $(VENV)/bin/python -m pytest -m reliability

reliability: test-deps build $(VENV)/.ready ## kill, starve and mislead a running stream (MINUTES=10, about)
	$(PROVOKE) -v Tests/System $$(awk 'BEGIN { m = $(or $(MINUTES),10); print "--kills", int(m * 30), "--soak-minutes", m * 0.3 }')

soak: build $(VENV)/.ready ## read tiny batches for long, and look whether anything grows (MINUTES=30)
	$(PROVOKE) -s Tests/System/test_soak.py --soak-minutes $(or $(MINUTES),30)

lint: lint-swift lint-python ## hold the sources against their rules

# All of Foundation would bring ICU and its tables into the programs: 50 MB more in each, for nothing that they call.
lint-swift:
	swift format lint --strict -r Sources Tests Package.swift
	@! grep -rnE '^(@preconcurrency )?import Foundation$$' Sources || \
	  { echo "import FoundationEssentials, and what Sources/Basics has, in place of Foundation"; exit 1; }

# Each folder with a pyproject.toml is type-checked by itself, with the paths that it is run with.
lint-python: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@for folder in . python Research/*/; do (cd $$folder && $(CURDIR)/$(VENV)/bin/mypy) || exit 1; done

sanitize: test-deps $(VENV)/.ready ## run the Swift tests under the thread and the address sanitizer
	@for sanitizer in thread address; do \
	  echo "$$sanitizer sanitizer" && \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 TSAN_OPTIONS=allocator_may_return_null=1 \
	    SWIFT_BACKTRACE=enable=no \
	    swift test -c release --scratch-path .build/$$sanitizer --sanitize=$$sanitizer || exit 1; \
	done

fuzz: deps ## feed hostile bytes to every parser (SECONDS=60 for each)
	Tests/Fuzz/run $(or $(SECONDS),60)

docs: build $(VENV)/.ready ## make the documentation of the API, in .build/docs
	$(VENV)/bin/pip install -q -r packaging/documentation.txt ./python
	packaging/documentation $(VENV)/bin/python .build/docs

bench: build $(VENV)/.ready ## measure; keeps the result in Benchmarks/results (DATA=folder of pictures)
	$(VENV)/bin/pip install -q ./python
	$(VENV)/bin/python Benchmarks/run.py $(if $(DATA),--data "$(DATA)")
	$(VENV)/bin/python Benchmarks/shards.py $(if $(DATA),--data "$(DATA)")
	$(MAKE) bench-trainer

# With the peers' Python where there is one: it has torchvision, for the DataLoader.
TRAINER_PYTHON = $(or $(PEER_PYTHON),$(VENV)/bin/python)

bench-trainer: build $(VENV)/.ready ## measure whether a trainer waits (7 minutes; Benchmarks/trainer/README.md)
	$(TRAINER_PYTHON) -m pip install -q ./python
	$(TRAINER_PYTHON) Benchmarks/trainer/measure.py $(if $(DATA),--data "$(DATA)")

bench-peers: $(PEERS)/.ready ## the same beside other loaders and runtimes, which are installed first (7 GB)
	$(MAKE) bench PEER_PYTHON=$(CURDIR)/$(PEERS)/bin/python

bench-tables: $(VENV)/.ready ## write the documents' figures from results (RESULT=file, TRAINER=file)
	$(VENV)/bin/python Benchmarks/tables.py $(if $(RESULT),"$(RESULT)") $(if $(TRAINER),--trainer "$(TRAINER)")

$(PEERS)/.ready: Benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install -q -r $<
	touch $@

format: $(VENV)/.ready ## format all sources in place
	swift format -i -r Sources Tests Package.swift
	$(VENV)/bin/ruff format .

# Where the parts of the installation go, below DESTDIR.
LIBRARY  := $(DESTDIR)$(PREFIX)/lib
PROGRAMS := $(LIBRARY)/sassl
SHARE    := $(DESTDIR)$(PREFIX)/share
SETTINGS := $(DESTDIR)$(SYSCONFDIR)/sassl

install: install-documents ## install under PREFIX (run `make build` first); DESTDIR stages a package
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/include" "$(PROGRAMS)" "$(LIBRARY)/systemd/system" \
	  "$(LIBRARY)/systemd/user" "$(LIBRARY)/sysusers.d" "$(LIBRARY)/tmpfiles.d" "$(SHARE)/sassl/tools" "$(SETTINGS)"
# Programs lie beside the Swift runtime that they were built with, where they look for it: the toolchain may be in
# somebody's home, which the service cannot read.
	install -m 755 $(BIN)/sassld $(BIN)/sasslctl "$(PROGRAMS)/"
	ldd $(BIN)/sassld $(BIN)/sasslctl | awk '/libswiftCore/ { runtime = $$3; sub("[^/]*$$", "", runtime) } { file[$$3] } \
	  END { for (name in file) if (runtime && index(name, runtime) == 1) print name }' | \
	  xargs -r -I FILE install -m 644 FILE "$(PROGRAMS)/"
	ln -sf ../lib/sassl/sassld ../lib/sassl/sasslctl "$(DESTDIR)$(PREFIX)/bin/"
	install -m 644 $(RING) "$(LIBRARY)/"
	install -m 644 Sources/CSASSLRing/include/sassl_ring.h "$(DESTDIR)$(PREFIX)/include/"
# A unit file makes two: sassld.service for sassld.toml, and sassld@NAME.service for NAME.toml; so does that for a user's own daemon.
	for unit in sassld:sassld sassld@:%i; do \
	  sed "s#@PREFIX@#$(PREFIX)#g; s#@SYSCONFDIR@#$(SYSCONFDIR)#g; s#@CONFIG@#$${unit#*:}#g" systemd/sassld.service \
	    > "$(LIBRARY)/systemd/system/$${unit%:*}.service" && \
	  sed "s#@PROGRAM@#$(PREFIX)/bin/sassld#g; s#@CONFIG@#$${unit#*:}#g" systemd/sassld-user.service \
	    > "$(LIBRARY)/systemd/user/$${unit%:*}.service" || exit 1; \
	done
	for unit in sassld-metrics.socket sassld-metrics.service; do \
	  sed "s#@PREFIX@#$(PREFIX)#g" systemd/$$unit > "$(LIBRARY)/systemd/system/$$unit" || exit 1; \
	done
	install -m 644 systemd/sassl.sysusers "$(LIBRARY)/sysusers.d/sassl.conf"
	install -m 644 systemd/sassl.tmpfiles "$(LIBRARY)/tmpfiles.d/sassl.conf"
	install -m 644 packaging/ModelImport/*.py "$(SHARE)/sassl/tools/"
	install -D -m 644 -t "$(SHARE)/sassl/prometheus" Config/prometheus/sassl.rules.yml
	install -D -m 644 -t "$(SHARE)/sassl/grafana" Config/grafana/sassl.json
	$(PYTHON) packaging/manuals.py $(BIN) Config/sassld.toml "$(DESTDIR)$(PREFIX)"
	test -e "$(SETTINGS)/sassld.toml" || $(SERVICE_SETTINGS) > "$(SETTINGS)/sassld.toml"

# The service's configuration. The places are named, so that sasslctl finds the service's files whoever runs it.
SERVICE_SETTINGS = sed -e 's\#^directory = ""\#directory = "/var/lib/sassl"\#' \
  -e 's\#^runtime_directory = ""\#runtime_directory = "/run/sassl"\#' \
  -e '/^\[ring\]/,/^\[/ { s\#^directory = .*\#directory = "/dev/shm/sassl"\#; s\#^group = .*\#group = "sassl"\# }' \
  Config/sassld.toml

# In the places that they have here, so that their links lead somewhere there too.
install-documents:
	find README.md CHANGELOG.md LICENSE docs Config python/README.md python/examples Benchmarks \
	  $(wildcard Research/*/README.md Research/*/studies Research/*/results) -type f \
	  ! -path '*/__pycache__/*' -exec install -D -m 644 {} "$(SHARE)/doc/sassl/{}" ';'

# What `install` wrote, and nothing else. What the service made lies in /var/lib/sassl, and the user stays.
uninstall: ## remove what `make install` installed (same PREFIX and DESTDIR); an edited configuration stays
	rm -rf "$(PROGRAMS)" "$(SHARE)/sassl" "$(SHARE)/doc/sassl"
	for name in sassld sasslctl; do rm -f "$(DESTDIR)$(PREFIX)/bin/$$name" "$(SHARE)/bash-completion/completions/$$name" \
	  "$(SHARE)/fish/vendor_completions.d/$$name.fish" "$(SHARE)/zsh/site-functions/_$$name"; done
	rm -f "$(LIBRARY)/libsasslring.so" "$(DESTDIR)$(PREFIX)/include/sassl_ring.h" "$(LIBRARY)/sysusers.d/sassl.conf" \
	  "$(LIBRARY)/tmpfiles.d/sassl.conf" "$(LIBRARY)/systemd/"*/sassld.service "$(LIBRARY)/systemd/"*/sassld@.service \
	  "$(LIBRARY)/systemd/system/sassld-metrics."* \
	  "$(SHARE)/man/man8/sassld.8" "$(SHARE)/man/man5/sassld.toml.5" "$(SHARE)/man/man1/sasslctl.1" \
	  "$(SHARE)/man/man1/sasslctl-"*.1
	if $(SERVICE_SETTINGS) | cmp -s - "$(SETTINGS)/sassld.toml"; then rm "$(SETTINGS)/sassld.toml"; fi
	! test -d "$(SETTINGS)" || rmdir "$(SETTINGS)" 2> /dev/null || echo "kept, for it is not as installed: $(SETTINGS)"

clean: ## remove everything that was built
	rm -rf .build $(VENV) $(PEERS) $(RAY) $(FRAMEWORKS) demo python/build python/*.egg-info

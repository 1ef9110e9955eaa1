# One word for each job. What is made lies under build/, what is fetched under ~/.cache/xsraid; each word sets up what it needs the first time.
#
#   make demo        the whole job on a miniature dom0, as a person would see it
#   make test        each promise once on the real thing: what a change must pass; make test-fast leaves out the RPMs and the miniature dom0
#   make test-all    every test, with each of dom0's Pythons, also what repeats, goes at random or walks through every step
#   make steady      the tests of the miniature dom0 on a busy machine that stops guests now and then; or: make steady TESTS=tests/dom0/test_care.py SEED=7
#   make format      each line as the formatter has it; make lint asks for that
#   make lint        style, errors, the floor of Python 2.7 and 3.6, the RPMs
#   make bench       what calls cost against doing the same by hand, and asking 64 hosts against asking the slowest
#   make soak        everything at random for ten minutes, against a model; or: make soak MINUTES=60 SEED=7
#   make worlds      hosts made at random of what a host may have, on which no call may write where something is; FAULT="two paths" spoils it first
#   make mutants     small faults in the pure modules, which the unit tests have to find; or: make mutants MODULES="md/levels alerts/rules"
#   make rpm         build/rpm/: one RPM for Python 2 hosts (.xs7), one for Python 3 hosts (.xs8)
#   make repo        build/repo/: a yum repository of both
#   make readme      docs/functions.md, from the table of functions and real replies
#   make manual      the manual page and the completion of the command line, from the same table
#   make clean       removes build/; what was fetched stays in ~/.cache/xsraid, for all checkouts

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.ONESHELL:
.SILENT:
MAKEFLAGS += --no-print-directory

export LC_ALL := C.UTF-8
export PYTHONDONTWRITEBYTECODE := 1
export PYTHONPATH := $(CURDIR):$(CURDIR)/tests
export CI ?=
export PYENV_ROOT ?=

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# Tests that mount and boot need root. sudo would drop what tells them where interpreters are and that they run in CI.
AS_ROOT := $(if $(SUDO),$(SUDO) env CI="$$CI" LC_ALL="$$LC_ALL" PATH="$$PATH" PYENV_ROOT="$$PYENV_ROOT" \
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$$PYTHONPATH")
PYTHON := build/venv/bin/python

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' xsraid/__init__.py)
# The date of the newest release in the change log, so that git, a tarball of the sources and a changed tree all give the same bytes.
RELEASE_DATE := $(shell sed -n 's/^.. .*(\([0-9-]*\))$$/\1/p' CHANGELOG.md | head -n 1)
export SOURCE_DATE_EPOCH := $(shell date -u -d "$(RELEASE_DATE)" +%s)

PACKED := $(wildcard *.md) docs LICENSE SPECS rpm xapi-plugin xsraid xsraid_cli
PACKED_FILES := $(shell find $(PACKED) -type f -not -name '*.pyc' -not -name '*~')
TARBALL := build/xsraid-$(VERSION).tar.gz
# Another release or place can be asked for: make rpm RELEASE=2 RPM_DIR=/some/folder
RELEASE := 1
RPM_DIR := build/rpm
RPM_XS7 := $(RPM_DIR)/xsraid-$(VERSION)-$(RELEASE).xs7.noarch.rpm
RPM_XS8 := $(RPM_DIR)/xsraid-$(VERSION)-$(RELEASE).xs8.noarch.rpm

# What is fetched is made once for all checkouts, see tests/cached: the links in build/ lead there.
export XSRAID_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xsraid
ROOT_INPUTS := tests/dom0/make-root tests/dom0/finish-root tests/dom0/stand-ins.spec
XENAPI_INPUTS := tests/fetch-xenapi tests/requirements-xenapi.txt
GUEST := root build/xstate.so

.PHONY: help demo test test-all steady test-fast format lint bench soak worlds mutants readme rpm repo clean host-packages units manual xenapi venv venv-mutants root

help:
	sed -n 's/^#   //p' Makefile

demo: rpm venv $(GUEST)
	$(AS_ROOT) $(PYTHON) tests/dom0/demo.py

GUEST_PYTEST = $(AS_ROOT) $(PYTHON) -m pytest -n 4 --dist loadgroup --no-loadscope-reorder --durations 10
EACH_PROMISE_ONCE := -m "not exhaustive" --dom0-python one

# The units run beside the guests, which wait for a part of their time. The last line is pytest's; a failure of either is make's.
test: WHICH := $(EACH_PROMISE_ONCE)
test test-all: venv repo $(GUEST)
	$(PYTHON) tests/each_python.py units &
	units=$$!
	status=0
	$(GUEST_PYTEST) --junitxml build/tests.xml $(WHICH) tests/xapi tests/cli tests/rpm tests/dom0 || status=$$?
	wait $$units || exit
	exit $$status

TESTS := tests/dom0
steady: venv repo $(GUEST)
	$(GUEST_PYTEST) $(EACH_PROMISE_ONCE) --force-reruns 0 --unrest $(or $(SEED),0) $(TESTS)

test-fast: units
	$(PYTHON) -m pytest tests/xapi tests/cli

units: venv
	$(PYTHON) tests/each_python.py units

readme: rpm venv $(GUEST)
	$(AS_ROOT) $(PYTHON) tests/dom0/record.py
	$(PYTHON) tests/readme.py

manual: venv
	$(PYTHON) -m tools.manual > rpm/usr/share/man/man8/xsraid.8
	$(PYTHON) -m tools.completion > rpm/usr/share/bash-completion/completions/xsraid

bench: rpm venv $(GUEST)
	$(PYTHON) tests/cli/bench_pool.py
	$(AS_ROOT) $(PYTHON) tests/dom0/bench.py

MINUTES := 10
SEED :=
MUTE :=
FAULT :=
soak: rpm venv $(GUEST)
	$(AS_ROOT) $(PYTHON) tests/dom0/soak.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(MUTE),--mute)

worlds: rpm venv $(GUEST)
	$(AS_ROOT) $(PYTHON) tests/dom0/soak_worlds.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(FAULT),--put-back "$(FAULT)")

MODULES :=
mutants: venv-mutants
	$(PYTHON) tests/mutants.py $(MODULES)

# Files without .py are found by their first line.
SCRIPTS = $(shell grep -rlI -m1 '^\#!.*python' xapi-plugin rpm/usr/bin rpm/usr/libexec tests | grep -v '\.py$$')

# Modules that 2.7 has by another name: the import of one falls back to the other.
RENAMED := ConfigParser ConfigParser.RawConfigParser Queue queue urllib.parse urlparse xmlrpc.client xmlrpclib
FLOOR := --quiet --violations --no-tips -t=2.7- -t=3.6- --backport configparser $(addprefix --exclude ,$(RENAMED))

format: venv
	build/venv/bin/ruff format --no-cache . $(SCRIPTS)

lint: rpm venv
	build/venv/bin/ruff format --no-cache --check --quiet . $(SCRIPTS)
	build/venv/bin/ruff check --no-cache . $(SCRIPTS)
	build/venv/bin/vermin $(FLOOR) xsraid xsraid_cli xapi-plugin rpm/usr/bin rpm/usr/libexec
	$(PYTHON) tests/each_python.py compile
	HOME=$(CURDIR)/build/home rpmlint --strict --config SPECS/rpmlint.toml SPECS/xsraid.spec $(RPM_XS7) $(RPM_XS8)

# -- set-up --------------------------------------------------------------------------------------------------------------------------------

# Build tools only. Nothing here starts a service; what acts on a host (mdadm, lvm2, ssmtp) goes into the miniature dom0 alone.
HOST_PACKAGES := createrepo-c dnf e2fsprogs gcc libc6-dev mmdebstrap python3-rpm python3-venv rpm rpmlint

host-packages:
	missing=""
	for package in $(HOST_PACKAGES); do
		dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"
	done
	if [ -n "$$missing" ]; then
		tests/thrice $(SUDO) apt-get update -q
		tests/thrice $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing
	fi

# What is fetched, tests/cached finds out each time whether it is there: by content, since others use it and may clear the cache.

# What dom0 has in its site-packages: XenAPI.py and XenAPIPlugin.py as published.
xenapi: host-packages
	tests/cached build/xenapi $(XENAPI_INPUTS) -- tests/fetch-xenapi

# Debian's own interpreter, whatever comes first on PATH: python3-rpm is built for it.
venv: xenapi
	$(call venv,venv,tests/requirements.txt,/usr/bin/python3 -m venv)

venv-mutants: venv
	$(call venv,venv-mutants,tests/requirements-mutants.txt,build/venv/bin/virtualenv --quiet --python /usr/bin/python3)

# $(call venv,name in build/,requirements,how an empty one is made)
venv = tests/cached build/$1 $2 tests/make-venv "=$$(/usr/bin/python3 --version)" "=$$(readlink build/xenapi)" -- \
	tests/make-venv "$3" $2 "$$(readlink build/xenapi)"

root: host-packages
	$(SUDO) env XSRAID_CACHE=$(XSRAID_CACHE) tests/cached build/root $(ROOT_INPUTS) -- tests/dom0/make-root

build/xstate.so: tests/dom0/xstate.c | host-packages
	gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o $@ $< -ldl

# -- packages ------------------------------------------------------------------------------------------------------------------------------

rpm: $(RPM_XS7) $(RPM_XS8)

$(TARBALL): $(PACKED_FILES) Makefile
	mkdir -p build
	tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --mtime=@$(SOURCE_DATE_EPOCH) \
		--exclude='__pycache__' --exclude='*.pyc' --exclude='*~' --transform='s,^,xsraid-$(VERSION)/,S' $(PACKED) | gzip -n9 > $@

$(RPM_XS7): dom0_python := /usr/bin/python2
$(RPM_XS8): dom0_python := /usr/bin/python3
$(RPM_XS7) $(RPM_XS8): $(RPM_DIR)/%.noarch.rpm: $(TARBALL) SPECS/xsraid.spec | host-packages
	dist=.$(lastword $(subst ., ,$*))
	mkdir -p $(RPM_DIR) build/home
	rm -f $(RPM_DIR)/*$$dist.noarch.rpm
	top=$$(mktemp -d $(CURDIR)/build/rpmbuild.XXXXXX)
	trap 'rm -rf $$top' EXIT
	HOME=$(CURDIR)/build/home rpmbuild --quiet -bb --define "_topdir $$top" --define "_sourcedir $(CURDIR)/build" \
		--define "_rpmdir $(abspath $(RPM_DIR))" --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
		--define "dist $$dist" --define "dom0_python $(dom0_python)" \
		--define "xsraid_version $(VERSION)" --define "xsraid_release $(RELEASE)" SPECS/xsraid.spec

repo: build/repo/repodata/repomd.xml

# One repository of both; xs7/ and xs8/ are one each, too, because the yum of CentOS 7 takes the highest release whether or not its Python is there.
build/repo/repodata/repomd.xml: $(RPM_XS7) $(RPM_XS8)
	rm -rf build/repo
	install -D -m 0644 -t build/repo/xs7 $(RPM_XS7)
	install -D -m 0644 -t build/repo/xs8 $(RPM_XS8)
	for repository in build/repo/xs7 build/repo/xs8 build/repo; do
		createrepo_c --quiet --no-database --excludes '*/repodata/*' --revision=$(SOURCE_DATE_EPOCH) --set-timestamp-to-revision $$repository
	done

clean:
	$(SUDO) rm -rf build

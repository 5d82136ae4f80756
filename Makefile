# SPDX-License-Identifier: BSD-2-Clause
# A short front for meson: each goal installs what it needs first.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
export DESTDIR

.PHONY: help all deps run test bench fuzz install uninstall clean

all: deps
	@tools/build.sh "$(BUILD)" "$(PREFIX)"

help:
	@echo "make            build into $(BUILD)/ (BUILD=DIR: another place)"
	@echo "make run        the main job on real sockets, in a minute"
	@echo "make test       all tests"
	@echo "make bench      the figures of README.md"
	@echo "make fuzz       the fuzz targets, a short time each"
	@echo "make install    into DESTDIR and PREFIX ($(PREFIX))"
	@echo "make uninstall  removes what was installed from $(BUILD)/ last"
	@echo "make deps       the Debian packages that the build needs"
	@echo "make clean      removes what was built"

deps:
	@tools/deps.sh

run: all
	@BUILD="$(BUILD)" bench/demo.sh

# The packages come first: the build leaves out the tests whose libraries are absent.
test:
	@tools/deps.sh --tests
	@tools/build.sh "$(BUILD)" "$(PREFIX)"
	@BUILD="$(BUILD)" tools/test.sh

bench:
	@tools/deps.sh --bench
	@tools/build.sh "$(BUILD)" "$(PREFIX)"
	@BUILD="$(BUILD)" bench/bench.sh

fuzz:
	@tools/deps.sh --fuzz
	@BUILD="$(BUILD)-fuzz" fuzz/fuzz.sh

# Does not build as root what a user has built: only what is out of date.
install: all
	@meson install -C "$(BUILD)" --no-rebuild --quiet

uninstall:
	@ninja -C "$(BUILD)" uninstall >/dev/null

clean:
	rm -rf "$(BUILD)" "$(BUILD)-fuzz" out

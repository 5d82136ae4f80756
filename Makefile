# SPDX-License-Identifier: BSD-2-Clause
# A short front for meson: each goal installs what it needs first (make deps).
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: all deps run test bench fuzz install clean

all: deps
	@tools/build.sh $(BUILD) $(PREFIX)

deps:
	@tools/deps.sh

run: all
	@BUILD=$(BUILD) bench/demo.sh

test: all
	@tools/deps.sh --tests
	@BUILD=$(BUILD) tools/test.sh

bench: all
	@tools/deps.sh --tests
	@BUILD=$(BUILD) bench/bench.sh

fuzz: all
	@tools/deps.sh --fuzz
	@BUILD=$(BUILD)-fuzz fuzz/fuzz.sh

install: all
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) $(BUILD)-fuzz out

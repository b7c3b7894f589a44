# SPDX-License-Identifier: GPL-2.0-or-later
# A thin front for Meson; HACKING.md says what stands behind each target.

BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

# What a newcomer types: packages, build, the classic page with its result.
demo:
	@scripts/install-packages build demo
	@$(MAKE) --no-print-directory all
	@examples/walkthrough.sh

# Everything that has to hold: docs in tests/run.
test:
	@scripts/install-packages build test
	@$(MAKE) --no-print-directory all-builds
	@BUILD=$(BUILD) tests/run

bench:
	@scripts/install-packages build bench
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) bench/run

sanitize: build-asan/build.ninja
	@ninja -C build-asan
	@BUILD=$(BUILD) tests/run sanitize

fuzz: build-fuzz/build.ninja
	@ninja -C build-fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz

# What docs/fidelity.md shows, measured anew.
fidelity: all
	@scripts/make-fidelity $(BUILD)

format-check:
	@tests/run format

install: all
	@meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf build build-asan build-fuzz

all-builds: $(BUILD)/build.ninja build-asan/build.ninja build-fuzz/build.ninja
	@meson configure $(BUILD) -Dtests=enabled
	@ninja -C $(BUILD)
	@ninja -C build-asan
	@ninja -C build-fuzz

$(BUILD)/build.ninja:
	@meson setup --prefix $(PREFIX) $(BUILD)

build-asan/build.ninja:
	@CC=gcc meson setup -Dtests=enabled -Db_sanitize=address,undefined build-asan

build-fuzz/build.ninja:
	@CC=clang meson setup -Dtests=enabled -Dfuzz=true -Db_sanitize=address,undefined \
		-Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link build-fuzz

.PHONY: all all-builds demo test bench sanitize fuzz fidelity format-check install clean

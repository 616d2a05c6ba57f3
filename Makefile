# The door for a first visit; everything behind it is CMake (CMakePresets.json) and the scripts it calls.
.PHONY: help tune demo test build install profile clean

help:
	@echo "make tune      install what is missing, build, measure this machine, tune the suite quick (two minutes)"
	@echo "make demo      install what is missing, build, show the devices, run and explain a matmul"
	@echo "make test      install what is missing, build, run every test (about ten minutes on two cores)"
	@echo "make build     the library and the program, in build/release"
	@echo "make install   that, to PREFIX (default /usr/local), DESTDIR is kept"
	@echo "make profile   the profile that ships for this kind of machine, tuned anew (SECONDS=600, and a minute)"
	@echo "make clean     remove build/"
	@echo "Day by day: cmake --workflow --preset dev   (presets: dev release clang asan tsan aarch64)"

tune:
	@scripts/setup build
	@scripts/build release -DHONE_BUILD_TESTS=OFF -DHONE_BUILD_BENCH=OFF
	build/release/cli/hone tune quick --budget 110s

demo:
	@scripts/demo

test:
	@scripts/setup
	@scripts/test

build:
	@scripts/setup build
	@scripts/build release -DHONE_BUILD_TESTS=OFF -DHONE_BUILD_BENCH=OFF

PREFIX ?= /usr/local
install: build
	cmake --install build/release --prefix $(PREFIX)

SECONDS ?= 600
profile: build
	@scripts/profile $(SECONDS)

clean:
	rm -rf build

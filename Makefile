# Everything is built once, in release, tests included; see docs/decisions/0001.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-kernel-ipsec lint bench-attach bench-forward bench-compile bench-policy bench-trace bench-dns bench-vpn bench-sessions bench-crash soak clean root

# Colours are a compiler's flag to SwiftPM: with them, a build on a terminal and one in a pipe would share nothing.
build_flags := -c release --no-color-diagnostics --explicit-target-dependency-import-check error

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the Debian packages that are missing
	@scripts/setup

build: setup ## build cordond, cordon and the tests
	swift build $(build_flags) --build-tests

demo: root setup ## show the main job on real packets in network namespaces
	swift build $(build_flags)
	@exec .build/release/cordon lab demo

test: root build ## run all tests, on the real kernel too
	@scripts/test

test-kernel-ipsec: root build ## VPNs where the kernel encrypts, in a Debian kernel under qemu
	@scripts/test-kernel-ipsec

lint: ## check formatting, imports and scripts
	@scripts/lint

bench-attach: root setup ## admissions and accounting, without and with session policies, beside FreeRADIUS with PostgreSQL
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-attach

bench-forward: root setup ## packets and new flows a second beside a plain NAT router, at up to a million sessions
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-forward

bench-compile: root setup ## a large policy from its text to the kernel's batch, and all policies of a store
	swift build $(build_flags)
	@Benchmarks/bench-compile

bench-policy: root setup ## a policy's change at 10,000 tenants and a million sessions and connections, under traffic
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-policy

bench-trace: root setup ## what other devices' packets lose while somebody traces a SIM
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-trace

bench-dns: root setup ## names looked up a second beside unbound and dnsdist, a million of them blocked
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-dns

bench-vpn: root setup ## VPNs made and up, many of them, their throughput, and how soon traffic is back after a death
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-vpn

bench-sessions: root setup ## a million sessions that report each 10 minutes, and storms of re-attaches among them
	@scripts/setup bench
	swift build $(build_flags)
	@Benchmarks/bench-sessions

bench-crash: root build ## 5,000 kills at random moments, and what is left compared with what was answered
	CORDON_KILLS=$${CORDON_KILLS:-5000} swift test -c release --skip-build --no-parallel --filter CrashTests

# Suites whose properties are tried with as many seeds as they are given.
seeded := Mutation|HostileInput|Property|CompileTests|SchemaAgreement|PolicySchemaTests|DuplicateCache|AddressContract

soak: root build ## ten minutes (SOAK_SECONDS) of changes under traffic, and what is left; then many more seeds (CORDON_SEEDS)
	SOAK_SECONDS=$${SOAK_SECONDS:-600} swift test -c release --skip-build --no-parallel --filter SoakTests
	CORDON_SEEDS=$${CORDON_SEEDS:-10} swift test -c release --skip-build --parallel --filter '$(seeded)'

clean: ## remove what was built, and the laboratory if it is up
	@if [ "$$(id -u)" = 0 ] && [ -x .build/release/cordon ]; then .build/release/cordon lab down; fi
	swift package clean

root:
	@if [ "$$(id -u)" != 0 ]; then echo "must be root: network namespaces and packages need it" >&2; exit 1; fi

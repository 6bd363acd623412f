# Everything that a developer or a CI machine runs. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help test test-unit test-servers test-real conformance outages lint fmt tidy tidy-check vuln \
	cross cross-ci fuzz bench bench-report bench-own scenarios test-scenarios generate release release-check ci clean

# The modules are those of go.work. LOOSE are the others, which build with the
# workspace off, but for the programs that run as test servers.
MODULES := $(patsubst $(CURDIR)%,.%,$(shell go list -m -f '{{.Dir}}'))
UNIT    := $(patsubst %,%/...,$(filter-out ./test,$(MODULES)))
LOOSE   := $(filter-out $(MODULES),$(shell find . -name go.mod -not -path './test/*' -exec dirname {} \;))
SUITES  := $(dir $(shell grep -rl --include='*_test.go' '^func TestConformance\b' .))

PLATFORMS    := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
PLATFORMS_CI := windows/amd64 darwin/arm64

FUZZTIME ?= 10s
BENCH    ?= .
COUNT    ?= 1

step := @scripts/step

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Tests

# The reports of the conformance suite go to a folder with a new name each time,
# so that go test takes no result for them from its cache.
test: ## Run every test of every module with the race detector; prepares the servers it needs
	@reports=$$(mktemp -d) && trap 'rm -rf "$$reports"' EXIT && \
	ADSUM_CONFORMANCE_DIR=$$reports scripts/step "all tests" \
		$(MAKE) --no-print-directory test-side-by-side test-real test-verdicts

.PHONY: test-side-by-side test-verdicts
test-side-by-side:
	@$(MAKE) --no-print-directory -j2 test-servers test-unit

test-verdicts:
	$(step) "verdicts as in docs/conformance.md" go run ./test/conformance -check -reports $(ADSUM_CONFORMANCE_DIR)

# Simulated traffic is an event loop on one goroutine, where nothing can race; the
# race detector would make ninety seconds of its ten.
TRAFFIC := ./lb/lbtest

test-unit: ## Run the tests that need no server
	$(step) "simulated traffic" go test $(TESTFLAGS) $(TRAFFIC)
	$(step) "unit tests" go test -race -p 3 -parallel 4 $(TESTFLAGS) $$(go list $(UNIT) | grep -v '$(TRAFFIC:.%=%)$$')

test-servers: ## Build and download the registries that the tests run against
	$(step) "test servers" nice go run ./test/servers/prepare

# These mostly wait, for leases to run out and servers to start: three packages
# of four tests at a time keep two cores busy. The longest begin first.
SLOWEST := ./test/eureka ./test/zookeeper ./test/book

test-real: ## Run the tests on the real registries, once test-servers is done
	$(step) "tests on real servers" go test -race -p 3 -parallel 4 -timeout 20m $(TESTFLAGS) $(SLOWEST) ./test/...

conformance: test-servers ## Run the conformance suite on every driver and write docs/conformance.md
	@rm -rf bin/conformance
	$(step) "conformance" env ADSUM_CONFORMANCE_DIR=$(CURDIR)/bin/conformance \
		go test -race -count=1 -p 1 -parallel 8 -timeout 30m -run 'TestConformance$$' $(SUITES)
	$(step) "docs/conformance.md" go run ./test/conformance -reports bin/conformance

outages: test-servers ## Kill, freeze, wipe and cut off each registry under calls, at the pace of production; some minutes
	$(step) "outages" env ADSUM_PACE=own go test -race -count=1 -v -timeout 20m -run NoCallFails ./test/book

fuzz: ## Run each fuzz target for FUZZTIME (10s)
	$(step) "fuzz targets" scripts/fuzz $(FUZZTIME)

bench: ## Run the engine beside its peers, and print tables of ratios; some minutes
	@GOWORK=off go -C bench run ./table

bench-report: ## The same with more rounds, written to docs/performance.md; a quarter of an hour
	@GOWORK=off go -C bench run ./table -long -write $(CURDIR)/docs/performance.md

scenarios: ## Run the scenarios with our engine and its peers, and write docs/scenarios.md; a quarter of an hour
	@rm -f bench/scenarios/results.json
	@GOWORK=off go -C bench run ./processes -write scenarios/processes.json
	@GOWORK=off go -C bench test -timeout 60m -count 1 -v -run NoRatio ./scenarios -write

test-scenarios: ## Check that no ratio of docs/scenarios.md got worse
	$(step) "scenarios" env GOWORK=off go -C bench test $(TESTFLAGS) ./...

bench-own: ## Run the benchmarks of every module: BENCH=regexp COUNT=n, output ready for bin/benchstat
	@go test -run '^$$' -bench '$(BENCH)' -count $(COUNT) $(UNIT)

## Checks

lint: bin/tools ## Check format, generated code, vet and staticcheck
	$(step) "gofmt" scripts/gofmt-check
	$(step) "generated code" bin/protogen -check .
	$(step) "go vet" go vet work
	$(step) "staticcheck" bin/staticcheck work
	@for dir in $(LOOSE); do \
		GOWORK=off scripts/step "go vet, $$dir" go -C $$dir vet ./... && \
		(cd $$dir && GOWORK=off $(CURDIR)/scripts/step "staticcheck, $$dir" $(CURDIR)/bin/staticcheck ./...) || exit; \
	done

fmt: ## Format all Go code
	gofmt -w .

tidy: ## Tidy every go.mod
	@for dir in $(MODULES) $(LOOSE); do (cd $$dir && go mod tidy) || exit; done

# It mostly waits for the module proxy, so all modules are asked about at once.
tidy-check: ## Check that make tidy would change nothing
	$(step) "go mod tidy" scripts/tidy-check $(MODULES) $(LOOSE)

vuln: bin/tools ## Look for known vulnerabilities; needs vuln.go.dev, so it is no part of ci
	$(step) "govulncheck" bin/govulncheck work

## Builds

cross: $(PLATFORMS:%=cross/%) ## Build for linux, darwin and windows, amd64 and arm64

cross-ci: $(PLATFORMS_CI:%=cross/%)

# What debuggers need is most of the work of linking, and nobody keeps the result.
.PHONY: $(PLATFORMS:%=cross/%)
$(PLATFORMS:%=cross/%): cross/%:
	$(step) "build for $*" env CGO_ENABLED=0 GOOS=$(*D) GOARCH=$(*F) go build -ldflags='-s -w' work

generate: bin/tools ## Regenerate the protobuf code
	bin/protogen .

# All pinned tools, built once for each change of their module.
bin/tools: internal/tools/go.mod $(wildcard internal/tools/*/*.go)
	$(step) "pinned tools" env GOWORK=off go -C internal/tools build -o $(CURDIR)/bin/ tool ./...
	@touch $@

release: bin/tools ## Tag VERSION in dependency order; shows what it would do unless CONFIRM=yes
	bin/release $(if $(filter yes,$(CONFIRM)),-confirm) $(VERSION)

release-check: bin/tools ## Prove `go install …/cmd/adsum@VERSION` from a module proxy made of HEAD
	$(step) "release check" bin/release -prove

ci: ## What CI runs: lint, tests, scenarios, fuzz targets, cross builds
	@scripts/step "ci" $(MAKE) --no-print-directory ci-steps

.PHONY: ci-steps
ci-steps: lint tidy-check test test-scenarios
	@$(MAKE) --no-print-directory fuzz FUZZTIME=10000x
	@$(MAKE) --no-print-directory cross-ci release-check

clean: ## Remove what the build wrote into the tree
	rm -rf bin dist

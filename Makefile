# Everything here runs on a laptop with no network, but for `make tools`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GO        ?= go
BIN       := $(CURDIR)/bin
# The version comes from git here, so it does not depend on -buildvcs.
VERSION   ?= $(shell git -C "$(CURDIR)" describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -X main.version=$(VERSION)
# With a C compiler zstd is the library in C, about twice as fast as the one in
# Go that stands in without. The programs are static either way.
CGO_ENABLED := $(shell $(GO) env CGO_ENABLED)
BUILD_FLAGS := -trimpath
EXE         := $(shell $(GO) env GOEXE)
export CGO_ENABLED
ifeq ($(CGO_ENABLED)-$(shell $(GO) env GOOS),1-linux)
export CGO_CFLAGS ?= -O3
BUILD_FLAGS += -tags netgo,osusergo
LDFLAGS += -linkmode external -extldflags -static
endif
FUZZTIME  ?= 3s
# What make bench takes: the time of each stage benchmark, and flags for ./bench.
BENCHTIME  ?= 200ms
BENCH_ARGS ?=
RELEASE_ARGS ?=

LINT_VERSION := v2.15.0
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da
# The pinned linter in ./bin, else one on the PATH, else nothing.
LINTER = $(firstword $(wildcard $(BIN)/golangci-lint) $(shell command -v golangci-lint 2>/dev/null))

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## both programs into bin/, version stamped
	@mkdir -p "$(BIN)"
	@shopt -s nullglob; programs=(cmd/*/main.go); \
	if [ $${#programs[@]} -eq 0 ]; then echo "make build: there is no program in cmd/" >&2; exit 1; fi; \
	for main in "$${programs[@]}"; do name=$$(basename "$$(dirname "$$main")"); \
	  $(GO) build $(BUILD_FLAGS) -ldflags "$(LDFLAGS)" -o "$(BIN)/$$name$(EXE)" "./cmd/$$name"; \
	  echo "bin/$$name $(VERSION)"; done

.PHONY: release
release: ## archives, Debian packages, bills of materials and sums into dist/release (RELEASE_ARGS="-targets linux/amd64")
	cd packaging && $(GO) run ./release -root .. $(RELEASE_ARGS)

.PHONY: check
check: fmt vet lint laws test fuzz ## what must pass before a change is committed
	@if [ -z "$(LINTER)" ]; then \
	  echo "check: passed WITHOUT LINT: golangci-lint is not installed (make tools installs it)"; \
	else echo "check: passed"; fi

.PHONY: fmt
fmt: ## fail on files that gofmt would change
	@out=$$(gofmt -l $(wildcard cmd internal test bench)); \
	if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, if installed
ifneq ($(LINTER),)
	$(LINTER) run ./...
else
	@printf '%s\n' '' '*** LINT SKIPPED: golangci-lint $(LINT_VERSION) is not installed; make tools installs it into ./bin ***' '' >&2
	@if [ "$${CI:-}" = true ]; then echo "lint: CI does not go without" >&2; exit 1; fi
endif

.PHONY: laws
laws: ## the structure of the source: internal/laws_test.go
	$(GO) test ./internal

.PHONY: test
test: ## all tests; those of compression with either codec
	$(GO) test ./...
	CGO_ENABLED=0 $(GO) test ./internal/vault/seal

.PHONY: race
race: ## all tests under the race detector
	$(GO) test -race ./...

.PHONY: test-servers
test-servers: ## all tests, those against real servers too
	GO="$(GO)" scripts/test-servers.sh

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (3s)
	GO="$(GO)" scripts/fuzz.sh "$(FUZZTIME)"

.PHONY: bench
bench: ## stage benchmarks, then this engine beside its peers (takes hours; see docs/bench.md)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./internal/...
	$(GO) run ./bench $(BENCH_ARGS)

.PHONY: bench-stages
bench-stages: ## stage benchmarks, six times, beside bench/baseline.txt (needs make tools)
	@mkdir -p dist
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -count 6 ./internal/... >dist/stages.txt
	"$(BIN)/benchstat" bench/baseline.txt dist/stages.txt

.PHONY: nightly
nightly: ## hours of what `make test` does in short: simulated years, mutations, kills, a huge index
	COUNTERFOIL_MODEL_WORLDS=100 COUNTERFOIL_MODEL_DAYS=100 $(GO) test -count=1 -timeout 3h -v -run 'TestModel$$' ./test/model
	COUNTERFOIL_LONG=1 $(GO) test -count=1 -timeout 2h -v -run TestMutations ./test/model
	COUNTERFOIL_LONG=1 $(GO) test -count=1 -timeout 2h -v -run TestSimulation ./internal/vault/index
	COUNTERFOIL_CRASH_ROUNDS=500 $(GO) test -count=1 -timeout 2h ./test/crash
	COUNTERFOIL_LONG=1 $(GO) test -count=1 -timeout 2h ./test/hostile ./test/e2e
	COUNTERFOIL_LONG=1 $(GO) test -count=1 -timeout 2h -v -run TestYears ./internal/lifecycle

.PHONY: cover
cover: ## coverage of all packages by all tests
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: tools
tools: ## install the pinned linter and benchstat into ./bin (needs the Go module proxy, takes minutes)
	@mkdir -p "$(BIN)"
	@if [ -x "$(BIN)/golangci-lint" ] && [ "v$$("$(BIN)/golangci-lint" version --short)" = "$(LINT_VERSION)" ]; then \
	  echo "tools: golangci-lint $(LINT_VERSION) is there"; \
	else GOBIN="$(BIN)" $(GO) install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)"; fi
	@GOBIN="$(BIN)" $(GO) install "golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)"

.PHONY: clean
clean: ## remove what the targets made, the linter included
	rm -rf "$(BIN)" dist cover.out

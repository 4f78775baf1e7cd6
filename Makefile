# The pure Go build is the one that is shipped; only the race detector needs cgo.
export CGO_ENABLED ?= 0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# One a checkout: what it holds names files by their paths, and those of another checkout may be gone.
export GOLANGCI_LINT_CACHE ?= $(shell go env GOCACHE)/../golangci-lint$(CURDIR)

# Run from plugins/proto.
BUF = go tool -modfile=../../tools/protocol/go.mod buf

.PHONY: build test lint race fuzz examples generate bench clean

build: ## bin/usher, a static binary
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/usher ./cmd/usher

test: ## every test; the first time it installs the database servers that they need
	@./.ci/setup
	go test -timeout 40m ./...

lint: ## gofmt, go vet, golangci-lint; the plugin protocol: its form, and that nothing that was released breaks
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these files'; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod golangci-lint run ./...
	cd plugins/proto && $(BUF) lint && $(BUF) breaking --against baseline.binpb

race: ## the tests under the race detector
	@./.ci/setup
	CGO_ENABLED=1 go test -timeout 40m -race -short ./...

fuzz: ## a short run of every fuzz target
	./.ci/fuzz 5000x

examples: build ## run every example and compare with what it is to give
	./.ci/examples

generate: ## the parts of docs/ that are made from the code, and the code of the plugin protocol
	cd plugins/proto && $(BUF) generate
	go generate ./...

bench: ## usher against the limit loader: ratios of interleaved pairs
	go run ./bench/compare

clean:
	rm -rf bin bench/data

# taskhost: `make run` starts the host on config.hcl, `make test` runs everything.
# A fresh machine needs Go and make; every other set-up is done here.

GO      ?= go
BIN     := bin
PLUGINS := $(patsubst plugins/%/main.go,%,$(wildcard plugins/*/main.go))
export CGO_ENABLED ?= 0
# With -trimpath everywhere what is tested is what was built: without it every dependency is compiled a second time for the tests.
export GOFLAGS ?= -buildvcs=false -trimpath

# Static, stripped: a plugin starts in about 4 ms instead of 6.
BUILD := $(GO) build -trimpath -ldflags='-s -w'

# What holds state that several goroutines meet at; run with the race detector. The tests of the page in Chromium are left out there.
RACE := ./host/internal/access ./host/internal/audit ./host/internal/alarm ./host/internal/backoff ./host/internal/schedule ./host/internal/supervisor ./host/internal/runner \
        ./host/internal/process ./host/internal/pool ./host/internal/pulse ./host/internal/queue ./host/internal/store/... ./host/internal/feed ./host/internal/logs \
        ./host/internal/api ./host/internal/ui ./host/internal/notify ./host/internal/metrics ./host/internal/usage ./sdk/internal/session ./sdk/task ./sdk/tasktest

.DEFAULT_GOAL := help
.PHONY: help
help: ## print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the host and the first-party plugins into bin/ (static, stripped)
	@$(BUILD) -o $(BIN)/taskhost ./host/cmd/taskhost
	@mkdir -p $(BIN)/plugins
	@$(BUILD) -o $(BIN)/plugins/ $(PLUGINS:%=./plugins/%)

.PHONY: run
run: ## build, then start the host on config.hcl
	@printf 'building taskhost and %s plugins … ' $(words $(PLUGINS)); start=$$(date +%s); \
	  $(MAKE) --no-print-directory build && echo "done ($$(( $$(date +%s) - start )) s)"
	@exec $(BIN)/taskhost serve -config config.hcl

# The page is tested in a real browser. As root it is installed when there is none; otherwise those tests say how, and are skipped.
.PHONY: browser
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	  { apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core; } || \
	  echo 'no Chromium could be installed: the tests of the page are skipped'

# What tests run as tasks: two daemons, 12 MB, and the programs of three recipes. As root they are installed when they are not there; tests
# whose program is not are skipped.
.PHONY: daemons
daemons:
	@{ [ -x /usr/bin/redis-server ] && [ -x /usr/sbin/haproxy ] && [ -x /usr/bin/curl ] && [ -x /usr/bin/openssl ]; } || \
	  [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	  { apt-get update -q && apt-get install -y -q --no-install-recommends redis-server haproxy curl openssl; } || \
	  echo 'redis, haproxy, curl and openssl could not all be installed: tests that run them are skipped'

.PHONY: screenshots
screenshots: browser ## take the pictures of the page in docs/page
	@mkdir -p docs/page
	$(GO) test -count=1 -run=TestPicturesOfThePage ./host/internal/ui -screenshots=$(CURDIR)/docs/page $(SCREENSHOTS)

# How long `make load-page` watches the page.
LOAD ?= 5m

.PHONY: load-page
load-page: browser ## watch the page with 1,000 tasks at 50 events a second for LOAD: its memory and its longest work
	$(GO) test -count=1 -v -timeout=0 -run=TestThePageStaysSmoothUnderLoad ./host/internal/ui -load=$(LOAD)

# The packages whose tests take longest go first, so that none of them is left to run alone at the end.
LONG := ./host/internal/ui ./host/internal/e2e ./host/internal/torture

.PHONY: test
test: check build browser daemons ## run everything: checks, unit tests, whole-program tests
	$(GO) test -count=1 -timeout=12m $(LONG) ./...

.PHONY: check
check: ## formatting, vet, generated code and import rules
	@test -z "$$(gofmt -l host sdk plugins examples)" || { echo 'gofmt would change:'; gofmt -l host sdk plugins examples; exit 1; }
	$(GO) vet ./...
	$(GO) run ./sdk/wire/internal/gen -dir sdk/wire -check

# The engine of the store is C in the words of Go: to watch its every access takes minutes to compile and to run, and says nothing of
# what is ours.
UNWATCHED := -gcflags='modernc.org/...=-race=false'

.PHONY: race
race: ## the concurrent packages under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $(UNWATCHED) -count=1 -timeout=12m $(RACE)

# How long `make torture` kills, and with which dice (0: new ones, which are printed).
TORTURE ?= 10m
SEED    ?= 0

.PHONY: torture
torture: ## kill hosts and plugins for TORTURE=10m and judge what is left (SEED=n repeats the dice)
	$(GO) test -count=1 -timeout=0 -v -run=TestKillsBreakNoPromise ./host/internal/torture -torture=$(TORTURE) -seed=$(SEED)

.PHONY: bench
bench: build ## print the speed ratios of docs/speed.md, against floors measured in the same run
	$(GO) run ./host/internal/bench

# A release is made with goreleaser, which `go run` fetches and builds once: that takes five minutes of processor time. Of the
# platforms only linux on ARCH (amd64, arm64) is made, unless PLATFORMS=all says to make linux and darwin on both.
ARCH       ?= amd64
PLATFORMS  ?= linux/$(ARCH)
VERSION    ?= $(shell sed -n 's/.*Release = "\(.*\)"/\1/p' sdk/wire/wire.go)
GORELEASER ?= $(GO) run github.com/goreleaser/goreleaser/v2@v2.15.1
RELEASE    := packaging/goreleaser.yaml

.PHONY: package
package: ## try out a release for ARCH=amd64 in dist/release: archive, .deb and .rpm (PLATFORMS=all: every platform)
	@mkdir -p dist/man dist/completions
	rm -f dist/man/* && $(GO) run ./host/internal/man dist/man && gzip -9n dist/man/*.1
	$(GO) run ./host/cmd/taskhost completion bash > dist/completions/taskhost.bash
	$(GO) run ./host/cmd/taskhost completion zsh > dist/completions/_taskhost
	$(GO) run ./host/cmd/taskhost completion fish > dist/completions/taskhost.fish
	if [ "$(PLATFORMS)" = all ]; then cat $(RELEASE); else sed 's/goos: .*/goos: [linux]/; s/goarch: .*/goarch: [$(ARCH)]/' $(RELEASE); fi | \
	  VERSION=$(VERSION) $(GORELEASER) release --snapshot --clean -f -

.PHONY: package-test
package-test: package ## install, use, remove and purge the packages on a copy of this machine, under systemd too (needs root, dpkg and rpm)
	packaging/test-deb.sh dist/release/taskhost_$(VERSION)_$(ARCH).deb
	packaging/test-systemd.sh dist/release/taskhost_$(VERSION)_$(ARCH).deb
	packaging/test-rpm.sh dist/release/taskhost-$(VERSION)-1.$(if $(filter arm64,$(ARCH)),aarch64,x86_64).rpm

.PHONY: image
image: ## build the container image without a registry, run it, and write it to dist/taskhost-image.tar (needs root and buildah)
	packaging/test-image.sh dist/taskhost-image.tar

# For what is compiled and never run.
FAST := -gcflags='all=-N -l -dwarf=false'

# A plugin's logic can be written and tested on windows; a host cannot run there.
.PHONY: windows
windows: ## vet the SDK and the client for windows
	GOOS=windows $(GO) vet $(FAST) ./sdk/... ./host/admin

# Every platform but this one, which `make build` links.
PLATFORMS_BESIDE = $(filter-out $(shell $(GO) env GOHOSTOS)/$(shell $(GO) env GOHOSTARCH),linux/amd64 linux/arm64 darwin/amd64 darwin/arm64)

.PHONY: cross
cross: windows ## compile and link host and plugins for linux and darwin on amd64 and arm64, and vet the SDK and the client for windows
	@for platform in $(PLATFORMS_BESIDE); do echo "$$platform"; \
	  GOOS=$${platform%/*} GOARCH=$${platform#*/} $(BUILD) $(FAST) -o /dev/null ./host/cmd/taskhost $(PLUGINS:%=./plugins/%) || exit 1; done

.PHONY: generate
generate: ## write the generated code and the generated parts of the docs
	$(GO) run ./sdk/wire/internal/gen -dir sdk/wire
	$(GO) test -count=1 ./host/internal/docs -update

.PHONY: fmt
fmt: ## format Go and HCL
	gofmt -w host sdk plugins examples
	$(GO) run ./host/cmd/taskhost fmt config.hcl examples

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)

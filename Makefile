# streamkit: one library, one program a tool. Everything is built in $(O), build/ by default.
#
#	make            the programs, in build/bin/
#	make demo       install what is missing, build, run the main job on real files
#	make check      install what the tests need, build, run every test
#	make san        the same tests under ASan and UBSan, in build/san/
#	make docs       the generated parts of man/ and completions/
#	make kafka      a broker to play with, in the foreground, on PORT=9092
#	make fuzz       every fuzz target for FUZZ_SECONDS each (20)
#	make torture    pipelines with checkpoints, killed a thousand times each; then on brokers
#	make bench      measure against the peers; the table goes to tests/bench/RESULTS.md
#	make bench-kafka   the same on a broker; into tests/bench/KAFKA.md
#	make bench-exactly what exactly once costs there; into tests/bench/EXACTLY.md
#	make bench-blobs   sk-claimcheck with a folder and an S3 server; into tests/bench/BLOBS.md
#	make install    PREFIX=/usr/local DESTDIR=

O       = build
PREFIX  = /usr/local
CC      = cc
CFLAGS  = -O2 -g
LDFLAGS =
VERSION = 0.1.0
FUZZ_SECONDS = 20

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wvla -Wpointer-arith -Wimplicit-fallthrough -Wconversion \
	-Wno-missing-field-initializers $(if $(CI),-Werror)
SK_CFLAGS  = -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -ffunction-sections \
	-fdata-sections -Ilib $(WARN)
SK_LDFLAGS = -pthread -Wl,--gc-sections -Wl,--as-needed
LIBS = -ljq -lrdkafka -lzstd -lxxhash -lcurl -lcrypto -lsqlite3 -lm

# What Debian 12 calls the parts: to build, and to test.
# COMMAND:PACKAGE installs the package only where there is no such command.
BUILD_DEBS = gcc:gcc libc6-dev libjq-dev librdkafka-dev libzstd-dev libxxhash-dev \
	libcurl4-openssl-dev libssl-dev libsqlite3-dev
TEST_DEBS  = bats bats-assert bats-support jq:jq mandoc:mandoc zstd:zstd zsh:zsh fish:fish \
	script:bsdutils valgrind:valgrind python3:python3 ps:procps openssl:openssl \
	flock:util-linux java:openjdk-17-jre-headless mvn:maven kcat:kcat

TOOLS  = $(patsubst cmd/%.c,%,$(wildcard cmd/sk-*.c))
LIBSRC = $(wildcard lib/*/*.c)
UNITS  = $(patsubst tests/%.c,%,$(wildcard tests/unit/*.c tests/laws/*.c))
KAFKA  = $(patsubst tests/%.c,%,$(wildcard tests/kafka/*.c))
FUZZ   = $(patsubst tests/%.c,%,$(filter-out tests/fuzz/main.c,$(wildcard tests/fuzz/*.c)))
LIB    = $(O)/libstreamkit.a
LINK   = $(CC) $(SK_LDFLAGS) $(CFLAGS) $(LDFLAGS)

all: $(TOOLS:%=$(O)/bin/%)

deps:
	@.ci/install $(BUILD_DEBS)

deps-check:
	@.ci/install $(BUILD_DEBS) $(TEST_DEBS)

$(O)/bin/%: $(O)/cmd/%.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(LIB) $(LIBS)

$(LIB): $(LIBSRC:%.c=$(O)/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SK_CFLAGS) $(CFLAGS) -DSTREAMKIT_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

# Tests in C: each prints TAP.
$(O)/unit/%: $(O)/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(LIB) $(LIBS)

$(O)/laws/%: $(O)/tests/laws/%.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(LIB) $(LIBS)

$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/tests/fuzz/main.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS)

# What the tests on a broker need.
$(O)/kafka/%: $(O)/tests/kafka/%.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(LIB) $(LIBS)

# What state costs: build/bench/state 100000000 0 DIR.
$(O)/bench/state: $(O)/tests/bench/state.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $< $(LIB) $(LIBS)

# The generator of order events, and the preloaded faults.
$(O)/examples/generate: examples/generate.c
	@mkdir -p $(@D)
	$(CC) $(SK_CFLAGS) $(CFLAGS) -o $@ $<

$(O)/tests/%.so: tests/crash/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -fPIC -shared -Wall -Wextra -o $@ $< -ldl

test-parts: $(UNITS:%=$(O)/%) $(FUZZ:%=$(O)/%) $(KAFKA:%=$(O)/%) $(O)/examples/generate $(O)/tests/faults.so $(O)/tests/machine.so \
	$(O)/tests/broker_faults.so

demo: deps
	@$(MAKE) -s all $(O)/examples/generate
	@O=$(O) examples/demo

check: deps-check
	@$(MAKE) -s all test-parts
	@O=$(O) tests/run

SAN = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
san: deps-check
	@$(MAKE) -s O=$(O)/san CFLAGS="$(SAN)" all test-parts
	@O=$(O)/san SK_SAN=1 tests/run

docs: all
	tests/docs $(O)/bin .

kafka: deps-check
	@$(MAKE) -s $(KAFKA:%=$(O)/%)
	@SK_BUILD=$(abspath $(O)) tests/kafka/broker run

fuzz: deps
	@$(MAKE) -s O=$(O)/san CFLAGS="$(SAN)" $(FUZZ:%=$(O)/san/%)
	@for f in $(FUZZ); do \
		echo "$$f"; \
		$(O)/san/$$f -seconds=$(FUZZ_SECONDS) tests/fuzz/corpus/$${f#fuzz/} || exit 1; \
	done

torture: deps-check
	@$(MAKE) -s all test-parts
	@SK_BUILD=$(abspath $(O)) SK_BIN=$(abspath $(O))/bin tests/crash/torture --kills 1000
	@SK_BUILD=$(abspath $(O)) SK_BIN=$(abspath $(O))/bin tests/kafka/exactly --recover 10

bench: deps-check
	@$(MAKE) -s all $(O)/examples/generate
	@O=$(O) tests/bench/run

bench-kafka: deps-check
	@.ci/install kcat:kcat javac:openjdk-17-jdk-headless
	@$(MAKE) -s all $(O)/kafka/admin $(O)/examples/generate
	@O=$(O) tests/bench/kafka

bench-exactly: deps-check
	@.ci/install kcat:kcat javac:openjdk-17-jdk-headless
	@$(MAKE) -s all $(O)/kafka/admin $(O)/examples/generate
	@O=$(O) tests/bench/exactly

bench-blobs: deps-check
	@.ci/install rclone:rclone
	@$(MAKE) -s all
	@O=$(O) tests/bench/blobs

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man7 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(TOOLS:%=$(O)/bin/%) $(DESTDIR)$(PREFIX)/bin
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 completions/bash/* $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 completions/zsh/* $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 completions/fish/* $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

clean:
	rm -rf $(O)

.PHONY: all deps deps-check test-parts demo check san docs kafka fuzz torture bench bench-kafka bench-exactly bench-blobs install clean
.SECONDARY:
-include $(wildcard $(O)/lib/*/*.d $(O)/cmd/*.d $(O)/tests/*/*.d)

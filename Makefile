# streamkit: one library, one program a tool. Everything is built in $(O), build/ by default.
#
#	make            the programs, in build/bin/
#	make demo       install what is missing, build, run the main job on real files
#	make check      install what the tests need, build, run every test
#	make san        the unit tests and the tools' tests under ASan and UBSan
#	make docs       the generated parts of man/ and completions/
#	make fuzz       run each fuzz target for FUZZ_SECONDS (20)
#	make bench      measure against the peers; the table goes to tests/bench/RESULTS.md
#	make install    PREFIX=/usr/local DESTDIR=

O       = build
PREFIX  = /usr/local
CC      = cc
CFLAGS  = -O2 -g
LDFLAGS =
VERSION = 0.1.0

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wvla -Wpointer-arith -Wimplicit-fallthrough -Wconversion \
	-Wno-missing-field-initializers \
	$(if $(CI),-Werror)
SK_CFLAGS  = -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -ffunction-sections \
	-fdata-sections -Ilib $(WARN)
SK_LDFLAGS = -pthread -Wl,--gc-sections -Wl,--as-needed
LIBS = -ljq -lzstd -lxxhash -lm

# What Debian 12 calls the parts: to build, and to test.
BUILD_DEBS = gcc make libc6-dev libjq-dev libzstd-dev libxxhash-dev
TEST_DEBS  = bats bats-assert bats-support jq mandoc zstd zsh fish valgrind python3 procps

TOOLS  = $(patsubst cmd/%.c,%,$(wildcard cmd/sk-*.c))
LIBSRC = $(wildcard lib/*/*.c)
UNITS  = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
LIB    = $(O)/libstreamkit.a

all: $(TOOLS:%=$(O)/bin/%)

$(O)/bin/%: $(O)/cmd/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(SK_LDFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(LIB): $(LIBSRC:%.c=$(O)/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SK_CFLAGS) $(CFLAGS) -DSTREAMKIT_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

$(O)/unit/%: $(O)/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(SK_LDFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

units: $(UNITS:%=$(O)/unit/%)

clean:
	rm -rf $(O)

.PHONY: all units clean
.SECONDARY:
-include $(wildcard $(O)/lib/*/*.d $(O)/cmd/*.d $(O)/tests/*/*.d)

/*
 * state: what lib/state costs: memory a key, upserts and lookups a second, and a restart.
 *
 *	make build/bench/state && build/bench/state [KEYS [VALUE_BYTES [DIR [EPOCH [TIMES]]]]]
 *
 * So many distinct keys of 16 bytes (1,000,000) with values of so many bytes (0) are put, in
 * DIR durably, a mark every EPOCH keys (100,000), all of
 * them TIMES over (1; of more a snapshot is made; -N: they are there, only begin again); then as many are looked up, in another
 * order, and the process is begun again from DIR. Each line says what it took: a second of
 * the clock, and of the processor, which a machine that has other work to do changes less;
 * memory is the most that the process ever had resident (VmHWM), the program itself included.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "state/state.h"

#define AHEAD 24

static struct flow_place place = {.name = "bench", .app = ""};
static size_t value_bytes;
static uint64_t times = 1;
static char value[STATE_FIXED_MAX];

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall, cpu;

static void
begin(void)
{
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void
say(const char *what, uint64_t n)
{
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%-20s %6.2f s, %5.2f M/s; processor %6.2f s, %5.2f M/s\n", what, wall,
		(double)n / 1e6 / wall, cpu, (double)n / 1e6 / cpu);
}

/* Bytes resident at the most. */
static double
most_bytes(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	double kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtod(line + 6, NULL);
	if (f)
		fclose(f);
	return kib * 1024;
}

/* A bijection of 64 bits, twice: keys as a hash gives them. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct key128
key_of(uint64_t i)
{
	return (struct key128){mix(i + 1), mix(~i)};
}

/* From the last to the first. */
static uint64_t
other(uint64_t i, uint64_t n)
{
	return i < n ? n - 1 - i : 0;
}

static int
broken(const struct failure *why)
{
	fprintf(stderr, "state: %s\n", why->text);
	return 1;
}

static struct state *
open_state(uint64_t epoch, struct failure *why)
{
	static const struct op_context ctx = {.place = &place};
	const struct state_options o = {.tool = "bench", .shape = "{}", .value_bytes = value_bytes,
		.max_memory = UINT64_C(1) << 40};
	struct state *s = state_new(&o, &ctx);

	if (state_assign(s, 0, why) == 0 && state_rollback(s, epoch, why) == 0)
		return s;
	state_free(s);
	return NULL;
}

static int
put(uint64_t n, uint64_t each)
{
	struct failure why;
	struct state *s = open_state(0, &why);
	uint64_t i, k, found = 0, epoch = 0;
	struct slice v;

	if (!s)
		return broken(&why);
	begin();
	for (k = 0; k < times * n; k++) {
		i = k % n;
		state_prefetch(s, 0, key_of(i + AHEAD));
		if (state_put(s, 0, key_of(i), slice_of(value, value_bytes), &why) < 0)
			return broken(&why);
		if ((k + 1) % each == 0 || k + 1 == times * n) {
			if (state_barrier(s, ++epoch, &why) < 0)
				return broken(&why);
			place.committed = epoch;
		}
	}
	say("put", times * n);
	printf("%-20s %6.1f bytes a key at the most\n", "", most_bytes() / (double)n);
	begin();
	for (i = 0; i < n; i++) {
		state_prefetch(s, 0, key_of(other(i + AHEAD, n)));
		found += state_get(s, 0, key_of(other(i, n)), &v);
	}
	say("get", n);
	begin();
	for (i = 0; i < n; i++)
		found += state_get(s, 0, key_of(other(i, n)), &v);
	say("get, not told ahead", n);
	state_free(s);
	return found != 2 * n;
}

static int
again(uint64_t n, uint64_t each)
{
	struct failure why;
	struct state *s;

	place.committed = (times * n + each - 1) / each;
	begin();
	s = open_state(place.committed, &why);
	if (!s)
		return broken(&why);
	say("restart", n);
	printf("%-20s %6.1f bytes a key at the most\n", "", most_bytes() / (double)n);
	n -= state_keys(s);
	state_free(s);
	return n != 0;
}

/* In a process of its own, so that memory is told apart. */
static int
apart(int (*run)(uint64_t, uint64_t), uint64_t n, uint64_t each)
{
	int status = 1;

	fflush(stdout);
	switch (fork()) {
	case 0:
		status = run(n, each);
		fflush(stdout);
		_exit(status);
	case -1:
		return 1;
	}
	return wait(&status) < 0 || status != 0;
}

int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t each = argc > 4 ? strtoull(argv[4], NULL, 10) : 100000;

	value_bytes = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	times = argc > 5 ? strtoull(argv[5] + (*argv[5] == '-'), NULL, 10) : 1;
	place.state = argc > 3 ? argv[3] : NULL;
	if (!n || !each || !times || value_bytes > STATE_FIXED_MAX)
		return 64;
	if (argc > 5 && *argv[5] == '-')
		return apart(again, n, each);
	return apart(put, n, each) || (place.state && apart(again, n, each));
}

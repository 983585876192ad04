/* The table of a state, in memory alone: against a model, at its bounds, and its memory. */
#include <stdlib.h>

#include "state/internal.h"
#include "random.h"
#include "test.h"

#define MODEL 4096

/* Keys 0, 1, 2 ... of the model: number 0 is the key of zeros, and some share a home. */
static struct key128
key_of(const struct state *s, unsigned i)
{
	if (i == 0)
		return (struct key128){0, 0};
	if (i % 16 == 1)
		return (struct key128){i, UINT64_MAX - 1};
	return state_key(s, slice_of((const char *)&i, sizeof(i)));
}

static struct state *
make(size_t value_bytes, bool expires, uint64_t max_keys, uint64_t max_memory, bool evict)
{
	static struct flow_place place;
	static struct op_context ctx = {.place = &place};
	struct state_options o = {.tool = "test", .shape = "{}", .value_bytes = value_bytes,
		.expires = expires, .max_keys = max_keys, .max_memory = max_memory};
	struct failure why;
	struct state *s;

	place.evict = evict;
	place.app = "";
	s = state_new(&o, &ctx);
	if (state_assign(s, 3, &why) < 0 || state_rollback(s, 0, &why) < 0)
		abort();
	return s;
}

/* ---- a model: an array of values -------------------------------------------------------- */

static struct model {
	bool there;
	size_t n;
	char value[40];
} model[MODEL];

static int64_t horizon;

static bool
alive(const struct model *m, bool expires)
{
	return m->there && !(expires && value_time(slice_of(m->value, m->n)) < horizon);
}

static int
count(void *arg, struct key128 key, struct slice value)
{
	(void)key, (void)value;
	++*(unsigned *)arg;
	return 0;
}

static bool
same(struct state *s, bool expires)
{
	unsigned i, there = 0, visited = 0;
	struct slice v;

	for (i = 0; i < MODEL; i++) {
		bool got = state_get(s, 3, key_of(s, i), &v);

		if (got != alive(&model[i], expires) ||
			(got && !slice_eq(v, slice_of(model[i].value, model[i].n))))
			return false;
		there += got;
	}
	state_each(s, 3, count, &visited);
	return visited == there && state_keys(s) >= there;
}

static bool
walk(size_t value_bytes, bool expires, unsigned steps)
{
	struct state *s = make(value_bytes, expires, 0, 0, false);
	unsigned step, i, width;
	bool good = true, was;
	struct failure why;
	struct slice v, had;
	char bytes[40];
	int rc;

	memset(model, 0, sizeof(model));
	horizon = INT64_MIN;
	for (step = 0; step < steps && good; step++) {
		/* The table grows and shrinks as the keys in use become more and fewer. */
		width = 1 + (step / 2000 * 1237) % MODEL;
		i = (unsigned)(random64() % width);
		v = slice_of(bytes, value_bytes == STATE_VARIABLE ? random64() % 40
								  : value_bytes);
		memset(bytes, (int)random64(), sizeof(bytes));
		if (expires) {
			int64_t us = (int64_t)step + (int64_t)(random64() % 5000);

			memcpy(bytes, &us, 8);
		}
		was = alive(&model[i], expires);
		switch (random64() % 8) {
		case 0:
		case 1:
		case 2:
			rc = state_add(s, 3, key_of(s, i), v, &had, &why);
			good = rc == !was && (!was || slice_eq(had,
				slice_of(model[i].value, model[i].n)));
			if (!was)
				goto put;
			break;
		case 3:
		case 4:
			good = state_put(s, 3, key_of(s, i), v, &why) == 0;
		put:
			model[i].there = true;
			model[i].n = v.n;
			memcpy(model[i].value, bytes, v.n);
			break;
		case 5:
			if (was) {
				good = state_set(s, 3, key_of(s, i),
					slice_of(bytes, model[i].n), &why) == 0;
				memcpy(model[i].value, bytes, model[i].n);
			}
			break;
		case 6:
			good = state_remove(s, 3, key_of(s, i), &why) == 0;
			model[i].there = false;
			break;
		default:
			if (!expires)
				break;
			if ((int64_t)step > horizon)
				horizon = (int64_t)step;
			good = state_expire(s, 3, (int64_t)step, &why) == 0;
		}
		if (step % 1000 == 0)
			good = good && same(s, expires);
	}
	good = good && same(s, expires);
	good = good && state_rollback(s, 0, &why) == 0 && state_keys(s) == 0 &&
		!state_get(s, 3, key_of(s, 1), &v);
	state_free(s);
	return good;
}

/* ---- bounds ---------------------------------------------------------------------------- */

static uint64_t evicted;
static bool in_order;

static int
on_evict(void *arg, uint32_t task, struct key128 key, struct slice value)
{
	uint64_t i;

	(void)arg;
	memcpy(&i, value.p, 8);
	in_order = in_order && task == 3 && i == evicted && key.lo != 0;
	evicted++;
	return 0;
}

static void
bounds(void)
{
	struct state *s = make(8, false, 1000, 0, false);
	struct failure why = {0};
	struct key128 key;
	struct slice v = {0};
	uint64_t i;
	int rc = 1;

	for (i = 0; i < 1000 && rc == 1; i++)
		rc = state_add(s, 3, key_of(s, (unsigned)i), slice_of((char *)&i, 8), NULL, &why);
	ok(rc == 1, "as many keys as --max-keys says");
	rc = state_add(s, 3, key_of(s, 5000), slice_of((char *)&i, 8), NULL, &why);
	ok(rc == -1 && why.status == EXIT_OS && strstr(why.hint, "--max-keys"),
		"one more is an error: %s", why.text);
	ok(state_put(s, 3, key_of(s, 7), slice_of((char *)&i, 8), &why) == 0,
		"a key that is there takes another value");
	ok(state_remove(s, 3, key_of(s, 7), &why) == 0 &&
		state_add(s, 3, key_of(s, 5000), slice_of((char *)&i, 8), NULL, &why) == 1,
		"where one goes another one fits");
	state_free(s);

	s = make(8, false, 1000, 0, true);
	state_on_evict(s, on_evict, NULL);
	evicted = 0;
	in_order = true;
	for (i = 0, rc = 1; i < 50000 && rc == 1; i++) {
		key = state_key(s, slice_of((char *)&i, 8));
		rc = state_add(s, 3, key, slice_of((char *)&i, 8), NULL, &why);
	}
	ok(rc == 1 && in_order && evicted == 49000 && state_keys(s) == 1000,
		"evict: the keys that were made first go first");
	ok(!state_get(s, 3, state_key(s, slice_of((char *)&evicted, 7)), &v) &&
		state_get(s, 3, key, &v), "and the last one stays");
	state_free(s);

	s = make(STATE_VARIABLE, false, 0, 1 << 20, false);
	for (i = 0, rc = 1; rc == 1 && i < 100000; i++) {
		key = state_key(s, slice_of((char *)&i, 8));
		rc = state_add(s, 3, key, slice_str("a value of some forty bytes, not longer"),
			NULL, &why);
	}
	ok(rc == -1 && why.status == EXIT_OS && strstr(why.hint, "--max-memory") &&
		state_memory(s) <= 1 << 20 && state_memory(s) > 9 << 16,
		"beyond --max-memory: %s", why.text);
	key = state_key(s, slice_of((char *)&rc, 4));
	state_free(s);

	s = make(STATE_VARIABLE, false, 0, 1 << 20, true);
	for (i = 0, rc = 0; rc == 0 && i < 100000; i++) {
		key = state_key(s, slice_of((char *)&i, 8));
		rc = state_put(s, 3, key, slice_str("a value of some forty bytes, not longer"),
			&why);
	}
	ok(rc == 0 && state_memory(s) <= 1 << 20 && state_keys(s) > 5000,
		"evict keeps within --max-memory: %llu keys",
		(unsigned long long)state_keys(s));
	{
		char *large = calloc(1, 2 << 20);

		ok(state_put(s, 3, key, slice_of(large, 2 << 20), &why) == -1 &&
			why.status == EXIT_OS && state_keys(s) > 5000,
			"a value that can't fit is an error, and nothing goes for it");
		free(large);
	}
	state_free(s);

	s = make(8, true, 1000, 0, false);
	for (i = 0, rc = 1; i < 20000 && rc == 1; i++) {
		key = state_key(s, slice_of((char *)&i, 8));
		rc = state_add(s, 3, key, slice_of((char *)&i, 8), NULL, &why);
		if (i >= 900)
			state_expire(s, 3, (int64_t)i - 900, &why);
	}
	ok(rc == 1, "what expired makes room where a bound is reached");
	ok(state_memory(s) < 1000 * 24 * 3, "and its memory comes back: %llu bytes",
		(unsigned long long)state_memory(s));
	ok(state_set(s, 3, state_key(s, slice_of("x", 1)), slice_of((char *)&i, 8), &why) == -1 &&
		why.status == EXIT_INTERNAL, "a value is not set where there is none");
	ok(state_rollback(s, 4, &why) == -1 && why.status == EXIT_CONFIG,
		"memory can't go back to an epoch: %s", why.text);
	state_free(s);
	ok(state_default_memory() > 1 << 20, "a default for --max-memory");
}

/* ---- a table of one region -------------------------------------------------------------- */

#define MANY 900000

/* Of key i the value is i and how often it was set; 0: it is not there. */
static unsigned char times[MANY];

static struct key128
spread(const struct state *s, uint64_t i)
{
	return i == 7 ? (struct key128){0, 0} : state_key(s, slice_of((char *)&i, 8));
}

static bool
all_there(struct state *s, uint64_t gone)
{
	uint64_t i, n = 0, value[2];
	unsigned visited = 0;
	struct slice v;

	for (i = 0; i < MANY; i++) {
		bool there = state_get(s, 3, spread(s, i), &v);

		if (there != (times[i] && i >= gone))
			return false;
		if (there)
			memcpy(value, v.p, sizeof(value));
		if (there && (value[0] != i || value[1] != times[i]))
			return false;
		n += there;
	}
	state_each(s, 3, count, &visited);
	return visited == n;
}

/* Keys up to a number come, go and come again, while the table grows under them; then they
 * expire up to another. */
static void
region(void)
{
	struct state *s = make(16, true, 0, 0, false);
	const struct parts *p = &state_task(s, 3)->parts;
	unsigned moving = 0, checks = 0, step;
	bool good = true, whole = true;
	uint64_t i, reach = 0, value[2], most;
	struct failure why;

	memset(times, 0, sizeof(times));
	for (step = 0; step < 40 && good; step++) {
		for (i = 0; i < 40000 && good; i++) {
			value[0] = random64() % (MANY / 40 * (step + 1));
			if (random64() % 4 == 0) {
				times[value[0]] = 0;
				good = state_remove(s, 3, spread(s, value[0]), &why) == 0;
				continue;
			}
			value[1] = ++times[value[0]] ? times[value[0]] : ++times[value[0]];
			good = state_put(s, 3, spread(s, value[0]),
				slice_of((char *)value, sizeof(value)), &why) == 0;
			/* In the midst of growing, now and then. */
			if (p->unmoved && p->unmoved < PARTS && checks < 12 &&
				random64() % 64 == 0) {
				checks++;
				moving++;
				whole = whole && all_there(s, 0);
			}
		}
		reach = p->reach > reach ? p->reach : reach;
	}
	ok(good && whole && moving > 5 && reach > 12 << 20 && all_there(s, 0),
		"a table of one region, looked at %u times while it grows, to %llu MiB",
		moving, (unsigned long long)reach >> 20);
	most = state_memory(s);
	for (i = 0; i <= MANY / 10 * 9 && good; i += MANY / 10) {
		for (step = 0; step < 4000; step++)
			good = good && state_expire(s, 3, (int64_t)i, &why) == 0;
		for (step = 0; step < PARTS; step++)
			state_sweep(s, state_task(s, 3), step);
		good = good && all_there(s, i);
	}
	ok(good && state_memory(s) < most / 5, "expires and shrinks: from %llu MiB to %llu",
		(unsigned long long)most >> 20, (unsigned long long)state_memory(s) >> 20);
	state_free(s);
}

/* ---- keys that come together -------------------------------------------------------------- */

#define BATCHES 1200
#define BATCH 300

/* Batches into one state, the same keys one by one into another: the answers are the same, where
 * some are new, come twice in a batch, share a home or are the key of zeros. */
static bool
together(size_t value_bytes, bool evict, uint64_t max_keys)
{
	struct state *s = make(value_bytes, false, max_keys, 0, evict);
	struct state *one = make(value_bytes, false, max_keys, 0, evict);
	uint8_t made[BATCH];
	struct key128 key[BATCH];
	struct failure why;
	unsigned b, i, n, visited = 0;
	bool good = true;

	one->secret = s->secret;
	for (b = 0; b < BATCHES && good; b++) {
		n = (unsigned)(random64() % BATCH);
		for (i = 0; i < n; i++)
			key[i] = key_of(s, (unsigned)(random64() % (200 * (b + 1))));
		good = state_add_all(s, 3, key, n, made, &why) == n;
		for (i = 0; i < n && good; i++)
			good = state_add(one, 3, key[i], SLICE(""), NULL, &why) == made[i];
	}
	state_each(s, 3, count, &visited);
	good = good && state_keys(s) == state_keys(one) && visited == state_keys(s) &&
		state_memory(s) == state_memory(one);
	state_free(one);
	state_free(s);
	return good;
}

static void
batches(void)
{
	struct state *s = make(0, false, 100, 0, false);
	struct key128 key[BATCH];
	uint8_t made[BATCH];
	struct failure why;
	unsigned i;

	ok(together(0, false, 0), "many keys at once are as one by one");
	ok(together(0, true, 5000), "where the oldest give way too");
	ok(together(STATE_VARIABLE, false, 0), "and beside values");

	for (i = 0; i < BATCH; i++)
		key[i] = key_of(s, i / 2);
	ok(state_add_all(s, 3, key, BATCH, made, &why) == 200 && why.status == EXIT_OS &&
		state_keys(s) == 100, "those before the bound are in: %s", why.text);
	for (i = 0; i < 200 && made[i] == !(i % 2); i++)
		;
	ok(i == 200, "and it is said which of them are new");
	ok(state_add_all(s, 3, key, 200, made, &why) == 200 && !memchr(made, 1, 200),
		"what is there is found beyond it");
	ok(state_add_all(s, 4, key, 1, made, &why) == 0 && why.status == EXIT_INTERNAL,
		"no keys of a task that is not assigned");
	state_free(s);
}

/* ---- spots ------------------------------------------------------------------------------ */

static bool
is_now(struct slice v, const struct model *m)
{
	return m->there && v.n == m->n && memcmp(v.p, m->value, m->n) == 0;
}

/* A value is made, gets a tail, or goes, wherever its key was looked for. */
static bool
at_spot(struct state *s, struct key128 key, struct model *m, struct state_spot *spot)
{
	struct slice tail = SLICE("12345");
	struct failure why;
	char *p;

	if (!m->there) {
		p = state_make(s, spot, key, 3, random64() % 3 * 8, &why);
		memcpy(m->value, "abc", 3);
		if (p)
			memcpy(p, "abc", 3);
		m->n = 3;
		return m->there = p != NULL;
	}
	if (m->n + tail.n > sizeof(m->value) || random64() % 4 == 0) {
		m->there = false;
		return state_remove_spot(s, spot, &why) == 0;
	}
	memcpy(m->value + m->n, tail.p, tail.n);
	m->n += tail.n;
	return state_append(s, spot, tail, &why) == 1;
}

/* Keys of some hundred, in batches that are brought near while the ones before are changed. */
static void
spots(void)
{
	struct state *s = make(STATE_VARIABLE, false, 0, 0, false);
	struct state_near near[2] = {{.now = NULL}};
	struct key128 key[2][STATE_NEAR];
	unsigned number[2][STATE_NEAR], turn = 0, i, step;
	struct state_spot spot;
	size_t wrong = 0, at_once = 0, asked = 0;
	bool there;

	memset(model, 0, sizeof(model));
	for (step = 0; step < 20000; step++, turn ^= 1) {
		for (i = 0; i < STATE_NEAR; i++) {
			number[turn][i] = (unsigned)(random64() % (step < 10000 ? 300 : MODEL));
			key[turn][i] = key_of(s, number[turn][i]);
		}
		state_prefetch_all(s, 3, key[turn], STATE_NEAR);
		state_near_all(s, 3, key[turn], STATE_NEAR, &near[turn]);
		for (i = 0; i < STATE_NEAR && step; i++, asked++) {
			struct model *m = &model[number[turn ^ 1][i]];

			there = state_at(&near[turn ^ 1], i, key[turn ^ 1][i], &spot);
			at_once += there;
			there = there || state_find(s, 3, key[turn ^ 1][i], &spot);
			wrong += there != m->there || (there && !is_now(spot.value, m)) ||
				!at_spot(s, key[turn ^ 1][i], m, &spot);
		}
	}
	ok(!wrong && asked > 300000, "values where they lie are what they should be (%zu of %zu "
		"are not)", wrong, asked);
	ok(at_once > asked / 3, "many of them where they lay before (%zu)", at_once);
	state_free(s);
}

/* ---- bytes a key ------------------------------------------------------------------------ */

static void
density(void)
{
	/* Keys as any secret spreads them, but the same each time. */
	const struct keyed secret = keyed_of(1, 2);
	struct state *s = make(0, false, 0, 0, false);
	double most = 0, much = 0, now;
	struct failure why;
	uint64_t i;

	for (i = 1; i <= 6000000; i++) {
		state_add(s, 3, keyed_hash(&secret, slice_of((char *)&i, 8)), SLICE(""), NULL, &why);
		now = (double)state_memory(s) / (double)i;
		if (i > 10000 && now > most)
			most = now;
		if (i > 4500000 && now > much)
			much = now;
	}
	ok(most < 32 && state_keys(s) == 6000000,
		"%.1f bytes of memory a key of 16 at the most, from 10,000 keys on", most);
	ok(much < 27, "%.1f, from 4,500,000 keys on", much);
	state_free(s);
}

int
main(void)
{
	ok(walk(0, false, 100000), "sets of keys");
	ok(walk(8, false, 100000), "values of 8 bytes");
	ok(walk(5, false, 60000), "values of 5 bytes");
	ok(walk(8, true, 100000), "values that are times, and expire");
	ok(walk(24, true, 100000), "values of 24 bytes that expire");
	ok(walk(STATE_VARIABLE, false, 100000), "values of any size");
	bounds();
	region();
	batches();
	spots();
	density();
	return done();
}

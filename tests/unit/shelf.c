/* The shelf of a join: against a model that keeps all, with numbers of chunks that begin again. */
#include <stdlib.h>

#include "join/shelf.h"
#include "random.h"
#include "test.h"

#define ITEMS 60000
#define KEYS 3000
#define SPAN 4000 /* of time, in which an item is found */
#define TOGETHER 100

/* Some share all bits of the hash, and some those that a slot has. */
static uint64_t
hash_of(unsigned key)
{
	if (key % 16 == 0)
		return 7;
	if (key % 16 == 1)
		return UINT64_C(7) | (uint64_t)key << 24;
	return key * UINT64_C(0x9E3779B97F4A7C15);
}

static struct {
	unsigned key, side;
	int64_t us;
} model[ITEMS];

static struct item *
make(struct pool *pool, unsigned n)
{
	static char large[70000];
	char key[32];
	struct item_parts of = {.us = model[n].us, .until_us = model[n].us + SPAN,
		.hash = hash_of(model[n].key), .side = model[n].side, .rank = model[n].side & 1};
	int len = snprintf(key, sizeof(key), "\"%0*u\"", (int)(model[n].key % 20),
		model[n].key);

	memset(large, 'x', sizeof(large));
	memcpy(large, &n, sizeof(n));
	of.key = slice_of(key, (size_t)len);
	of.content = slice_of(large, sizeof(n) + (n % 1000 ? n % 90 : n % 7 * 10000));
	return item_new(pool, &of);
}

/* The items of a side that are found by the key of one: those of the model that are not over,
 * from the newest to the oldest, and behind them perhaps others that are. */
static bool
finds(const struct shelf *h, const struct item *by, enum join_side side, unsigned upto, int64_t us)
{
	const struct shelf_slot *s = shelf_find(h, by);
	struct item *i = s && s->ref[0] ? shelf_item(&h->side[side], s->ref[side]) : NULL;
	unsigned n, got, key = model[upto].key;

	for (n = upto; n-- > 0;) {
		if (model[n].key != key || model[n].side != (unsigned)side)
			continue;
		if (model[n].us + SPAN < us)
			break;
		if (!i || (memcpy(&got, item_content(i).p, sizeof(got)), got != n))
			return false;
		i = shelf_before(h, i);
	}
	for (; i; i = shelf_before(h, i))
		if (i->until_us >= us || !slice_eq(item_key(i), item_key(by)))
			return false;
	return true;
}

/* Keys that come for some time only, and time that leaps. */
static void
think_up(unsigned n)
{
	model[n].key = (unsigned)(random64() % KEYS + n / 5000 * 1000);
	model[n].side = (unsigned)(random64() % 4 == 0);
	model[n].us = (n ? model[n - 1].us : 0) + (n % 9000 == 0 ? 3 * SPAN : n % 3 == 0);
}

/* Some come together, in any order, and are put in that of their times. */
static unsigned
lay(struct shelf *h, struct pool *pool, unsigned n, struct item **laid, uint64_t *went)
{
	unsigned k, many = (unsigned)(random64() % TOGETHER) + 1, at, order[TOGETHER];
	struct item *i;

	many = many < ITEMS - n ? many : ITEMS - n;
	for (k = 0; k < many; k++) {
		think_up(n + k);
		at = (unsigned)(random64() % (k + 1));
		order[k] = order[at];
		order[at] = k;
	}
	for (k = 0; k < many; k++) {
		i = make(pool, n + order[k]);
		laid[order[k]] = shelf_lay(h, pool, i, n ? model[n - 1].us : INT64_MIN, went);
		item_free(pool, i);
	}
	return many;
}

/* first: the number of the first chunk. */
static void
runs(uint64_t first, const char *what)
{
	struct item *laid[TOGETHER];
	struct shelf h = {0};
	struct pool pool = {0};
	uint64_t went = 0, put = 0, most = 0;
	bool good = true;
	unsigned n, k, many;

	h.side[0].first = h.side[0].next = h.side[1].first = h.side[1].next = first;
	h.purged[0] = h.purged[1] = first;
	for (n = 0; n < ITEMS && good; n += many) {
		many = lay(&h, &pool, n, laid, &went);
		put += many;
		most = put - went > most ? put - went : most;
		for (k = 0; k < many && good; k++) {
			good = finds(&h, laid[k], SIDE_LEFT, n + k, model[n + k].us) &&
				finds(&h, laid[k], SIDE_RIGHT, n + k, model[n + k].us);
			shelf_put(&h, laid[k], shelf_find(&h, laid[k]));
		}
		went += shelf_expire(&h, &pool, model[n + many - 1].us);
	}
	ok(good, "%s: who is not over is found, in order", what);
	ok(most < 3 * SPAN + 2000, "%s: what is over goes: %llu at most", what,
		(unsigned long long)most);
	ok(h.mask + 1 <= 16384, "%s: and so do its slots: %zu", what, h.mask + 1);
	went += shelf_release(&h, &pool);
	ok(went == put && pool.used == 0, "%s: all is given back", what);
	pool_release(&pool);
}

static void
put(struct shelf *h, struct pool *pool, const struct item *i, int64_t us)
{
	uint64_t went = 0;
	struct item *laid = shelf_lay(h, pool, i, us, &went);

	shelf_put(h, laid, shelf_find(h, laid));
}

/* A key that goes on for so long that numbers of the other side begin again meanwhile. */
static void
never_again(void)
{
	struct shelf h = {0};
	struct pool pool = {0};
	uint64_t wrap = UINT64_C(1) << (SHELF_REF_BITS - SHELF_PLACE_BITS);
	struct item *left, *right, *i;
	struct shelf_slot *s;
	unsigned n;

	model[0].key = model[1].key = 5;
	model[0].us = 0;
	model[1].us = 10 * SPAN;
	model[0].side = SIDE_RIGHT;
	model[1].side = SIDE_LEFT;
	right = make(&pool, 0);
	left = make(&pool, 1);
	put(&h, &pool, right, 0);
	put(&h, &pool, left, 10 * SPAN);
	shelf_expire(&h, &pool, 10 * SPAN);
	model[2].key = 6;
	model[2].side = SIDE_RIGHT;
	model[2].us = 0;
	i = make(&pool, 2);
	/* So many chunks of the right side come and go, each with an item of another key. */
	for (n = 1; n <= 3; n++) {
		h.side[1].first = h.side[1].next = n < 3 ? wrap / 3 * n : wrap + 1;
		put(&h, &pool, i, 0);
		put(&h, &pool, left, 10 * SPAN);
		if (n < 3)
			shelf_expire(&h, &pool, 10 * SPAN);
	}
	s = shelf_find(&h, left);
	ok(s && s->ref[0] && !shelf_item(&h.side[1], s->ref[1]) &&
		shelf_item(&h.side[0], s->ref[0]), "what went is not found under a number that "
		"another has later");
	item_free(&pool, left);
	item_free(&pool, right);
	item_free(&pool, i);
	shelf_release(&h, &pool);
	pool_release(&pool);
}

int
main(void)
{
	runs(1, "from the start");
	runs((UINT64_C(1) << 28) - 40, "where numbers begin again");
	never_again();
	return done();
}

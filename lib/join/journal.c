/*
 * Items in the state. New ones wait in a list, and are written down some at a time: a value
 * holds up to PIECES of them, and is gone when the last one's time is over. What goes earlier
 * is marked, and its bytes go once they are half of the value, so that little that stays keeps
 * no more than its head.
 */
#include "join/journal.h"

#include <stdlib.h>

#include "base/mem.h"

#define BATCH 1024
#define PIECES 64
#define BUNDLE_BYTES 65536 /* and no more items then */
#define FRESH (UINT64_C(1) << 63) /* in the id of an item: its place in the list */

/* A value: this, and then its items. The number 0 has the mark. */
struct bundle {
	int64_t expires_us;  /* lib/state's */
	uint64_t id;
	uint32_t n;          /* items that there were */
	uint32_t gone_bytes; /* of those that went */
	uint32_t at[];       /* from the beginning of the value; 0: it went */
};

/* Behind it, of a row, its place (uint64_t); then the texts. */
struct stored {
	int64_t us, until_us;
	uint32_t key_n, kafka_n, content_n;
	uint8_t side, rank, removes, paired;
};

struct stored_mark {
	int64_t expires_us;
	uint64_t last_id;
	int64_t now_us, gone_us;
	uint64_t given_up;
};

struct fresh {
	uint32_t task;
	struct item *item;   /* NULL: gone again, or written */
};

struct journal {
	struct state *state;
	uint64_t last_id;    /* of a bundle */
	struct fresh fresh[BATCH];
	size_t n;
	struct buf room;
};

struct journal *
journal_new(const char *shape, const struct op_context *ctx)
{
	struct state_options options = {.tool = "sk-join", .shape = shape,
		.value_bytes = STATE_VARIABLE, .expires = true,
		.max_memory = UINT64_MAX / 4, .max_keys = UINT64_MAX / 4};
	struct journal *j = mem_zalloc(sizeof(*j));

	j->state = state_new(&options, ctx);
	return j;
}

void
journal_free(struct journal *j)
{
	if (!j)
		return;
	state_free(j->state);
	buf_release(&j->room);
	free(j);
}

uint64_t
journal_memory(const struct journal *j)
{
	return j ? state_memory(j->state) : 0;
}

/* Numbers are spread over the table; 0 is the key of zeros. */
static struct key128
key_of(uint64_t id)
{
	uint64_t x = id * UINT64_C(0x9E3779B97F4A7C15), y = id * UINT64_C(0xD6E8FEB86659FD93);

	return (struct key128){x ^ x >> 32, y ^ y >> 29};
}

/* ---- what is new ------------------------------------------------------------------- */

static inline bool
is_row(const struct stored *s)
{
	return s->side == SIDE_RIGHT && !s->rank;
}

/* Does an item go with others? What never ends would keep them. */
static inline bool
is_social(const struct item *i)
{
	return i->until_us != INT64_MAX;
}

static size_t
add_item(struct buf *b, const struct item *i)
{
	struct stored s = {.us = i->us, .until_us = i->until_us,
		.key_n = i->key_n, .kafka_n = i->kafka_n, .content_n = i->content_n,
		.side = i->side, .rank = i->rank, .removes = i->removes, .paired = i->paired,
	};
	size_t at = b->n, bytes = item_bytes(i) - sizeof(*i);
	uint64_t place = item_place(i);

	buf_reserve(b, sizeof(s) + sizeof(place) + bytes + 8);
	buf_add(b, &s, sizeof(s));
	if (is_row(&s))
		buf_add(b, &place, sizeof(place));
	buf_add(b, i->p, bytes);
	while (b->n % 8)
		buf_addc(b, 0);
	return at;
}

static inline bool
goes_with(const struct fresh *f, uint32_t task, bool social)
{
	return f->item && f->task == task && is_social(f->item) == social;
}

/* A bundle of the items from fresh[from] on that are of its task: its value. */
static struct slice
bundle_of(struct journal *j, size_t from)
{
	struct fresh *f = &j->fresh[from];
	struct bundle head = {.expires_us = INT64_MIN, .id = ++j->last_id};
	uint32_t at[PIECES], task = f->task, most;
	bool social = is_social(f->item);
	struct buf *b = &j->room;
	size_t k, places;

	for (k = from; k < j->n && head.n < (social ? PIECES : 1); k++)
		head.n += goes_with(&j->fresh[k], task, social);
	places = (head.n * sizeof(*at) + 7) & ~(size_t)7;
	buf_reset(b);
	buf_reserve(b, sizeof(head) + places);
	b->n = sizeof(head) + places;
	memset(b->p, 0, b->n);
	for (k = from, most = head.n, head.n = 0; head.n < most && b->n < BUNDLE_BYTES; k++) {
		f = &j->fresh[k];
		if (!goes_with(f, task, social))
			continue;
		if (item_over_us(f->item) > head.expires_us)
			head.expires_us = item_over_us(f->item);
		at[head.n] = (uint32_t)add_item(b, f->item);
		item_front(f->item)->id = head.id * PIECES + head.n++;
		f->item = NULL;
	}
	memcpy(b->p, &head, sizeof(head));
	memcpy(b->p + sizeof(head), at, head.n * sizeof(*at));
	return buf_slice(b);
}

static int
write_fresh(struct journal *j, struct failure *why)
{
	uint32_t task;
	struct slice v;
	size_t i;

	for (i = 0; i < j->n; i++) {
		if (!j->fresh[i].item)
			continue;
		task = j->fresh[i].task;
		v = bundle_of(j, i);
		if (state_add(j->state, task, key_of(j->last_id), v, NULL, why) < 0)
			return -1;
	}
	j->n = 0;
	return 0;
}

int
journal_add(struct journal *j, uint32_t task, struct item *i, struct failure *why)
{
	if (!j)
		return 0;
	if (j->n == BATCH && write_fresh(j, why) < 0)
		return -1;
	item_front(i)->id = FRESH | j->n;
	j->fresh[j->n++] = (struct fresh){task, i};
	return 0;
}

/* ---- what changes ------------------------------------------------------------------ */

/* The bundle of an item that was written, to be changed. NULL: it is gone, or -1 in *rc. */
static struct bundle *
edit(struct journal *j, uint32_t task, const struct item *i, size_t *n, int *rc,
	struct failure *why)
{
	char *p = state_edit(j->state, task, key_of(item_id(i) / PIECES), n, why);

	*rc = !p && why->status ? -1 : 0;
	return (struct bundle *)(void *)p;
}

int
journal_change(struct journal *j, uint32_t task, const struct item *i, struct failure *why)
{
	struct bundle *b;
	size_t n;
	int rc;

	if (!j || item_id(i) & FRESH)
		return 0;
	b = edit(j, task, i, &n, &rc, why);
	if (b && b->at[item_id(i) % PIECES])
		((struct stored *)(void *)((char *)b + b->at[item_id(i) % PIECES]))->paired =
			i->paired;
	return rc;
}

static uint32_t
bytes_of(const struct bundle *b, uint32_t at)
{
	const struct stored *s = (const void *)((const char *)b + at);
	size_t n = sizeof(*s) + (is_row(s) ? sizeof(uint64_t) : 0) + s->key_n + s->content_n +
		(s->kafka_n == ITEM_NO_KAFKA_KEY ? 0 : s->kafka_n);

	return (uint32_t)((n + 7) & ~(size_t)7);
}

/* Without what went. */
static int
shrink(struct journal *j, uint32_t task, const struct bundle *b, struct failure *why)
{
	size_t head = sizeof(*b) + ((b->n * sizeof(*b->at) + 7) & ~(size_t)7);
	struct bundle *to;
	uint32_t k, at;

	buf_reset(&j->room);
	buf_add(&j->room, b, head);
	for (k = 0; k < b->n; k++) {
		if (!b->at[k])
			continue;
		at = (uint32_t)j->room.n;
		buf_add(&j->room, (const char *)b + b->at[k], bytes_of(b, b->at[k]));
		to = (struct bundle *)(void *)j->room.p;
		to->at[k] = at;
	}
	to = (struct bundle *)(void *)j->room.p;
	to->gone_bytes = 0;
	if (j->room.n == head)
		return state_remove(j->state, task, key_of(b->id), why);
	return state_put(j->state, task, key_of(b->id), buf_slice(&j->room), why);
}

int
journal_forget(struct journal *j, uint32_t task, const struct item *i, bool early,
	struct failure *why)
{
	struct bundle *b;
	struct fresh *f;
	uint32_t *at;
	size_t n;
	int rc;

	if (!j)
		return 0;
	if (item_id(i) & FRESH) {
		f = &j->fresh[item_id(i) & ~FRESH];
		/* One that is done was taken out of the list, and another may stand there. */
		if (f->item == i)
			f->item = NULL;
		return 0;
	}
	if (!early)
		return 0;
	b = edit(j, task, i, &n, &rc, why);
	if (!b)
		return rc;
	at = &b->at[item_id(i) % PIECES];
	if (!*at)
		return 0;
	b->gone_bytes += bytes_of(b, *at);
	*at = 0;
	return b->gone_bytes >= n / 2 ? shrink(j, task, b, why) : 0;
}

int
journal_expire(struct journal *j, uint32_t task, int64_t us, struct failure *why)
{
	return j ? state_expire(j->state, task, us, why) : 0;
}

/* ---- epochs ------------------------------------------------------------------------ */

int
journal_assign(struct journal *j, uint32_t task, struct failure *why)
{
	return j ? state_assign(j->state, task, why) : 0;
}

/* What is new of that task is given up with it, as in the state. */
int
journal_revoke(struct journal *j, uint32_t task, struct failure *why)
{
	size_t i;

	if (!j)
		return 0;
	for (i = 0; i < j->n; i++)
		if (j->fresh[i].task == task)
			j->fresh[i].item = NULL;
	return state_revoke(j->state, task, why);
}

int
journal_rollback(struct journal *j, uint64_t epoch, struct failure *why)
{
	if (!j)
		return 0;
	j->n = 0;
	return state_rollback(j->state, epoch, why);
}

int
journal_barrier(struct journal *j, uint64_t epoch, struct failure *why)
{
	if (!j)
		return 0;
	return write_fresh(j, why) < 0 ? -1 : state_barrier(j->state, epoch, why);
}

int
journal_put_mark(struct journal *j, uint32_t task, const struct journal_mark *mark,
	struct failure *why)
{
	struct stored_mark m = {.expires_us = INT64_MAX, .last_id = j ? j->last_id : 0,
		.now_us = mark->now_us, .gone_us = mark->gone_us, .given_up = mark->given_up};

	return j ? state_put(j->state, task, key_of(0),
		slice_of((const char *)&m, sizeof(m)), why) : 0;
}

/* ---- what there is ----------------------------------------------------------------- */

struct load {
	struct journal *j;
	int64_t gone_us;
	void (*take)(void *arg, const struct item_parts *, uint64_t id);
	void *arg;
};

/* One of a bundle, unless its time was over before the others'. */
static void
load_item(const struct load *l, const char *p, uint64_t id)
{
	struct item_parts of;
	struct stored s;

	memcpy(&s, p, sizeof(s));
	p += sizeof(s);
	if ((s.us > s.until_us ? s.us : s.until_us) < l->gone_us)
		return;
	of = (struct item_parts){.us = s.us, .until_us = s.until_us, .side = s.side,
		.rank = s.rank, .removes = s.removes, .paired = s.paired};
	if (is_row(&s)) {
		memcpy(&of.place, p, sizeof(of.place));
		p += sizeof(of.place);
	}
	of.key = slice_of(p, s.key_n);
	p += s.key_n;
	if (s.kafka_n != ITEM_NO_KAFKA_KEY) {
		of.kafka_key = slice_of(p, s.kafka_n);
		p += s.kafka_n;
	}
	of.content = slice_of(p, s.content_n);
	l->take(l->arg, &of, id);
}

static int
load_bundle(void *arg, struct key128 key, struct slice value)
{
	struct load *l = arg;
	struct bundle head;
	uint32_t k, at;

	if (!(key.hi | key.lo))
		return 0;
	memcpy(&head, value.p, sizeof(head));
	if (head.id > l->j->last_id)
		l->j->last_id = head.id;
	for (k = 0; k < head.n; k++) {
		memcpy(&at, value.p + sizeof(head) + k * sizeof(at), sizeof(at));
		if (at)
			load_item(l, value.p + at, head.id * PIECES + k);
	}
	return 0;
}

void
journal_load(struct journal *j, uint32_t task, struct journal_mark *mark,
	void (*take)(void *arg, const struct item_parts *, uint64_t id), void *arg)
{
	struct load l = {j, INT64_MIN, take, arg};
	struct stored_mark m;
	struct slice v;

	if (!j)
		return;
	if (state_get(j->state, task, key_of(0), &v)) {
		memcpy(&m, v.p, sizeof(m));
		*mark = (struct journal_mark){m.now_us, m.gone_us, m.given_up};
		l.gone_us = m.gone_us;
		if (m.last_id > j->last_id)
			j->last_id = m.last_id;
	}
	state_each(j->state, task, load_bundle, &l);
}

/*
 * Records of a file, taken into the table. What takes time is to wait for memory, so records
 * are looked at some ahead; and where there is much, two threads go over the same blocks, one
 * of them taking the even parts, the other one the odd ones. Keys of one part stay in order.
 * A part that has to grow needs the whole table: its thread stops there, and when the other
 * one is done too the table grows and both go on.
 */
#define _DEFAULT_SOURCE /* posix_fadvise, and the processors that there are */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/internal.h"

#define AHEAD 24
#define BLOCKS 16              /* that are gone over together */
#define BYTES (12u << 20)      /* of them */

struct body {
	uint64_t at;           /* of its block in the file */
	struct buf bytes;
	struct slice records;
	int part;              /* of all its records; -1: of any */
};

/* One thread's: where it stands, and what it has changed. */
struct hand {
	struct replay *r;
	unsigned number;
	size_t body;
	const char *p;         /* in it; NULL: at its beginning */
	bool stuck, broken;
	struct key128 key;     /* that it is stuck at */
	int64_t values, horizon;
};

struct replay {
	struct state *s;
	struct task *t;
	struct file *file;
	enum block_kind kind;
	struct body body[BLOCKS];
	size_t n;
	struct hand hand[2];
	unsigned hands;
	pthread_t helper;
	pthread_barrier_t gate;
	bool over;
};

/* ---- records --------------------------------------------------------------------------- */

static bool
is_sound(const struct state *s, const struct change *c)
{
	switch (c->op) {
	case RECORD_EXPIRE:
		return c->value.n == sizeof(int64_t);
	case RECORD_REMOVE:
		return c->value.n == 0;
	default:
		return s->variable ? c->value.n <= STATE_VALUE_MAX
				   : c->value.n == s->opt.value_bytes;
	}
}

/* false: its part has to grow first. */
static bool
take(struct hand *h, const struct change *c)
{
	struct state *s = h->r->s;
	struct task *t = h->r->t;
	bool there;
	char *slot = parts_look(&t->parts, c->key, &there);

	if (c->op == RECORD_REMOVE) {
		if (there) {
			h->values += value_drop(s, slot);
			parts_remove(&t->parts, slot);
		}
		return true;
	}
	if (!slot)
		return false;
	if (!there)
		parts_take(&t->parts, c->key, slot);
	if (s->evict && (!there || c->op == RECORD_STAMPED)) {
		t->stamped |= c->op == RECORD_STAMPED;
		*slot_stamp(s, slot) = c->op == RECORD_STAMPED ? c->stamp : t->stamp;
		if (*slot_stamp(s, slot) >= t->stamp)
			t->stamp = *slot_stamp(s, slot) + 1;
	}
	h->values += value_put(s, slot, c->value, !there, 0);
	return true;
}

/* The records of a body that are this hand's: some are read, then they are taken. */
static bool
take_body(struct hand *h, const struct body *b)
{
	const struct replay *r = h->r;
	const char *p = h->p ? h->p : b->records.p, *end = b->records.p + b->records.n;
	const char *at[AHEAD];
	struct change c[AHEAD];
	size_t n, i;

	while (p < end) {
		for (n = 0; n < AHEAD && p < end;) {
			at[n] = p;
			p = record_read(p, end, &c[n]);
			if (!p || !is_sound(r->s, &c[n]) ||
				(b->part >= 0 && part_of(c[n].key) != (unsigned)b->part)) {
				h->broken = true;
				return false;
			}
			if (c[n].op == RECORD_EXPIRE) {
				if (value_time(c[n].value) > h->horizon)
					h->horizon = value_time(c[n].value);
				continue;
			}
			if (r->hands > 1 && part_of(c[n].key) % 2 != h->number)
				continue;
			parts_prefetch(&r->t->parts, c[n].key);
			n++;
		}
		for (i = 0; i < n; i++)
			if (!take(h, &c[i])) {
				h->stuck = true;
				h->key = c[i].key;
				h->p = at[i];
				return false;
			}
	}
	h->p = NULL;
	return true;
}

static void
take_bodies(struct hand *h)
{
	const struct replay *r = h->r;
	const struct body *b;

	for (; h->body < r->n; h->body++) {
		b = &r->body[h->body];
		if (b->part >= 0 && r->hands > 1 && (unsigned)b->part % 2 != h->number)
			continue;
		if (!take_body(h, b))
			return;
	}
}

/* ---- two hands ------------------------------------------------------------------------- */

static void *
help(void *arg)
{
	struct replay *r = arg;

	for (;;) {
		pthread_barrier_wait(&r->gate);
		if (r->over)
			return NULL;
		take_bodies(&r->hand[1]);
		pthread_barrier_wait(&r->gate);
	}
}

static void
begin(struct replay *r, uint64_t bytes)
{
	unsigned i;

	r->hands = 1;
	for (i = 0; i < 2; i++)
		r->hand[i] = (struct hand){.r = r, .number = i, .horizon = INT64_MIN};
	/* The order of keys that never had a number is that of their records. */
	if (bytes < r->s->alone || r->s->evict || sysconf(_SC_NPROCESSORS_ONLN) < 2 ||
		pthread_barrier_init(&r->gate, NULL, 2) != 0)
		return;
	r->hands = 2;
	if (pthread_create(&r->helper, NULL, help, r) != 0) {
		pthread_barrier_destroy(&r->gate);
		r->hands = 1;
	}
}

static void
end(struct replay *r)
{
	size_t i;

	if (r->hands > 1) {
		r->over = true;
		pthread_barrier_wait(&r->gate);
		pthread_join(r->helper, NULL);
		pthread_barrier_destroy(&r->gate);
	}
	for (i = 0; i < BLOCKS; i++)
		buf_release(&r->body[i].bytes);
	for (i = 0; i < r->hands; i++) {
		r->s->values += (uint64_t)r->hand[i].values;
		if (r->hand[i].horizon > r->t->horizon)
			r->t->horizon = r->hand[i].horizon;
	}
}

/* 1; 0: a body holds what are no records, *at says which. */
static int
take_all(struct replay *r, uint64_t *at)
{
	struct hand *h;
	bool again = true;
	unsigned i;

	for (i = 0; i < r->hands; i++)
		r->hand[i].body = 0;
	while (again) {
		if (r->hands > 1)
			pthread_barrier_wait(&r->gate);
		take_bodies(&r->hand[0]);
		if (r->hands > 1)
			pthread_barrier_wait(&r->gate);
		again = false;
		for (i = 0; i < r->hands; i++) {
			h = &r->hand[i];
			if (h->broken) {
				*at = r->body[h->body].at;
				return 0;
			}
			if (!h->stuck)
				continue;
			again = true;
			h->stuck = false;
			r->s->tables -= r->t->parts.memory;
			parts_grow(&r->t->parts, h->key, UINT64_MAX);
			r->s->tables += r->t->parts.memory;
		}
	}
	return 1;
}

/* ---- blocks ---------------------------------------------------------------------------- */

/* Read and check one: 1, or 0 where it is damaged. */
static int
read_body(struct replay *r, uint64_t at, uint64_t *behind, struct failure *why)
{
	struct body *b = &r->body[r->n];
	struct part_head part;
	struct block_head head;
	int rc = file_block(r->file, at, &head, why);

	if (rc > 0)
		rc = file_body(r->file, at, &head, &b->bytes, why);
	if (rc <= 0)
		return rc;
	*behind = file_behind(at, &head);
	if (head.kind != r->kind) /* marks were walked over before; a snapshot has but parts */
		return r->kind == BLOCK_CHANGES;
	b->at = at;
	b->part = -1;
	b->records = buf_slice(&b->bytes);
	if (r->kind == BLOCK_PART) {
		if (b->bytes.n < sizeof(part))
			return 0;
		memcpy(&part, b->bytes.p, sizeof(part));
		b->part = (int)(part.part % PARTS);
		b->records.p += sizeof(part);
		b->records.n -= sizeof(part);
	}
	r->n++;
	return 1;
}

int
replay(struct state *s, struct task *t, struct file *f, enum block_kind kind, uint64_t until,
	struct failure *why)
{
	struct replay r = {.s = s, .t = t, .file = f, .kind = kind};
	uint64_t at = FILE_HEAD, behind = FILE_HEAD, bytes, keys = parts_count(&t->parts);
	int rc = 1;

	(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	begin(&r, until);
	while (behind < until && rc > 0) {
		for (r.n = bytes = 0; behind < until && r.n < BLOCKS && bytes < BYTES && rc > 0;
			bytes += behind - at) {
			at = behind;
			rc = read_body(&r, at, &behind, why);
		}
		if (rc > 0)
			rc = take_all(&r, &at);
	}
	end(&r);
	s->keys += parts_count(&t->parts) - keys;
	if (rc == 0)
		file_damaged(f, at, why);
	return rc > 0 ? 0 : -1;
}

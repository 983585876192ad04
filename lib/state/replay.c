/*
 * Records of a file, taken into the table. What takes time is to wait for memory, so records
 * are looked at some ahead; and where there is much, two threads read every other block each
 * and sort its records by who will take them: a half of the parts is each one's. Keys of one
 * part stay in order.
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

#define AHEAD 32               /* records, a power of 2 */
#define SHORT 24               /* bytes of a record that are copied at once */
#define BLOCKS 16              /* that are gone over together */
#define BYTES (12u << 20)      /* of them */

struct body {
	uint64_t at;           /* of its block in the file */
	struct block_head head;
	bool damaged;
	struct buf bytes;
	struct slice records;
	struct buf of[2];      /* of any part: the records of each hand, if there are two */
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
	struct failure why;    /* its status not 0: a block can't be read */
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
	void (*work)(struct hand *); /* that the hands do next; NULL: nothing any more */
};

/* Which hand takes what goes to a part. A snapshot has one part after the other. What is known
 * of neighbours lies side by side in memory, and two processors that both write there wait. */
static inline unsigned
hand_of(const struct replay *r, unsigned part)
{
	return r->kind == BLOCK_PART ? part / 4 % 2 : part / (PARTS / 2);
}

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
	if (s->variable)
		h->values += value_put(s, slot, c->value, !there, 0);
	else if (c->value.n)
		memcpy(slot + sizeof(c->key), c->value.p, c->value.n);
	return true;
}

/* The record at p, where the next one is, or NULL. Most are put, with a value of fixed size,
 * as the one byte in front says: plain. */
static inline const char *
read_record(const struct hand *h, const char *p, const char *end, int plain, struct change *c)
{
	const struct state *s = h->r->s;
	size_t n;

	if ((unsigned char)*p != plain || (size_t)(end - p) < 17 + s->opt.value_bytes) {
		p = record_read(p, end, c);
		return p && is_sound(s, c) ? p : NULL;
	}
	n = s->opt.value_bytes;
	memcpy(&c->key, p + 1, sizeof(c->key));
	c->op = RECORD_PUT;
	c->value = slice_of(p + 17, n);
	return p + 17 + n;
}

static inline void
expire(struct hand *h, const struct change *c)
{
	if (value_time(c->value) > h->horizon)
		h->horizon = value_time(c->value);
}

static inline int
plain_byte(const struct state *s)
{
	return s->variable || s->evict || s->opt.value_bytes >= 32 ? -1 :
		(int)(s->opt.value_bytes << 2 | RECORD_PUT);
}

/* The records of a body are taken some behind where they are read. */
static bool
take_records(struct hand *h, struct slice records, int part)
{
	const struct replay *r = h->r;
	const char *p = h->p ? h->p : records.p, *end = records.p + records.n, *at[AHEAD];
	struct change ring[AHEAD], *c;
	int plain = plain_byte(r->s);
	size_t first = 0, n = 0;

	while (p < end || first < n) {
		while (p < end && n - first < AHEAD) {
			c = &ring[n % AHEAD];
			at[n % AHEAD] = p;
			p = read_record(h, p, end, plain, c);
			if (!p || (part >= 0 && part_of(c->key) != (unsigned)part)) {
				h->broken = true;
				return false;
			}
			if (__builtin_expect(c->op == RECORD_EXPIRE, 0)) {
				expire(h, c);
				continue;
			}
			parts_prefetch(&r->t->parts, c->key);
			n++;
		}
		if (first == n)
			break;
		if (!take(h, &ring[first % AHEAD])) {
			h->stuck = true;
			h->key = ring[first % AHEAD].key;
			h->p = at[first % AHEAD];
			return false;
		}
		first++;
	}
	h->p = NULL;
	return true;
}

/* Sort the records of a block by hands. Whose one is can't be foreseen, so nothing is asked
 * that depends on it. False: there are others than records. */
static bool
sort(struct hand *h, struct body *b)
{
	const char *p = b->records.p, *end = p + b->records.n, *from;
	char *to[2];
	int plain = plain_byte(h->r->s);
	struct change c;
	unsigned i;
	size_t n;

	for (i = 0; i < 2; i++) {
		buf_reset(&b->of[i]);
		buf_reserve(&b->of[i], b->records.n + SHORT);
		to[i] = b->of[i].p;
	}
	while (p < end) {
		from = p;
		p = read_record(h, p, end, plain, &c);
		if (!p)
			return false;
		if (__builtin_expect(c.op == RECORD_EXPIRE, 0)) {
			expire(h, &c);
			continue;
		}
		n = (size_t)(p - from);
		i = hand_of(h->r, part_of(c.key));
		if (n <= SHORT && n > SHORT - 8) /* so many are readable */
			memcpy(to[i], from, SHORT);
		else
			memcpy(to[i], from, n);
		to[i] += n;
	}
	for (i = 0; i < 2; i++)
		b->of[i].n = (size_t)(to[i] - b->of[i].p);
	return true;
}

static void
take_bodies(struct hand *h)
{
	const struct replay *r = h->r;
	const struct body *b;

	for (; h->body < r->n; h->body++) {
		b = &r->body[h->body];
		if (b->part >= 0 && r->hands > 1 && hand_of(r, (unsigned)b->part) != h->number)
			continue;
		if (!take_records(h, b->part < 0 && r->hands > 1 ?
				buf_slice(&b->of[h->number]) : b->records, b->part))
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
		if (!r->work)
			return NULL;
		r->work(&r->hand[1]);
		pthread_barrier_wait(&r->gate);
	}
}

static void
work(struct replay *r, void (*what)(struct hand *))
{
	r->work = what;
	if (r->hands > 1)
		pthread_barrier_wait(&r->gate);
	what(&r->hand[0]);
	if (r->hands > 1)
		pthread_barrier_wait(&r->gate);
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
		r->work = NULL;
		pthread_barrier_wait(&r->gate);
		pthread_join(r->helper, NULL);
		pthread_barrier_destroy(&r->gate);
	}
	for (i = 0; i < BLOCKS; i++) {
		buf_release(&r->body[i].bytes);
		buf_release(&r->body[i].of[0]);
		buf_release(&r->body[i].of[1]);
	}
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
		work(r, take_bodies);
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

static void
read_bodies(struct hand *h)
{
	struct replay *r = h->r;
	struct part_head part;
	struct body *b;
	size_t i;
	int rc;

	for (i = h->number; i < r->n && !h->why.status; i += r->hands) {
		b = &r->body[i];
		rc = file_body(r->file, b->at, &b->head, &b->bytes, &h->why);
		b->part = -1;
		b->records = buf_slice(&b->bytes);
		b->damaged = rc == 0 || (r->kind == BLOCK_PART && b->bytes.n < sizeof(part));
		if (rc <= 0 || b->damaged)
			continue;
		if (r->kind != BLOCK_PART) {
			b->damaged = r->hands > 1 && !sort(h, b);
			continue;
		}
		memcpy(&part, b->bytes.p, sizeof(part));
		b->part = (int)(part.part % PARTS);
		b->records.p += sizeof(part);
		b->records.n -= sizeof(part);
	}
}

/* Find the blocks to be gone over next, from *behind on: 1; 0: the one at *at is damaged. */
static int
find_bodies(struct replay *r, uint64_t *at, uint64_t *behind, uint64_t until,
	struct failure *why)
{
	uint64_t bytes = 0;
	struct body *b;
	int rc;

	for (r->n = 0; *behind < until && r->n < BLOCKS && bytes < BYTES; bytes += *behind - *at) {
		b = &r->body[r->n];
		b->at = *at = *behind;
		rc = file_block(r->file, *at, &b->head, why);
		if (rc <= 0)
			return rc;
		*behind = file_behind(*at, &b->head);
		/* Marks were walked over before; a snapshot has but parts. */
		if (b->head.kind == r->kind)
			r->n++;
		else if (r->kind != BLOCK_CHANGES)
			return 0;
	}
	return 1;
}

/* Read them: 1; 0: the one at *at is damaged. */
static int
read_all(struct replay *r, uint64_t *at, struct failure *why)
{
	size_t i;

	work(r, read_bodies);
	for (i = 0; i < r->hands; i++)
		if (r->hand[i].why.status) {
			*why = r->hand[i].why;
			return -1;
		}
	for (i = 0; i < r->n; i++)
		if (r->body[i].damaged) {
			*at = r->body[i].at;
			return 0;
		}
	return 1;
}

int
replay(struct state *s, struct task *t, struct file *f, enum block_kind kind, uint64_t until,
	struct failure *why)
{
	struct replay r = {.s = s, .t = t, .file = f, .kind = kind};
	uint64_t at = FILE_HEAD, behind = FILE_HEAD, keys = parts_count(&t->parts);
	int rc = 1;

	(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	begin(&r, until);
	while (behind < until && rc > 0) {
		rc = find_bodies(&r, &at, &behind, until, why);
		if (rc > 0)
			rc = read_all(&r, &at, why);
		if (rc > 0)
			rc = take_all(&r, &at);
	}
	end(&r);
	s->keys += parts_count(&t->parts) - keys;
	if (rc == 0)
		file_damaged(f, at, why);
	return rc > 0 ? 0 : -1;
}

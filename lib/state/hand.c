/* Records, taken by hands. */
#include "state/hand.h"

#define AHEAD 32               /* records, a power of 2 */

/* Which hand takes a part of a snapshot, which has one after the other. What is known of
 * neighbours lies side by side in memory, and two processors that both write there wait. */
static inline unsigned
hand_of(unsigned part)
{
	return part / 4 % 2;
}

/* ---- records ----------------------------------------------------------------------- */

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

/* ---- which of them are whose ------------------------------------------------------- */

bool
hand_sort(struct hand *h, struct body *b)
{
	const char *p = b->records.p, *end = p + b->records.n, *from;
	size_t at[PARTS + 1] = {0}, i;
	int plain = plain_byte(h->r->s);
	struct change c;

	while (p < end) {
		from = p;
		p = read_record(h, p, end, plain, &c);
		if (!p)
			return false;
		if (__builtin_expect(c.op == RECORD_EXPIRE, 0))
			expire(h, &c);
		else
			at[part_of(c.key) + 1] += (size_t)(p - from);
	}
	for (i = 0; i < PARTS; i++)
		at[i + 1] += at[i];
	memcpy(b->from, at, sizeof(at));
	buf_reset(&b->by_part);
	buf_reserve(&b->by_part, at[PARTS] + 1);
	for (p = b->records.p; p < end;) {
		from = p;
		p = read_record(h, p, end, plain, &c);
		if (!p)
			break;
		if (__builtin_expect(c.op == RECORD_EXPIRE, 0))
			continue;
		copy_short(b->by_part.p + at[part_of(c.key)], from, (size_t)(p - from));
		at[part_of(c.key)] += (size_t)(p - from);
	}
	b->by_part.n = b->from[PARTS];
	b->sorted = true;
	return true;
}

static struct slice
records_at(const struct replay *r, size_t body, unsigned part)
{
	const struct body *b = &r->body[body];

	return b->sorted ? slice_of(b->by_part.p + b->from[part], b->from[part + 1] -
		b->from[part]) : b->records;
}

void
hand_begin(struct hand *h)
{
	h->at = (struct place){.body = SIZE_MAX, .part = h->number * (PARTS / 2)};
}

/* On to the next records that are this hand's; false: there are no more. */
static bool
next_place(const struct hand *h, struct place *at)
{
	const struct replay *r = h->r;
	bool by_part = r->hands > 1 && r->kind != BLOCK_PART;
	struct slice s;

	at->done |= !r->n;
	do {
		if (!at->done && ++at->body == r->n) {
			at->body = 0;
			at->done = !by_part || ++at->part == (h->number + 1) * (PARTS / 2);
		}
		if (at->done)
			return false;
		s = records_at(r, at->body, at->part);
		if (r->hands > 1 && !by_part &&
			hand_of((unsigned)r->body[at->body].part) != h->number)
			s.n = 0;
	} while (!s.n);
	at->p = s.p;
	at->end = s.p + s.n;
	return true;
}

/* Where the record at p is. */
static struct place
place_of(const struct replay *r, const char *p, struct key128 key)
{
	struct place at = {.p = p, .part = part_of(key)};
	struct slice s;

	for (;; at.body++) {
		s = records_at(r, at.body, at.part);
		if (p >= s.p && p < s.p + s.n)
			break;
	}
	at.end = s.p + s.n;
	return at;
}

/* ---- taking them ------------------------------------------------------------------- */

/* The next record, and where it begins; NULL: there are no more, or it is none. */
static inline const char *
next_record(struct hand *h, int plain, struct change *c)
{
	struct place *at = &h->at;
	const char *from;
	int part;

	do {
		if (at->p == at->end && !next_place(h, at))
			return NULL;
		from = at->p;
		at->p = read_record(h, at->p, at->end, plain, c);
		part = h->r->body[at->body].part;
		if (!at->p || (part >= 0 && part_of(c->key) != (unsigned)part)) {
			h->broken = true;
			return NULL;
		}
		if (__builtin_expect(c->op == RECORD_EXPIRE, 0))
			expire(h, c);
	} while (__builtin_expect(c->op == RECORD_EXPIRE, 0));
	return from;
}

/* Records are taken some behind where they are read. */
void
hand_take(struct hand *h)
{
	const struct replay *r = h->r;
	const char *from[AHEAD];
	struct change ring[AHEAD], *c;
	int plain = plain_byte(r->s);
	size_t first = 0, n = 0;
	bool more = true;

	for (;;) {
		while (more && n - first < AHEAD) {
			c = &ring[n % AHEAD];
			from[n % AHEAD] = next_record(h, plain, c);
			more = from[n % AHEAD] != NULL;
			if (!more)
				break;
			parts_prefetch(&r->t->parts, c->key);
			n++;
		}
		if (first == n || h->broken)
			return;
		c = &ring[first % AHEAD];
		if (!take(h, c)) {
			h->stuck = true;
			h->key = c->key;
			h->at = place_of(r, from[first % AHEAD], c->key);
			return;
		}
		first++;
	}
}

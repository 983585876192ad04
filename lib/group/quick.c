/* Parts that go where their group lies. */
#include "group/quick.h"

#define AT_ONCE STATE_NEAR /* records that are brought near in memory together */

/* A part, and the record that it is of: in hand, or the next one of a block. */
struct part {
	const struct glance_note *note;
	struct key128 hash;
	const struct block *block;
	const struct record *record;
	const struct noted *noted;
	struct buf *many;     /* of a block, where lines may go one behind the other, or NULL */
};

enum became { LONG_WAY, HELD, OUTPUT, FAILED = -1 };

static inline bool
is_complete(const struct quick *q, uint64_t truths, uint64_t count, uint64_t size)
{
	uint64_t required = q->glance->required;

	size = q->size ? q->size : size;
	return (required && (truths & required) == required) || (size && count >= size);
}

/* The part is in the group with that head. */
static inline void
count(const struct quick *q, const struct part *p, struct group_head *h)
{
	glance_count(q->glance, h, p->note);
	if (p->record)
		group_saw(h, p->record->time_us);
}

static enum became
begin(const struct quick *q, const struct part *p, struct state_spot *spot, struct failure *why)
{
	size_t n = p->note->key_n + p->note->part_n;
	struct group_head *h;
	uint64_t made;

	if (is_complete(q, p->note->truths, 1, 0))
		return LONG_WAY;
	h = (struct group_head *)(void *)groups_make(q->groups, spot, p->hash,
		sizeof(*h) + n, why);
	if (!h)
		return FAILED;
	made = h->made;
	group_head_init(h, p->note->key_n);
	h->made = made;
	h->e.kind = WHOLE_MEMBERS;
	count(q, p, h);
	/* The members stand behind the key there too. */
	copy_short((char *)(h + 1), glance_key(p->note, p->block).p, n);
	return HELD;
}

/* Append the group and its last part as an object. */
static void
add_group(struct buf *b, struct slice kept, struct slice part)
{
	struct slice whole = group_whole_of(kept, group_head_at(kept)->e.key_n);
	size_t n = whole.n + part.n;
	char *p;

	buf_reserve(b, n + 3);
	p = b->p + b->n;
	copy_short(p, whole.p, whole.n);
	copy_short(p + whole.n, part.p, part.n);
	/* In the place of the first comma. */
	n += !n;
	p[0] = '{';
	p[n] = '}';
	b->n += n + 1;
}

static enum became
finish(const struct quick *q, const struct part *p, struct state_spot *spot, struct emit *e,
	struct failure *why)
{
	struct slice part = glance_part(p->note, p->block);
	struct record r;
	size_t was;

	if (p->many) {
		was = p->many->n;
		add_group(p->many, spot->value, part);
		buf_addc(p->many, '\n');
		if (groups_finished(q->groups, spot, why) == 0)
			return OUTPUT;
		p->many->n = was;
		return FAILED;
	}
	if (!p->record) {
		r = noted_record(p->noted);
		emit_record(e, &r);
	}
	add_group(emit_begin(e, 0, p->record ? p->record : &r), spot->value, part);
	emit_end(e);
	return groups_finished(q->groups, spot, why) < 0 ? FAILED : OUTPUT;
}

/* The group is there. */
static inline enum became
take_more(const struct quick *q, const struct part *p, struct state_spot *spot, struct emit *e,
	struct failure *why)
{
	const struct group_head *h = group_head_at(spot->value);
	int rc;

	if (h->e.is != ENTRY_OPEN || h->e.kind != WHOLE_MEMBERS || !glance_fits(q->glance, h, p->note) ||
		spot->value.n + p->note->part_n > GROUP_MAX)
		return LONG_WAY;
	if (is_complete(q, h->truths | p->note->truths, h->count + 1, h->size))
		return finish(q, p, spot, e, why);
	rc = state_append(q->state, spot, glance_part(p->note, p->block), why);
	if (rc > 0)
		count(q, p, group_head_at(spot->value));
	return (enum became)rc;
}

static inline enum became
take(const struct quick *q, const struct part *p, const struct state_near *near, size_t i,
	struct emit *e, struct failure *why)
{
	uint32_t task = p->record ? p->record->task : 0;
	struct state_spot spot;

	if (state_at(near, i, p->hash, &spot) || state_find(q->state, task, p->hash, &spot))
		return take_more(q, p, &spot, e, why);
	return begin(q, p, &spot, why);
}

int
quick_take(const struct quick *q, const struct rules *r, struct emit *e, struct failure *why)
{
	static const struct state_near unknown;
	struct part p = {.note = r->note, .hash = r->noted, .block = r->record->block,
		.record = r->record};
	enum became rc = take(q, &p, &unknown, 0, e, why);

	if (rc == HELD)
		emit_hold(e);
	return rc == FAILED ? -1 : rc != LONG_WAY;
}

/* ---- blocks ------------------------------------------------------------------------ */

/* Is it known what the record makes, and that it is valid? */
static inline bool
is_known(const struct json_scan *s, size_t i, const struct glance_note *note)
{
	return note->key_n && note->object >= 0 && (!s->flags || !s->line[i].flags);
}

/* How many of AT_ONCE records there are from i on. */
static inline size_t
some(const struct glance_notes *all, size_t i)
{
	return i >= all->n ? 0 : all->n - i < AT_ONCE ? all->n - i : AT_ONCE;
}

/* Bring near where the groups of some records lie, from i on; and then these. */
static inline void
prefetch(const struct quick *q, const struct glance_notes *all, size_t i)
{
	if (i < all->n)
		state_prefetch_all(q->state, 0, all->key + i, some(all, i));
}

static inline void
bring_near(const struct quick *q, const struct glance_notes *all, size_t i,
	struct state_near *near)
{
	if (i < all->n)
		state_near_all(q->state, 0, all->key + i, some(all, i), near);
}

/* Records from noted->i on, one by one: what the first one became that has to go the long way. */
static enum became
take_all(const struct quick *q, struct noted *noted, const struct glance_notes *all,
	struct buf *many, struct emit *e, struct failure *why)
{
	struct part p = {.block = noted->block, .noted = noted, .many = many};
	struct state_near near[2];
	enum became rc = HELD;
	size_t i = noted->i, k, n;
	unsigned turn = 0;

	prefetch(q, all, i);
	prefetch(q, all, i + AT_ONCE);
	bring_near(q, all, i, &near[0]);
	for (; (n = some(all, i)); i += n, turn ^= 1) {
		prefetch(q, all, i + 2 * AT_ONCE);
		bring_near(q, all, i + AT_ONCE, &near[turn ^ 1]);
		for (k = 0; k < n; k++, noted->i++) {
			p.note = &all->note[i + k];
			p.hash = all->key[i + k];
			if (!is_known(noted->scan, i + k, p.note))
				return LONG_WAY;
			rc = take(q, &p, &near[turn], k, e, why);
			if (rc != HELD && rc != OUTPUT)
				return rc;
			noted->held += rc == HELD;
			noted->output += rc == OUTPUT;
		}
	}
	return rc;
}

int
quick_take_all(const struct quick *q, struct noted *noted, struct emit *e, struct failure *why)
{
	struct glance_notes all;
	struct buf *many;
	enum became rc;
	uint64_t had = noted->output;

	if (!glance_notes(q->glance, &noted->block->notes, &all))
		return 0;
	many = emit_many_begin(e, 0);
	rc = take_all(q, noted, &all, many, e, why);
	if (many)
		emit_many_end(e, noted->output - had);
	return rc == FAILED ? -1 : 0;
}

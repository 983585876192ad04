/* Parts that go where their group lies. */
#include "group/quick.h"

/* A part, and the record that it is of: in hand, or the next one of a block. */
struct part {
	const struct glance_note *note;
	struct key128 hash;
	struct slice key, fields;
	struct state_near near;
	const struct record *record;
	const struct noted *noted;
};

enum became { LONG_WAY, HELD, OUTPUT, FAILED = -1 };

bool
quick_is_fit(const struct plan *plan, const struct glance *g)
{
	const struct groups_options *o = &plan->groups;

	return g->pick && !plan->timed && !o->sorted && !o->closed && !plan->meta &&
		!plan->expr[PLAN_WHEN] && !plan->expr[PLAN_SIZE] &&
		(!plan->nrequired || g->required);
}

static inline uint32_t
task_of(const struct part *p)
{
	return p->record ? p->record->task : 0;
}

/* The head of the group with the part in it. */
static inline void
count(const struct quick *q, const struct part *p, struct group_head *h)
{
	glance_count(q->glance, h, p->note);
	if (p->record)
		group_saw(h, p->record->time_us);
}

static inline bool
is_complete(const struct quick *q, const struct group_head *h)
{
	uint64_t required = q->glance->required, size = q->size ? q->size : h->size;

	return (required && (h->truths & required) == required) || (size && h->count >= size);
}

static enum became
begin(const struct quick *q, const struct part *p, struct state_spot *spot, struct failure *why)
{
	struct group_head h;
	char *to;

	group_head_init(&h, (uint32_t)p->key.n);
	count(q, p, &h);
	if (is_complete(q, &h))
		return LONG_WAY;
	to = groups_make(q->groups, spot, p->hash, &h, p->key.n + p->fields.n, why);
	if (!to)
		return FAILED;
	copy_short(to, p->key.p, p->key.n);
	copy_short(to + p->key.n, p->fields.p, p->fields.n);
	return HELD;
}

static void
write_group(struct emit *e, const struct record *r, struct slice kept, struct slice part)
{
	struct buf *b = emit_begin(e, 0, r);

	buf_reserve(b, kept.n + part.n);
	buf_addc(b, '{');
	group_add_members(b, group_whole_of(kept, entry_head_of(kept).key_n));
	group_add_members(b, part);
	buf_addc(b, '}');
	emit_end(e);
}

static enum became
finish(const struct quick *q, const struct part *p, struct state_spot *spot, struct emit *e,
	struct failure *why)
{
	struct record r;

	if (p->record) {
		write_group(e, p->record, spot->value, p->fields);
	} else {
		r = noted_record(p->noted);
		emit_record(e, &r);
		write_group(e, &r, spot->value, p->fields);
	}
	return groups_finished(q->groups, spot, why) < 0 ? FAILED : OUTPUT;
}

static inline enum became
take(const struct quick *q, const struct part *p, struct emit *e, struct failure *why)
{
	struct state_spot spot;
	struct group_head h;

	if (!groups_spot(q->groups, task_of(p), p->hash, p->near, &spot))
		return begin(q, p, &spot, why);
	h = group_head_of(spot.value);
	if (h.e.is != ENTRY_OPEN || !glance_fits(q->glance, &h, p->note) || h.spilled ||
		spot.value.n + p->fields.n > GROUP_MAX)
		return LONG_WAY;
	count(q, p, &h);
	if (is_complete(q, &h))
		return finish(q, p, &spot, e, why);
	return (enum became)groups_append(q->groups, &spot, &h, p->fields, why);
}

int
quick_take(const struct quick *q, const struct rules *r, struct emit *e, struct failure *why)
{
	const struct block *b = r->record->block;
	struct part p = {.note = r->note, .hash = r->noted, .key = glance_key(r->note, b),
		.fields = glance_part(r->note, b), .record = r->record};
	enum became rc = take(q, &p, e, why);

	if (rc == HELD)
		emit_hold(e);
	return rc == FAILED ? -1 : rc != LONG_WAY;
}

/* ---- blocks ---------------------------------------------------------------------------- */

/* Is it known what the record makes, and that it is valid? */
static inline bool
is_known(const struct json_scan *s, size_t i, const struct glance_note *note)
{
	return note->key_n && note->object >= 0 && (!s->flags || !s->line[i].flags);
}

int
quick_take_all(const struct quick *q, struct noted *noted, struct emit *e, struct failure *why)
{
	struct state_near near[GLANCE_VALUES] = {{NULL, 0}};
	const struct block *b = noted->block;
	struct glance_notes all;
	enum became rc = HELD;
	struct part p;
	size_t i;

	if (!glance_notes(q->glance, &b->notes, &all))
		return 0;
	for (; (i = noted->i) < all.n && is_known(noted->scan, i, &all.note[i]); noted->i++) {
		const struct glance_note *note = &all.note[i];

		p = (struct part){note, all.key[i], glance_key(note, b), glance_part(note, b),
			near[i % GLANCE_VALUES], NULL, noted};
		if (i + GLANCE_SLOTS < all.n)
			groups_prefetch(q->groups, 0, all.key[i + GLANCE_SLOTS]);
		if (i + GLANCE_VALUES < all.n)
			near[i % GLANCE_VALUES] = groups_near(q->groups, 0,
				all.key[i + GLANCE_VALUES]);
		rc = take(q, &p, e, why);
		if (rc != HELD && rc != OUTPUT)
			break;
		noted->held += rc == HELD;
		noted->output += rc == OUTPUT;
	}
	return rc == FAILED ? -1 : 0;
}

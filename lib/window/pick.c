/*
 * min, max, first, last, argmin, argmax: one value of all, and for some what goes with it.
 *
 * A candidate is (rank, time, what): of min and max the rank alone, of first and last the
 * time and then the value. The better one stays, and no two that differ are equally good, so
 * the order in which they came doesn't matter. Texts of up to 24 bytes lie in the fixed
 * bytes, others in the room.
 */
#include "window/kinds.h"

struct box {
	uint32_t n;          /* bytes of the text */
	uint8_t there, type, small, scale;
	int64_t m;
	char text[24];
};

_Static_assert(sizeof(struct box) == BOX_BYTES, "BOX_BYTES");

/* How the fixed bytes are used. */
struct pick {
	struct box rank;
	int64_t us;          /* first, last, argmin, argmax */
	struct box what;     /* argmin, argmax */
};

static struct pick *
pick_of(const struct fold *f, const struct fold_cell *c)
{
	return (struct pick *)(void *)fold_fixed(f, c);
}

static bool
is_timed(const struct fold *f)
{
	return f->func != FOLD_MIN && f->func != FOLD_MAX;
}

static bool
has_what(const struct fold *f)
{
	return f->func == FOLD_ARGMIN || f->func == FOLD_ARGMAX;
}

/* ---- boxes ------------------------------------------------------------------------- */

static struct fold_value
open_box(const struct fold_cell *c, unsigned i, unsigned which, const struct box *b)
{
	return (struct fold_value){
		.text = b->n <= sizeof(b->text) ? slice_of(b->text, b->n) :
			fold_text(c, i, which),
		.type = (enum json_type)b->type,
		.small = b->small,
		.scale = b->scale,
		.m = b->m,
	};
}

/* A long text goes into the room first: fixed bytes move when that grows. */
static int
fill_room(struct fold_cell *c, unsigned i, unsigned which, const struct fold_value *v,
	struct fold_work *w, struct failure *why)
{
	if (v->text.n <= sizeof(((struct box *)0)->text))
		return 0;
	return fold_set_text(c, i, which, v->text, w, why);
}

static void
fill_box(struct box *b, const struct fold_value *v)
{
	b->there = 1;
	b->n = (uint32_t)v->text.n;
	b->type = (uint8_t)v->type;
	b->small = v->small;
	b->scale = v->scale;
	b->m = v->m;
	if (v->text.n <= sizeof(b->text))
		memcpy(b->text, v->text.p, v->text.n);
}

/* ---- which one stays --------------------------------------------------------------- */

static int
by_time(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Is the new one better than the one that is there? */
static bool
is_better(const struct fold *f, const struct fold_cell *c, unsigned i,
	const struct fold_input *in, struct fold_work *w)
{
	const struct pick *p = pick_of(f, c);
	struct fold_value rank, what;
	int order;

	if (!p->rank.there)
		return true;
	rank = open_box(c, i, 0, &p->rank);
	switch (f->func) {
	case FOLD_MIN:
		return fold_order(w, &in->value, &rank) < 0;
	case FOLD_MAX:
		/* Of equal values the shorter text stays, here too. */
		order = fold_cmp(w, &in->value, &rank);
		return order ? order > 0 : fold_order(w, &in->value, &rank) < 0;
	case FOLD_FIRST:
	case FOLD_LAST:
		order = by_time(in->us, p->us);
		if (!order)
			order = fold_cmp(w, &in->value, &rank);
		if (!order)
			return fold_order(w, &in->value, &rank) < 0;
		return f->func == FOLD_FIRST ? order < 0 : order > 0;
	default:
		order = fold_cmp(w, &in->value, &rank);
		if (order)
			return f->func == FOLD_ARGMIN ? order < 0 : order > 0;
		what = open_box(c, i, 1, &p->what);
		order = by_time(in->us, p->us);
		if (!order)
			order = fold_order(w, &in->what, &what);
		/* What is saved of equal ranks is the same too. */
		return order ? order < 0 : fold_order(w, &in->value, &rank) < 0;
	}
}

int
pick_add(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_input *in,
	struct fold_work *w, struct failure *why)
{
	struct pick *p;

	if (!is_better(f, c, i, in, w))
		return 0;
	if (fill_room(c, i, 0, &in->value, w, why) < 0 ||
		(has_what(f) && fill_room(c, i, 1, &in->what, w, why) < 0))
		return -1;
	p = pick_of(f, c);
	fill_box(&p->rank, &in->value);
	if (is_timed(f))
		p->us = in->us;
	if (has_what(f))
		fill_box(&p->what, &in->what);
	return 0;
}

static struct fold_input
input_of(const struct fold *f, const struct fold_cell *c, unsigned i)
{
	const struct pick *p = pick_of(f, c);
	struct fold_input in = {.value = open_box(c, i, 0, &p->rank)};

	if (is_timed(f))
		in.us = p->us;
	if (has_what(f))
		in.what = open_box(c, i, 1, &p->what);
	return in;
}

int
pick_merge(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_cell *from,
	struct fold_work *w, struct failure *why)
{
	struct fold_input in;

	if (!pick_of(f, from)->rank.there)
		return 0;
	in = input_of(f, from, i);
	return pick_add(f, c, i, &in, w, why);
}

/* ---- results ----------------------------------------------------------------------- */

void
pick_render(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	struct fold_input in;

	(void)w;
	if (!pick_of(f, c)->rank.there) {
		buf_adds(b, "null");
		return;
	}
	in = input_of(f, c, i);
	buf_add_slice(b, has_what(f) ? in.what.text : in.value.text);
}

/* [value], [value,time] or [value,time,what]; null: none. */
void
pick_save(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	struct fold_input in;

	(void)w;
	if (!pick_of(f, c)->rank.there) {
		buf_adds(b, "null");
		return;
	}
	in = input_of(f, c, i);
	buf_addc(b, '[');
	buf_add_slice(b, in.value.text);
	if (is_timed(f)) {
		buf_adds(b, ",\"");
		time_add_rfc3339(b, in.us);
		buf_addc(b, '"');
	}
	if (has_what(f)) {
		buf_addc(b, ',');
		buf_add_slice(b, in.what.text);
	}
	buf_addc(b, ']');
}

int
pick_take(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct fold_work *w, struct failure *why)
{
	size_t wanted = 1 + (size_t)is_timed(f) + (size_t)has_what(f);
	struct fold_input in = {0};
	struct buf value = {0}, what = {0};
	int rc;

	if (t != JSON_NONE && json_type_at(d, t) == JSON_NULL)
		return 0;
	if (t == JSON_NONE || json_type_at(d, t) != JSON_ARRAY || json_count(d, t) != wanted ||
		(is_timed(f) && !fold_read_time(d, json_at(d, t, 1), &in.us)))
		return fold_no_partial(f, why);
	in.value = fold_read_value(d, json_at(d, t, 0), &value);
	if (has_what(f))
		in.what = fold_read_value(d, json_at(d, t, 2), &what);
	rc = pick_add(f, c, i, &in, w, why);
	buf_release(&value);
	buf_release(&what);
	return rc;
}

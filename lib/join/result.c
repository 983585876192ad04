/*
 * Where --emit is an outline a result is put together from texts. Any other filter is run: the
 * values are scanned again then, each once for all results that it takes part in at one time.
 */
#include "join/result.h"

#include <stdlib.h>

#include "base/mem.h"

struct kept {
	const struct item *item;   /* whose value doc is; NULL: of none */
	struct json_scan scan;
	struct json_doc doc;
};

/* A text, or the one of that leaf of a side. */
struct piece_of {
	struct slice text;         /* p != NULL */
	enum join_side side;
	unsigned place;            /* among the leaves of its side */
};

struct result {
	const struct join_plan *plan;
	const char *stage;
	struct expr_run *run;
	struct piece_of *piece;    /* of the outline */
	size_t nleaves[2];         /* by side; of the left one the whole value too */
	struct slice none;         /* the content of a right record that is not there */
	struct buf none_room;
	char *texts;               /* of pieces that are one, padded */
	struct kept kept[2];
	/* What the derived record seems to come from. */
	struct input input;
	struct block block;
	struct meta meta;
	struct record parent;
	/* Of the result in hand: */
	struct value side[2];
	const struct record *record;
	struct emit *emit;
	const struct item *left;
	uint64_t skipped;
	char *first;
};

/* What paths give of null. */
static void
make_none(struct result *r)
{
	size_t n = r->nleaves[SIDE_RIGHT], i;
	uint32_t end;

	for (i = 0; i < n; i++)
		buf_adds(&r->none_room, "null");
	for (i = 0; i < n; i++) {
		end = (uint32_t)(4 * (i + 1));
		buf_add(&r->none_room, &end, sizeof(end));
	}
	buf_reserve(&r->none_room, POOL_PADDING);
	r->none = buf_slice(&r->none_room);
}

/* The pieces of an outline; behind a text POOL_PADDING bytes are readable. */
static void
make_pieces(struct result *r, const struct expr_outline *o, unsigned seen[2])
{
	enum join_side side;
	struct slice text;
	char *p;
	size_t i;

	r->piece = mem_array(o->npieces + 1, sizeof(*r->piece));
	r->texts = p = mem_zalloc(o->text.n + POOL_PADDING);
	for (i = 0; i < o->npieces; i++) {
		if (o->piece[i].leaf < 0) {
			text = o->piece[i].text;
			r->piece[i].text = slice_of(memcpy(p, text.n ? text.p : "", text.n), text.n);
			p += text.n;
			continue;
		}
		side = o->leaf[o->piece[i].leaf].of == 2 ? SIDE_RIGHT : SIDE_LEFT;
		r->piece[i] = (struct piece_of){.side = side, .place = seen[side]++};
	}
}

struct result *
result_new(const struct join_plan *plan, const char *stage)
{
	struct result *r = mem_zalloc(sizeof(*r));
	const struct expr_outline *o = &plan->outline;
	unsigned seen[2] = {0, 0};

	r->plan = plan;
	r->stage = stage;
	r->run = expr_run_new(plan->expr[PLAN_EMIT]);
	make_pieces(r, o, seen);
	r->nleaves[SIDE_LEFT] = seen[SIDE_LEFT] + plan->whole;
	r->nleaves[SIDE_RIGHT] = seen[SIDE_RIGHT];
	r->input.name = "-";
	r->block.input = &r->input;
	r->meta = (struct meta){.offset = -1, .ts_ms = TIME_NONE, .time_us = TIME_NONE};
	r->parent = (struct record){.meta = &r->meta, .block = &r->block, .root = JSON_NONE};
	make_none(r);
	return r;
}

void
result_free(struct result *r)
{
	if (!r)
		return;
	expr_run_free(r->run);
	free(r->piece);
	free(r->texts);
	free(r->first);
	buf_release(&r->none_room);
	json_scan_release(&r->kept[0].scan);
	json_scan_release(&r->kept[1].scan);
	free(r);
}

void
result_forget(struct result *r)
{
	r->kept[0].item = r->kept[1].item = NULL;
}

uint64_t
result_skipped(const struct result *r, const char **first)
{
	*first = r->first;
	return r->skipped;
}

/* ---- by outline -------------------------------------------------------------------- */

/* Most are short: two words of 16 bytes, and what they have too much is written over. There is
 * room for that, and so much is readable. */
static inline char *
put_piece(char *p, struct slice s)
{
	struct {
		uint64_t x[2];
	} a, b;

	_Static_assert(POOL_PADDING == 2 * sizeof(a), "so much is readable behind a text");
	if (__builtin_expect(s.n > 2 * sizeof(a), 0)) {
		memcpy(p, s.p, s.n);
	} else {
		memcpy(&a, s.p, sizeof(a));
		memcpy(&b, s.p + sizeof(a), sizeof(b));
		memcpy(p, &a, sizeof(a));
		memcpy(p + sizeof(a), &b, sizeof(b));
	}
	return p + s.n;
}

/* A leaf of 0 bytes is the key, which both have. */
static inline void
put_together(const struct result *r, struct buf *b, struct slice key, struct slice left,
	struct slice right)
{
	const struct expr_outline *o = &r->plan->outline;
	const struct piece_of *piece = r->piece, *end = piece + o->npieces;
	struct slice s;
	char *p;

	buf_reserve(b, o->text.n + left.n + right.n + o->nleaves * key.n + POOL_PADDING);
	for (p = b->p + b->n; piece < end; piece++) {
		s = piece->text;
		if (!s.p)
			s = item_leaf(piece->side == SIDE_RIGHT ? right : left,
				r->nleaves[piece->side], piece->place);
		if (!s.n && !piece->text.p)
			s = key;
		p = put_piece(p, s);
	}
	b->n = (size_t)(p - b->p);
}

/* ---- by running the filter --------------------------------------------------------- */

static struct value
side_var(void *self, unsigned index)
{
	return ((const struct result *)self)->side[index - FLOW_NVARS];
}

/* A record that was kept is of no topic and no partition any more. */
static struct value
kept_var(void *self, unsigned index)
{
	const struct result *r = self;

	return index >= FLOW_NVARS ? r->side[index - FLOW_NVARS] :
		index == FLOW_NVARS - 1 ? value_string(slice_str(r->stage)) : value_null();
}

static int
put_output(void *self, const struct value *out)
{
	struct result *r = self;

	value_add_json(emit_begin(r->emit, 0, r->record), out);
	emit_end(r->emit);
	return 0;
}

static int
run(struct result *r, struct failure *why)
{
	struct record_vars vars = {.record = r->record, .stage = r->stage,
		.arena = expr_run_arena(r->run), .more = side_var, .arg = r};
	bool kept = r->record == &r->parent;
	struct expr_env env = {kept ? kept_var : record_var, kept ? (void *)r : (void *)&vars};
	int rc = expr_each(r->run, &r->side[SIDE_LEFT], &env, put_output, r, why);

	expr_run_reset(r->run);
	return rc;
}

/* The value that was kept of an item; where results are put together, of a left one alone. */
static struct slice
whole_of(const struct result *r, const struct item *i)
{
	struct slice content = item_content(i);
	size_t n = r->nleaves[i->side];

	if (!r->plan->outlined)
		return content;
	return i->side == SIDE_LEFT && r->plan->whole ? item_leaf(content, n, n - 1) :
		SLICE("null");
}

static int
value_of(struct result *r, enum join_side side, const struct item *i, struct failure *why)
{
	struct kept *k = &r->kept[side];

	r->side[side] = value_null();
	if (!i)
		return 0;
	if (k->item != i) {
		k->item = NULL;
		if (json_doc_of(&k->scan, item_content(i), &k->doc, why) < 0)
			return fail(why, EXIT_INTERNAL, "what is kept cannot be read: %s",
				why->text);
		k->item = i;
	}
	r->side[side] = value_token(&k->doc, 0);
	return 0;
}

/* ---- what goes wrong --------------------------------------------------------------- */

static int
gone_wrong(struct result *r, const struct item *left, const struct item *right,
	struct failure *why)
{
	struct buf both = {0};
	struct slice key = item_key(left);

	if (why->status != EXIT_DATA)
		return -1;
	switch (r->plan->on_error) {
	case ON_ERROR_FAIL:
		return fail_within(why, "--emit, for the key %.*s%s: ",
			key.n > 80 ? 80 : (int)key.n, key.p, key.n > 80 ? "..." : "");
	case ON_ERROR_SKIP:
		if (!r->skipped++)
			r->first = mem_strdup(why->text);
		return 0;
	case ON_ERROR_DEAD_LETTER:
		break;
	}
	buf_adds(&both, "{\"left\":");
	buf_add_slice(&both, whole_of(r, left));
	buf_adds(&both, ",\"right\":");
	buf_add_slice(&both, right ? whole_of(r, right) : SLICE("null"));
	buf_addc(&both, '}');
	emit_dead(r->emit, "expression", why->text, key, buf_slice(&both));
	buf_release(&both);
	return 0;
}

int
result_dead(struct result *r, struct emit *e, const struct item *left, struct failure *why)
{
	emit_dead(e, "unmatched", "it found no record on the other side", item_key(left),
		whole_of(r, left));
	return emit_relieve(e, why);
}

/* ---- a result ---------------------------------------------------------------------- */

/* It has the key of the message that the left record was, or else of the right one. */
static void
derive(struct result *r, const struct item *left, const struct item *right, int64_t us)
{
	r->parent.time_us = r->meta.time_us = us;
	r->meta.key = item_kafka_key(left);
	if (!r->meta.key.p && right)
		r->meta.key = item_kafka_key(right);
}

int
result_of_items(struct result *r, struct emit *e, const struct item *left,
	const struct item *right, int64_t us, struct failure *why)
{
	derive(r, left, right, us);
	if (r->plan->outlined) {
		put_together(r, emit_begin(e, 0, &r->parent), item_key(left), item_content(left),
			right ? item_content(right) : r->none);
		emit_end(e);
		return emit_relieve(e, why);
	}
	r->emit = e;
	r->record = &r->parent;
	if ((value_of(r, SIDE_LEFT, left, why) < 0 || value_of(r, SIDE_RIGHT, right, why) < 0 ||
		run(r, why) < 0) && gone_wrong(r, left, right, why) < 0)
		return -1;
	return emit_relieve(e, why);
}

/* The leaves of the record in hand are taken as they are needed. */
static int
put_with_row(const struct result *r, struct buf *b, struct sides *left, struct slice row,
	struct failure *why)
{
	const struct expr_outline *o = &r->plan->outline;
	size_t i;

	for (i = 0; i < o->npieces; i++) {
		int leaf = o->piece[i].leaf;

		if (leaf < 0) {
			buf_add_slice(b, o->piece[i].text);
		} else if (o->leaf[leaf].of == 2) {
			buf_add_slice(b, item_leaf(row, r->nleaves[SIDE_RIGHT],
				r->piece[i].place));
		} else if (sides_add_leaf(left, (unsigned)leaf, b, why) < 0) {
			return -1;
		}
	}
	return 0;
}

int
result_of_record(struct result *r, struct emit *e, const struct record *record,
	struct sides *left, struct slice row, struct failure *why)
{
	struct kept *k = &r->kept[SIDE_RIGHT];
	int rc;

	if (r->plan->outlined) {
		rc = put_with_row(r, emit_begin(e, 0, record), left, row.p ? row : r->none, why);
		if (rc == 0)
			emit_end(e);
		return rc;
	}
	r->emit = e;
	r->record = record;
	r->side[SIDE_LEFT] = *sides_value(left);
	r->side[SIDE_RIGHT] = value_null();
	if (row.p && json_doc_of(&k->scan, row, &k->doc, why) < 0)
		return -1;
	if (row.p)
		r->side[SIDE_RIGHT] = value_token(&k->doc, 0);
	return run(r, why);
}

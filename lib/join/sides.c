/* Records, as their sides see them. */
#include "join/sides.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "group/key.h"
#include "join/notes.h"

struct sides {
	const struct join_plan *plan;
	const char *stage;
	struct expr_run *run[PLAN_EXPRS];
	unsigned *leaf[2];         /* of the outline, by side */
	size_t nleaves[2];
	unsigned *place;           /* of a leaf among those of its side */
	uint32_t *end;             /* of the leaves of one side */
	struct notes notes;
	uint64_t seed;
	struct buf key, content;
	const struct input *first; /* that was seen */
	/* Of the record in hand: */
	const struct record *record;
	const struct note *note;   /* or NULL */
	struct value root;
	bool looked;               /* root is there, and expressions may have run */
};

/* ---- the expressions --------------------------------------------------------------- */

size_t
sides_leaves(const struct join_plan *p, enum join_side side, unsigned *leaf)
{
	size_t n = 0, i;

	for (i = 0; i < p->outline.nleaves; i++) {
		bool right = p->outline.leaf[i].of == 2;

		if (right != (side == SIDE_RIGHT))
			continue;
		if (leaf)
			leaf[n] = (unsigned)i;
		n++;
	}
	return n;
}

struct sides *
sides_new(const struct join_plan *plan, const char *stage, const struct flow_time *time, bool rows)
{
	struct sides *s = mem_zalloc(sizeof(*s));
	size_t k;
	int i;

	s->plan = plan;
	s->stage = stage;
	s->seed = hash_process_seed();
	for (i = 0; i < PLAN_EXPRS; i++)
		if (plan->expr[i])
			s->run[i] = expr_run_new(plan->expr[i]);
	s->end = mem_array(plan->outline.nleaves + 2, sizeof(*s->end));
	for (i = 0; i < 2; i++) {
		s->nleaves[i] = sides_leaves(plan, (enum join_side)i, NULL);
		s->leaf[i] = mem_array(s->nleaves[i] + 1, sizeof(**s->leaf));
		sides_leaves(plan, (enum join_side)i, s->leaf[i]);
	}
	s->place = mem_array(plan->outline.nleaves + 1, sizeof(*s->place));
	for (i = 0; i < 2; i++)
		for (k = 0; k < s->nleaves[i]; k++)
			s->place[s->leaf[i][k]] = (unsigned)k;
	notes_init(&s->notes, plan, time, rows, s->seed);
	return s;
}

void
sides_free(struct sides *s)
{
	int i;

	if (!s)
		return;
	for (i = 0; i < PLAN_EXPRS; i++)
		expr_run_free(s->run[i]);
	free(s->leaf[0]);
	free(s->leaf[1]);
	free(s->end);
	free(s->place);
	notes_release(&s->notes);
	buf_release(&s->key);
	buf_release(&s->content);
	free(s);
}

void
sides_note(const struct sides *s, const struct json_scan *scan, struct buf *notes)
{
	notes_make(&s->notes, scan, notes);
}

const struct notes *
sides_notes(const struct sides *s)
{
	return &s->notes;
}

bool
sides_when(const struct sides *s, const struct record *r, int64_t *us)
{
	return notes_when(&s->notes, r, us);
}

bool
sides_ahead(const struct sides *s, const struct record *r, size_t behind, uint64_t *hash)
{
	const struct note *note = notes_of(&s->notes, r, behind);

	if (!note || !note->key_n)
		return false;
	*hash = note->hash;
	return true;
}

void
sides_begin(struct sides *s, const struct record *r)
{
	s->record = r;
	s->note = notes_of(&s->notes, r, 0);
	s->looked = false;
}

const struct value *
sides_value(struct sides *s)
{
	if (!s->looked)
		s->root = record_value(s->record);
	s->looked = true;
	return &s->root;
}

void
sides_done(struct sides *s)
{
	int i;

	if (!s->looked)
		return;
	for (i = 0; i < PLAN_EXPRS; i++)
		if (s->run[i])
			expr_run_reset(s->run[i]);
}

static struct record_vars
scope(struct sides *s, int which)
{
	return (struct record_vars){.record = s->record, .stage = s->stage,
		.arena = expr_run_arena(s->run[which])};
}

static int
test(struct sides *s, int which, struct failure *why)
{
	struct record_vars vars = scope(s, which);

	return expr_test(s->run[which], sides_value(s), &(struct expr_env){record_var, &vars}, why);
}

static ptrdiff_t
all(struct sides *s, int which, const struct value **out, struct failure *why)
{
	struct record_vars vars = scope(s, which);

	return expr_all(s->run[which], sides_value(s), &(struct expr_env){record_var, &vars}, out,
		why);
}

/* ---- which side -------------------------------------------------------------------- */

/* By the names of the inputs. Two of one name hold the same, or are both empty: then the first
 * that is seen is the left one. */
static bool
is_second_input(struct sides *s)
{
	const char *const *name = s->plan->input;
	const struct input *in = record_input(s->record);

	if (strcmp(name[0], name[1]) != 0)
		return strcmp(in->name, name[1]) == 0;
	if (!s->first)
		s->first = in;
	return in != s->first;
}

static bool
is_of_topic(const struct sides *s)
{
	const struct meta *m = s->record->meta;
	struct slice topic = m && m->topic.p ? m->topic :
		slice_str(record_input(s->record)->name);

	return slice_eq(topic, slice_str(s->plan->topic));
}

int
sides_of(struct sides *s, bool on[2], struct failure *why)
{
	int rc = 0;

	if (s->note && s->notes.sides) {
		on[SIDE_LEFT] = s->note->on & ON(SIDE_LEFT);
		on[SIDE_RIGHT] = s->note->on & ON(SIDE_RIGHT);
		return 0;
	}
	switch (s->plan->with) {
	case WITH_TABLE:
		on[SIDE_RIGHT] = false;
		on[SIDE_LEFT] = true;
		return 0;
	case WITH_INPUT:
		on[SIDE_RIGHT] = is_second_input(s);
		break;
	case WITH_ROWS:
		rc = s->plan->topic ? is_of_topic(s) : test(s, PLAN_ROWS, why);
		on[SIDE_RIGHT] = rc > 0;
		break;
	case WITH_STREAM:
		if (!s->run[PLAN_RIGHT]) {
			rc = test(s, PLAN_LEFT, why);
			on[SIDE_RIGHT] = !rc;
			break;
		}
		rc = test(s, PLAN_RIGHT, why);
		on[SIDE_RIGHT] = rc > 0;
		if (rc < 0 || !s->run[PLAN_LEFT])
			break;
		rc = test(s, PLAN_LEFT, why);
		on[SIDE_LEFT] = rc > 0;
		return rc < 0 ? -1 : 0;
	}
	on[SIDE_LEFT] = !on[SIDE_RIGHT];
	return rc < 0 ? -1 : 0;
}

/* ---- the key ----------------------------------------------------------------------- */

int
sides_key(struct sides *s, enum join_side side, struct item_parts *of, struct failure *why)
{
	const struct meta *m = s->record->meta;
	const struct value *key;
	ptrdiff_t n;

	of->kafka_key = m ? m->key : slice_of(NULL, 0);
	if (s->note) {
		of->key = s->note->text_at ?
			slice_of(s->record->block->notes.p + s->note->text_at, s->note->key_n) :
			slice_of(s->record->block->p + s->note->key_at, s->note->key_n);
		of->hash = s->note->hash;
		return 0;
	}
	n = all(s, PLAN_KEY_LEFT + (int)side, &key, why);
	if (n < 0)
		return -1;
	if (group_key_of(key, (size_t)n, s->plan->null_key, &s->key, &of->key, why) < 0) {
		if (side == SIDE_RIGHT && s->plan->with == WITH_ROWS &&
			value_type(sides_value(s)) == JSON_NULL)
			fail_hint(why, "a row that is taken away has its key in the message: "
				"--right-key '$key'");
		return -1;
	}
	of->hash = hash64(of->key.p, of->key.n, s->seed);
	return 0;
}

/* ---- content ----------------------------------------------------------------------- */

/* The content, if it is noted; else p is NULL. */
static inline struct slice
noted_content(const struct sides *s)
{
	const struct note *note = s->note;

	return note && note->text_at ? slice_of(s->record->block->notes.p + note->text_at +
		note->key_n, note->content_n) : slice_of(NULL, 0);
}

int
sides_add_leaf(struct sides *s, unsigned i, struct buf *b, struct failure *why)
{
	int want = s->note ? s->notes.leaf[i] : -1;
	enum join_side side = s->plan->outline.leaf[i].of == 2 ? SIDE_RIGHT : SIDE_LEFT;
	struct slice noted = noted_content(s);
	struct value v;
	uint32_t t;

	if (noted.p) {
		buf_add_slice(b, item_leaf(noted, s->nleaves[side], s->place[i]));
		return 0;
	}
	if (want >= 0) {
		t = s->note->at[want];
		if (t == JSON_NONE)
			buf_adds(b, "null");
		else
			notes_add_value(b, s->record->doc, t);
		return 0;
	}
	if (expr_leaf(s->run[PLAN_EMIT], &s->plan->outline.leaf[i], sides_value(s), &v, why) < 0)
		return -1;
	value_add_json(b, &v);
	return 0;
}

int
sides_content(struct sides *s, enum join_side side, struct slice key, struct slice *content,
	struct failure *why)
{
	bool whole = s->plan->whole && side == SIDE_LEFT;
	size_t n = s->nleaves[side], i, from;
	struct buf *b = &s->content;

	*content = noted_content(s);
	if (content->p)
		return 0;
	buf_reset(b);
	if (!s->plan->outlined) {
		value_add_json(b, sides_value(s));
		*content = buf_slice(b);
		return 0;
	}
	for (i = 0; i < n; i++) {
		from = b->n;
		if (sides_add_leaf(s, s->leaf[side][i], b, why) < 0)
			return -1;
		if (notes_is_key(&s->notes, side, s->leaf[side][i]) &&
			slice_eq(slice_of(b->p + from, b->n - from), key))
			b->n = from;
		s->end[i] = (uint32_t)b->n;
	}
	if (whole) {
		value_add_json(b, sides_value(s));
		s->end[n++] = (uint32_t)b->n;
	}
	buf_add(b, s->end, n * sizeof(*s->end));
	*content = buf_slice(b);
	return 0;
}

/* ---- all of it --------------------------------------------------------------------- */

static int
expires(struct sides *s, int64_t *us, struct failure *why)
{
	const struct value *v;
	ptrdiff_t n = all(s, PLAN_EXPIRES, &v, why);
	struct buf text = {0};
	int rc = -1;

	if (n < 0)
		return -1;
	if (n == 1 && value_type(v) == JSON_STRING)
		rc = time_of_rfc3339(value_string_bytes(v, expr_run_arena(s->run[PLAN_EXPIRES])),
			us);
	if (n == 1 && value_type(v) == JSON_NUMBER) {
		value_add_json(&text, v);
		rc = time_of_epoch(buf_slice(&text), s->plan->unit, us);
		buf_release(&text);
	}
	return rc < 0 ? fail_record(why, "time", "--expires gives no time") : 0;
}

int
sides_item(struct sides *s, enum join_side side, struct item_parts *of, struct failure *why)
{
	const struct meta *m = s->record->meta;
	const struct join_plan *p = s->plan;

	*of = (struct item_parts){.us = s->record->time_us, .side = side};
	/* A row is there from its own time on. */
	of->rank = p->with == WITH_ROWS ? !side : (uint8_t)side;
	if (of->us == TIME_NONE)
		return fail_record(why, "time", "the record has no event time");
	if (sides_key(s, side, of, why) < 0)
		return -1;
	if (side == SIDE_RIGHT && p->with == WITH_ROWS) {
		of->until_us = INT64_MAX;
		/* A line of a file has no time of a message, and no order but by what it is. */
		of->place = m && m->offset >= 0 && m->ts_ms != TIME_NONE ?
			(uint64_t)m->offset + 1 : 0;
		of->removes = !s->note && value_type(sides_value(s)) == JSON_NULL;
	} else if (side == SIDE_LEFT && s->run[PLAN_EXPIRES]) {
		if (expires(s, &of->until_us, why) < 0)
			return -1;
	} else {
		of->until_us = join_until(p, side == SIDE_LEFT, of->us);
	}
	return of->removes ? 0 : sides_content(s, side, of->key, &of->content, why);
}

/* Records, read for their windows. */
#include "window/reading.h"

#include <stdlib.h>

#include "base/mem.h"
#include "group/key.h"

/* A member of "." that some expression is. */
struct field {
	struct json_name name;
	uint64_t looked;          /* number of the record that this is of: */
	bool there;               /* it is, and not null */
	bool plain;               /* equal values have this text, as far as is known */
	struct fold_value value;
};

enum { NO_FIELD = -1 };

/* An expression: a field, or a run. */
struct asked {
	int field;
	struct expr_run *run;     /* NULL: there is no such expression */
	const struct expr *expr;
};

struct asked_spec {
	struct asked part[SPEC_EXPRS];
};

struct reading_rest {
	const struct reading_plan *plan;
	struct field *field;
	size_t nfields;
	const struct cell_keys *keys;
	uint32_t one_assigned;    /* with the owner of the last record */
	struct seen_plan plan_seen; /* the fields, ahead of their turn */
	struct asked key;
	struct asked_spec *spec;
	size_t cap;               /* inputs */
	struct arena arena;       /* texts of the record in hand */
	struct buf room, identity;
	/* Of the record in hand: */
	const struct record *record;
	const struct seen *seen;  /* or NULL */
	uint64_t number;
	bool is_object;           /* so that a field can be looked up */
	bool used;                /* a run has to be reset */
	struct failure *why;
};

/* ---- the expressions --------------------------------------------------------------- */

static struct asked
ask(struct reading_rest *r, const struct expr *e)
{
	struct slice name;
	size_t i;

	if (!e)
		return (struct asked){.field = NO_FIELD};
	if (!expr_is_path(e) || expr_path_fields(e, 0, &name, 1) != 1)
		return (struct asked){NO_FIELD, expr_run_new(e), e};
	for (i = 0; i < r->nfields && !slice_eq(r->field[i].name.key, name); i++)
		;
	if (i == r->nfields) {
		r->field = mem_realloc(r->field, (i + 1) * sizeof(*r->field));
		r->field[i] = (struct field){.name = json_name_of(name)};
		r->nfields++;
		seen_add(&r->plan_seen, name);
	}
	/* It is run where "." is no object. */
	return (struct asked){(int)i, expr_run_new(e), e};
}

void
reading_init(struct reading *reading, const struct reading_plan *plan,
	const struct cell_keys *keys)
{
	struct reading_rest *r = mem_zalloc(sizeof(*r));
	size_t i, j;

	*reading = (struct reading){.rest = r, .plain = true};
	r->plan = plan;
	seen_init(&r->plan_seen, plan->time);
	r->spec = mem_array(plan->nspecs + 1, sizeof(*r->spec));
	r->key = ask(r, plan->key);
	for (i = 0; i < plan->nspecs; i++)
		for (j = 0; j < SPEC_EXPRS; j++)
			r->spec[i].part[j] = ask(r, plan->spec[i].expr[j]);
	seen_ready(&r->plan_seen, r->key.field, keys);
	r->keys = keys;
	r->cap = plan->nspecs + 8;
	reading->input = mem_array(r->cap, sizeof(*reading->input));
}

void
reading_release(struct reading *reading)
{
	struct reading_rest *r = reading->rest;
	size_t i, j;

	if (!r)
		return;
	for (i = 0; i < r->plan->nspecs; i++)
		for (j = 0; j < SPEC_EXPRS; j++)
			expr_run_free(r->spec[i].part[j].run);
	expr_run_free(r->key.run);
	seen_release(&r->plan_seen);
	free(r->field);
	free(r->spec);
	free(reading->input);
	arena_release(&r->arena);
	buf_release(&r->room);
	buf_release(&r->identity);
	fold_work_release(&reading->work);
	free(r);
	*reading = (struct reading){0};
}

static void
reset(struct reading_rest *r)
{
	size_t i, j;

	if (!r->used)
		return;
	r->used = false;
	arena_reset(&r->arena);
	if (r->key.run)
		expr_run_reset(r->key.run);
	for (i = 0; i < r->plan->nspecs; i++)
		for (j = 0; j < SPEC_EXPRS; j++)
			if (r->spec[i].part[j].run)
				expr_run_reset(r->spec[i].part[j].run);
}

static struct record_vars
scope(struct reading_rest *r, struct expr_run *run)
{
	r->used = true;
	return (struct record_vars){.record = r->record, .stage = r->plan->stage,
		.arena = expr_run_arena(run)};
}

static ptrdiff_t
run_all(struct reading_rest *r, const struct asked *a, const struct value **out)
{
	struct record_vars vars = scope(r, a->run);
	struct value root = record_value(r->record);

	return expr_all(a->run, &root, &(struct expr_env){record_var, &vars}, out, r->why);
}

static int
run_test(struct reading_rest *r, const struct asked *a)
{
	struct record_vars vars = scope(r, a->run);
	struct value root = record_value(r->record);

	return expr_test(a->run, &root, &(struct expr_env){record_var, &vars}, r->why);
}

/* ---- fields ------------------------------------------------------------------------ */

void
reading_note(const struct reading *reading, const struct json_scan *scan, struct buf *notes)
{
	seen_make(&reading->rest->plan_seen, scan, notes);
}

static bool
is_field(const struct reading_rest *r, const struct asked *a)
{
	return a->field != NO_FIELD && r->plan_seen.want[a->field] >= 0;
}

bool
reading_fields(const struct reading *reading, int *value)
{
	const struct reading_rest *r = reading->rest;
	bool all = !r->key.run || is_field(r, &r->key);
	size_t i;

	for (i = 0; i < r->plan->nspecs; i++) {
		const struct asked *part = r->spec[i].part;

		value[i] = r->plan->spec[i].fold.func == FOLD_COUNT ? -1 : part[SPEC_VALUE].field;
		all &= !part[SPEC_WHERE].run && !part[SPEC_WHAT].run &&
			(!part[SPEC_VALUE].run || is_field(r, &part[SPEC_VALUE]));
	}
	return all;
}

const struct seen_plan *
reading_seen(const struct reading *reading)
{
	return &reading->rest->plan_seen;
}

bool
reading_when(const struct reading *reading, const struct record *record, int64_t *us)
{
	const struct seen *seen = seen_of(&reading->rest->plan_seen, record);

	if (!seen || seen->us == TIME_NONE)
		return false;
	*us = seen->us;
	return true;
}

static struct fold_value
token(struct reading_rest *r, const struct json_doc *d, uint32_t t)
{
	struct slice text;

	r->used = true;
	if (json_opens(d, t) || (d->first[t] == '"' && d->flags & JSON_LINE_ESCAPE)) {
		buf_reset(&r->room);
		json_add_compact(&r->room, d, t);
		text = arena_copy(&r->arena, buf_slice(&r->room));
	} else {
		text = json_text(d, t);
	}
	return fold_value_of(text);
}

static void
look(struct reading_rest *r, struct field *f)
{
	const struct json_doc *d = r->record->doc;
	uint32_t t = json_get_name(d, r->record->root, &f->name);

	f->there = t != JSON_NONE && json_type_at(d, t) != JSON_NULL;
	if (!f->there)
		return;
	f->value = token(r, d, t);
	f->plain = seen_is_plain(&f->value, true);
}

static inline void
take_seen(const struct reading_rest *r, struct field *f, const struct seen_value *v)
{
	f->there = v->there;
	if (!v->there)
		return;
	f->value.text = slice_of(r->record->block->p + v->at, v->n);
	f->value.type = (enum json_type)v->type;
	f->value.small = v->small;
	f->value.scale = v->scale;
	f->value.m = v->m;
	f->plain = v->plain;
}

static inline const struct field *
field(struct reading_rest *r, int i)
{
	struct field *f = &r->field[i];

	if (f->looked == r->number)
		return f;
	f->looked = r->number;
	if (r->seen && r->seen->value[i].told)
		take_seen(r, f, &r->seen->value[i]);
	else
		look(r, f);
	return f;
}

/* ---- the key ----------------------------------------------------------------------- */

static int
read_key(struct reading *reading)
{
	struct reading_rest *r = reading->rest;
	const struct value *key;
	const struct field *f;
	ptrdiff_t n;

	if (!r->key.run)
		return 0;
	if (r->is_object && r->key.field != NO_FIELD) {
		f = field(r, r->key.field);
		reading->plain = f->there && f->plain;
		if (reading->plain) {
			reading->key = reading->identity = f->value.text;
			return 0;
		}
	}
	reading->plain = false;
	n = run_all(r, &r->key, &key);
	if (n < 0 || group_key_of(key, (size_t)n, r->plan->null_key, &r->identity,
			&reading->identity, r->why) < 0)
		return -1;
	buf_reset(&r->room);
	group_key_text(&r->room, key, (size_t)n);
	reading->key = arena_copy(&r->arena, buf_slice(&r->room));
	reading->plain = slice_eq(reading->key, reading->identity);
	return 0;
}

static inline void
set_owner(struct reading *reading)
{
	struct reading_rest *r = reading->rest;
	uint32_t now = atomic_load_explicit(&r->keys->assigned, memory_order_relaxed);

	if (!r->key.run && r->one_assigned == now)
		return;
	if (r->seen && r->seen->assigned && r->seen->assigned == now)
		reading->owner = r->seen->owner;
	else
		reading->owner = state_key(r->keys->state, reading->identity);
	r->one_assigned = now;
}

/* ---- values ------------------------------------------------------------------------ */

static struct fold_value
made(struct reading_rest *r, const struct value *v)
{
	if (v->kind == VALUE_TOKEN)
		return token(r, v->u.doc, v->t);
	r->used = true;
	buf_reset(&r->room);
	value_add_json(&r->room, v);
	return fold_value_of(arena_copy(&r->arena, buf_slice(&r->room)));
}

/* What goes with a value of argmin and argmax: one output, null where there is none. */
static int
read_what(struct reading_rest *r, const struct asked *a, const struct spec *spec,
	struct fold_value *what)
{
	const struct value *v;
	const struct field *f;
	ptrdiff_t n;

	*what = fold_value_of(SLICE("null"));
	if (r->is_object && a->field != NO_FIELD) {
		f = field(r, a->field);
		if (f->there)
			*what = f->value;
		return 0;
	}
	n = run_all(r, a, &v);
	if (n < 0)
		return -1;
	if (n > 1)
		return fail_record(r->why, "value", "%s: what goes with a value is %zd values",
			spec->name, n);
	if (n)
		*what = made(r, v);
	return 0;
}

/* Room for one more input. */
static inline struct reading_input *
next_input(struct reading *reading, unsigned i)
{
	struct reading_rest *r = reading->rest;
	struct reading_input *in;

	if (__builtin_expect(reading->n == r->cap, 0))
		reading->input = mem_grow(reading->input, &r->cap, reading->n + 1,
			sizeof(*reading->input));
	in = &reading->input[reading->n++];
	in->fold = i;
	in->in.us = reading->us;
	return in;
}

static int
add_value(struct reading *reading, unsigned i, const struct fold_value *v,
	const struct fold_value *what)
{
	struct reading_rest *r = reading->rest;
	struct reading_input *in = next_input(reading, i);

	in->in.value = *v;
	if (what)
		in->in.what = *what;
	return v->small ? 0 : fold_check(&r->plan->spec[i].fold, &in->in, &reading->work, r->why);
}

/* Of an expression that is run. */
static int
add_outputs(struct reading *reading, unsigned i, const struct fold_value *what)
{
	struct reading_rest *r = reading->rest;
	bool null_too = r->plan->spec[i].fold.func == FOLD_COUNT;
	struct fold_value made_of;
	const struct value *v;
	ptrdiff_t n, j;

	n = run_all(r, &r->spec[i].part[SPEC_VALUE], &v);
	for (j = 0; j < n; j++) {
		made_of = made(r, &v[j]);
		if ((made_of.type != JSON_NULL || null_too) &&
			add_value(reading, i, &made_of, what) < 0)
			return -1;
	}
	return n < 0 ? -1 : 0;
}

static int
read_spec(struct reading *reading, unsigned i)
{
	struct reading_rest *r = reading->rest;
	const struct asked *part = r->spec[i].part;
	const struct spec *spec = &r->plan->spec[i];
	struct fold_value what;
	const struct field *f;
	int rc;

	if (part[SPEC_WHERE].run && (rc = run_test(r, &part[SPEC_WHERE])) != 1)
		return rc;
	if (!part[SPEC_VALUE].run) {
		next_input(reading, i);
		return 0;
	}
	if (part[SPEC_WHAT].run && read_what(r, &part[SPEC_WHAT], spec, &what) < 0)
		return -1;
	if (!r->is_object || part[SPEC_VALUE].field == NO_FIELD)
		return add_outputs(reading, i, part[SPEC_WHAT].run ? &what : NULL);
	f = field(r, part[SPEC_VALUE].field);
	if (spec->fold.func == FOLD_COUNT) {
		next_input(reading, i);
		return 0;
	}
	return f->there ? add_value(reading, i, &f->value, part[SPEC_WHAT].run ? &what : NULL) :
		0;
}

int
reading_take(struct reading *reading, const struct record *record, struct failure *why)
{
	struct reading_rest *r = reading->rest;
	size_t i;

	reset(r);
	r->record = record;
	r->why = why;
	reading->us = record->time_us;
	reading->n = 0;
	r->number++;
	r->seen = seen_of(&r->plan_seen, record);
	if (r->seen && !r->seen->told)
		r->seen = NULL;
	r->is_object = r->seen || record->doc->first[record->root] == '{';
	if (reading->us == TIME_NONE)
		return fail_record(why, "time", "the record has no event time");
	if (read_key(reading) < 0)
		return -1;
	set_owner(reading);
	for (i = 0; i < r->plan->nspecs; i++)
		if (read_spec(reading, (unsigned)i) < 0)
			return -1;
	return 0;
}

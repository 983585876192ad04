/* The table of functions, and what all of them share. */
#include "window/fold.h"

#include <stdlib.h>

#include "base/mem.h"
#include "window/kinds.h"

#define FAMILY(family) \
	.add = family##_add, .merge = family##_merge, .render = family##_render, \
	.save = family##_save, .take = family##_take

/* ---- count ------------------------------------------------------------------------- */

static uint64_t
count_of(const struct fold *f, const struct fold_cell *c)
{
	uint64_t n;

	memcpy(&n, fold_fixed(f, c), sizeof(n));
	return n;
}

int
fold_count_more(const struct fold *f, uint64_t *n, uint64_t more, struct failure *why)
{
	/* No events are that many, but a partial result can say so. */
	if (more > INT64_MAX || *n > INT64_MAX - more)
		return fail(why, EXIT_OS, "%.*s: more than 2^63 values", (int)f->name.n,
			f->name.p);
	*n += more;
	return 0;
}

static int
count_more(const struct fold *f, struct fold_cell *c, uint64_t more, struct failure *why)
{
	uint64_t n = count_of(f, c);

	if (fold_count_more(f, &n, more, why) < 0)
		return -1;
	memcpy(fold_fixed(f, c), &n, sizeof(n));
	return 0;
}

static int
count_add(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_input *in,
	struct fold_work *w, struct failure *why)
{
	(void)i;
	(void)in;
	(void)w;
	return count_more(f, c, 1, why);
}

static int
count_merge(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_cell *from,
	struct fold_work *w, struct failure *why)
{
	(void)i;
	(void)w;
	return count_more(f, c, count_of(f, from), why);
}

static void
count_render(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	(void)i;
	(void)w;
	buf_addu(b, count_of(f, c));
}

static int
count_take(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct fold_work *w, struct failure *why)
{
	uint64_t n;

	(void)i;
	(void)w;
	if (!fold_read_whole(d, t, &n))
		return fold_no_partial(f, why);
	return count_more(f, c, n, why);
}

/* ---- all --------------------------------------------------------------------------- */

const char *const fold_func_name[FOLD_FUNCS + 1] = {"count", "sum", "avg", "stddev", "min",
	"max", "first", "last", "list", "set", "distinct", "approx_distinct", "quantile", "topk",
	"argmin", "argmax", NULL};

const struct fold_kind fold_kind[FOLD_FUNCS] = {
	[FOLD_COUNT] = {"count", 8, false, count_add, count_merge, count_render, count_render,
		count_take},
	[FOLD_SUM] = {"sum", EXACT_BYTES, true, FAMILY(exact)},
	[FOLD_AVG] = {"avg", EXACT_BYTES, true, FAMILY(exact)},
	[FOLD_STDDEV] = {"stddev", 2 * EXACT_BYTES, true, FAMILY(exact)},
	[FOLD_MIN] = {"min", BOX_BYTES, FAMILY(pick)},
	[FOLD_MAX] = {"max", BOX_BYTES, FAMILY(pick)},
	[FOLD_FIRST] = {"first", BOX_BYTES + 8, FAMILY(pick)},
	[FOLD_LAST] = {"last", BOX_BYTES + 8, FAMILY(pick)},
	[FOLD_LIST] = {"list", BAG_BYTES, FAMILY(bag)},
	[FOLD_SET] = {"set", BAG_BYTES, FAMILY(bag)},
	[FOLD_DISTINCT] = {"distinct", BAG_BYTES, FAMILY(bag)},
	[FOLD_APPROX_DISTINCT] = {"approx_distinct", HLL_BYTES, FAMILY(hll)},
	[FOLD_QUANTILE] = {"quantile", SKETCH_BYTES, true, FAMILY(sketch)},
	[FOLD_TOPK] = {"topk", BAG_BYTES, FAMILY(bag)},
	[FOLD_ARGMIN] = {"argmin", 2 * BOX_BYTES + 8, FAMILY(pick)},
	[FOLD_ARGMAX] = {"argmax", 2 * BOX_BYTES + 8, FAMILY(pick)},
};

size_t
fold_place(struct fold *f, size_t n)
{
	size_t at = 0, i;

	for (i = 0; i < n; i++) {
		f[i].at = (uint32_t)at;
		at += fold_kind[f[i].func].fixed;
	}
	return at;
}

bool
fold_takes_numbers(const struct fold *f)
{
	return fold_kind[f->func].numbers;
}

int
fold_check(const struct fold *f, const struct fold_input *in, struct fold_work *w,
	struct failure *why)
{
	const struct fold_value *v = &in->value;
	const char *is = "a number of more than 1,000 digits";

	(void)w;
	if (!fold_kind[f->func].numbers || v->small)
		return 0;
	if (v->type == JSON_NUMBER) {
		if (exact_is_measurable(v->text))
			return 0;
	} else {
		is = v->type == JSON_STRING ? "a string" : v->type == JSON_ARRAY ? "an array" :
			v->type == JSON_OBJECT ? "an object" : "a boolean";
	}
	return fail_record(why, "value", "%.*s: %s takes numbers, and %.*s%s is %s",
		(int)f->name.n, f->name.p, fold_kind[f->func].name,
		(int)(v->text.n < 40 ? v->text.n : 40), v->text.p, v->text.n < 40 ? "" : "...",
		is);
}

int
fold_add(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_input *in,
	struct fold_work *w, struct failure *why)
{
	return fold_kind[f->func].add(f, c, i, in, w, why);
}

int
fold_merge(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_cell *from,
	struct fold_work *w, struct failure *why)
{
	return fold_kind[f->func].merge(f, c, i, from, w, why);
}

void
fold_render(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	fold_kind[f->func].render(f, c, i, w, b);
}

void
fold_save(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	fold_kind[f->func].save(f, c, i, w, b);
}

int
fold_take(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct fold_work *w, struct failure *why)
{
	return fold_kind[f->func].take(f, c, i, d, t, w, why);
}

/* ---- rooms ------------------------------------------------------------------------- */

/* Two lengths, and the texts behind each other. */
struct texts {
	uint32_t n[2];
	char p[];
};

struct slice
fold_text(const struct fold_cell *c, unsigned i, unsigned which)
{
	const struct texts *t = (const struct texts *)(const void *)c->room[i].p;

	if (!c->room[i].n)
		return (struct slice){"", 0};
	return slice_of(t->p + (which ? t->n[0] : 0), t->n[which]);
}

int
fold_set_text(struct fold_cell *c, unsigned i, unsigned which, struct slice s,
	struct fold_work *w, struct failure *why)
{
	struct slice other = fold_text(c, i, !which);
	size_t need = sizeof(struct texts) + s.n + other.n;
	struct texts *t;

	if (s.n > (size_t)1 << 28)
		return fail_record(why, "value", "a value of more than 256 MiB");
	/* s may lie in the room itself. */
	buf_reset(&w->more);
	buf_add_slice(&w->more, which ? other : s);
	buf_add_slice(&w->more, which ? s : other);
	if (c->room[i].n < need && c->grow(c, i, need + need / 2, why) < 0)
		return -1;
	t = (struct texts *)(void *)c->room[i].p;
	t->n[which] = (uint32_t)s.n;
	memcpy(t->p, w->more.p ? w->more.p : "", w->more.n);
	return 0;
}

/* ---- partial results, read --------------------------------------------------------- */

int
fold_no_partial(const struct fold *f, struct failure *why)
{
	return fail_record(why, "partial", "%.*s: this is no partial result of %s",
		(int)f->name.n, f->name.p, fold_kind[f->func].name);
}

bool
fold_read_whole(const struct json_doc *d, uint32_t t, uint64_t *n)
{
	struct slice s;
	size_t i;

	if (t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER)
		return false;
	s = json_text(d, t);
	for (*n = 0, i = 0; i < s.n && i < 19; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*n = *n * 10 + (uint64_t)(s.p[i] - '0');
	}
	return i == s.n;
}

bool
fold_read_time(const struct json_doc *d, uint32_t t, int64_t *us)
{
	return t != JSON_NONE && json_type_at(d, t) == JSON_STRING &&
		time_of_rfc3339(json_string_raw(d, t), us) == 0;
}

struct fold_value
fold_read_value(const struct json_doc *d, uint32_t t, struct buf *b)
{
	buf_reset(b);
	json_add_compact(b, d, t);
	return fold_value_of(buf_slice(b));
}

/* ---- a cell in memory of its own --------------------------------------------------- */

static int
grow_scratch(struct fold_cell *c, unsigned i, size_t n, struct failure *why)
{
	struct fold_scratch *s = c->arg;

	(void)why;
	if (s->cap[i] < n) {
		c->room[i].p = mem_realloc(c->room[i].p, n);
		s->cap[i] = n;
	}
	memset(c->room[i].p + c->room[i].n, 0, n - c->room[i].n);
	c->room[i].n = n;
	return 0;
}

void
fold_scratch_init(struct fold_scratch *s, size_t fixed, size_t nfolds)
{
	*s = (struct fold_scratch){.fixed = fixed, .nfolds = nfolds};
	s->cap = mem_array(nfolds + 1, sizeof(*s->cap));
	s->cell = (struct fold_cell){.fixed = mem_zalloc(fixed + 8), .grow = grow_scratch,
		.room = mem_array(nfolds + 1, sizeof(*s->cell.room)), .arg = s};
}

/* Memory is kept for the next one, unless it is a lot. */
void
fold_scratch_clear(struct fold_scratch *s)
{
	size_t i;

	s->cell.arg = s;
	memset(s->cell.fixed, 0, s->fixed);
	for (i = 0; i < s->nfolds; i++) {
		if (s->cap[i] > 1 << 20) {
			free(s->cell.room[i].p);
			s->cell.room[i].p = NULL;
			s->cap[i] = 0;
		}
		s->cell.room[i].n = 0;
	}
}

void
fold_scratch_release(struct fold_scratch *s)
{
	size_t i;

	for (i = 0; i < s->nfolds && s->cell.room; i++)
		free(s->cell.room[i].p);
	free(s->cell.room);
	free(s->cell.fixed);
	free(s->cap);
	*s = (struct fold_scratch){0};
}

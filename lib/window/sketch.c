/*
 * quantile: a value within 1 % of the one that has this place among all values.
 *
 * DDSketch (Masson, Rim, Lee, VLDB 2019): values are counted in bins whose borders grow by
 * (1 + a) / (1 - a), a = 1 %, so the middle of a bin is within a of all that it holds. Bins are
 * never joined, so what is kept depends on the values alone. The logarithm is approximated
 * by a cubic on the significand, which needs 1 % more bins and is the same on every machine
 * (as in DataDog's sketches-java, CubicallyInterpolatedMapping).
 *
 * A bin is 8 bytes in an open table: 18 bits of its number, 46 of its count.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "window/kinds.h"

__extension__ typedef unsigned __int128 uint128;

#define ACCURACY 0.01
#define LN_GAMMA 0.020000666706669435 /* ln((1 + a) / (1 - a)) */
#define CUBE (6.0 / 35)
#define SQUARE (-3.0 / 5)
#define LINE (10.0 / 7)
#define PER_DOUBLING (1 / (LN_GAMMA * LINE)) /* bins */

#define MIDDLE 38000             /* the code of 1.0; codes of positive numbers are below 2^17 */
#define NEGATIVE (1u << 17)
#define ZERO (NEGATIVE - 1)
#define COUNT_BITS 46
#define COUNT_MASK (((uint64_t)1 << COUNT_BITS) - 1)

struct sketch {
	double min, max;
	uint64_t n;
	uint64_t bins;
};

_Static_assert(sizeof(struct sketch) == SKETCH_BYTES, "SKETCH_BYTES");

static struct sketch *
sketch_of(const struct fold *f, const struct fold_cell *c)
{
	return (struct sketch *)(void *)fold_fixed(f, c);
}

/* ---- bins -------------------------------------------------------------------------- */

/* x > 0. About the logarithm to base 2, growing as it does, a whole number at powers of 2. */
static double
log_like(double x)
{
	int exponent;
	double s = frexp(x, &exponent) * 2 - 1;

	return exponent - 1 + ((CUBE * s + SQUARE) * s + LINE) * s;
}

static double
log_unlike(double y)
{
	double whole = floor(y), low = 0, high = 1, s, rest = y - whole;
	int i;

	for (i = 0; i < 60; i++) {
		s = (low + high) / 2;
		if (((CUBE * s + SQUARE) * s + LINE) * s < rest)
			low = s;
		else
			high = s;
	}
	return ldexp(1 + high, (int)whole);
}

static uint32_t
code_of(double x)
{
	double size = fabs(x);

	if (size == 0)
		return ZERO;
	return (uint32_t)(ceil(log_like(size) * PER_DOUBLING) + MIDDLE) | (x < 0 ? NEGATIVE : 0);
}

static double
middle_of(uint32_t code)
{
	double at = (double)(code & ~NEGATIVE) - MIDDLE, low, high, x;

	if (code == ZERO)
		return 0;
	low = log_unlike((at - 1) / PER_DOUBLING);
	high = log_unlike(at / PER_DOUBLING);
	x = isinf(high) ? DBL_MAX : low / (low + high) * high * 2;
	return code & NEGATIVE ? -x : x;
}

/* Bins in the order of the values that they hold. */
static int64_t
rank_of(uint64_t bin)
{
	uint32_t code = (uint32_t)(bin >> COUNT_BITS);

	if (code == ZERO)
		return 0;
	return code & NEGATIVE ? -(int64_t)(code & ~NEGATIVE) - 1 : (int64_t)code + 1;
}

static int
by_rank(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return (rank_of(*a) > rank_of(*b)) - (rank_of(*a) < rank_of(*b));
}

/* ---- the table --------------------------------------------------------------------- */

static size_t
slots_of(const struct fold_room *r)
{
	return r->n / sizeof(uint64_t);
}

/* Free slots are 0: there is no code 0. */
static uint64_t *
slot_for(const struct fold_room *r, uint32_t code)
{
	uint64_t *slot = (uint64_t *)(void *)r->p;
	size_t mask = slots_of(r) - 1, i;

	for (i = (code * 0x9E3779B1u >> 8) & mask; slot[i] && slot[i] >> COUNT_BITS != code;
		i = (i + 1) & mask)
		;
	return &slot[i];
}

static int
make_larger(struct fold_cell *c, unsigned i, struct failure *why)
{
	size_t slots = slots_of(&c->room[i]), j;
	uint64_t *was = (uint64_t *)(void *)mem_dup(slots ? c->room[i].p : "", slots * 8);

	if (c->grow(c, i, (slots ? 2 * slots : 8) * sizeof(uint64_t), why) < 0) {
		free(was);
		return -1;
	}
	memset(c->room[i].p, 0, c->room[i].n);
	for (j = 0; j < slots; j++)
		if (was[j])
			*slot_for(&c->room[i], (uint32_t)(was[j] >> COUNT_BITS)) = was[j];
	free(was);
	return 0;
}

static int
add_bin(const struct fold *f, struct fold_cell *c, unsigned i, uint32_t code, uint64_t n,
	struct failure *why)
{
	uint64_t *slot;

	if (4 * sketch_of(f, c)->bins >= 3 * slots_of(&c->room[i]) && make_larger(c, i, why) < 0)
		return -1;
	slot = slot_for(&c->room[i], code);
	if (!*slot) {
		*slot = (uint64_t)code << COUNT_BITS;
		sketch_of(f, c)->bins++;
	}
	if ((*slot & COUNT_MASK) + n > COUNT_MASK)
		return fail(why, EXIT_OS, "%.*s: more than 2^46 values", (int)f->name.n,
			f->name.p);
	*slot += n;
	sketch_of(f, c)->n += n;
	return 0;
}

static void
take_ends(struct sketch *s, double min, double max)
{
	if (!s->n || min < s->min)
		s->min = min;
	if (!s->n || max > s->max)
		s->max = max;
}

/* ---- the function ------------------------------------------------------------------ */

static double
double_of(const struct fold_value *v)
{
	static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
		1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
	double x;

	/* Both are exact then, and the quotient is rounded once. */
	if (v->small && v->m > -((int64_t)1 << 53) && v->m < (int64_t)1 << 53)
		return (double)v->m / power[v->scale];
	x = json_number_double(v->text);
	return isinf(x) ? copysign(DBL_MAX, x) : x;
}

int
sketch_add(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_input *in,
	struct fold_work *w, struct failure *why)
{
	double x = double_of(&in->value) + 0.0; /* -0 is 0 */

	(void)w;
	take_ends(sketch_of(f, c), x, x);
	return add_bin(f, c, i, code_of(x), 1, why);
}

int
sketch_merge(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_cell *from,
	struct fold_work *w, struct failure *why)
{
	const struct sketch *s = sketch_of(f, from);
	const uint64_t *slot = (const uint64_t *)(const void *)from->room[i].p;
	size_t j;

	(void)w;
	if (!s->n)
		return 0;
	take_ends(sketch_of(f, c), s->min, s->max);
	for (j = 0; j < slots_of(&from->room[i]); j++)
		if (slot[j] && add_bin(f, c, i, (uint32_t)(slot[j] >> COUNT_BITS),
				slot[j] & COUNT_MASK, why) < 0)
			return -1;
	return 0;
}

/* The bins in order; to be freed. */
static uint64_t *
sorted(const struct fold *f, const struct fold_cell *c, unsigned i, size_t *n)
{
	const uint64_t *slot = (const uint64_t *)(const void *)c->room[i].p;
	uint64_t *bin = mem_array(sketch_of(f, c)->bins + 1, sizeof(*bin));
	size_t j;

	for (*n = 0, j = 0; j < slots_of(&c->room[i]); j++)
		if (slot[j])
			bin[(*n)++] = slot[j];
	qsort(bin, *n, sizeof(*bin), by_rank);
	return bin;
}

/* How many of n values are before the quantile, by the decimal that was written: 0.29 of 101
 * values is the one at place 29, and the double is a little less. */
static uint64_t
place_of(double quantile, uint64_t n)
{
	const uint64_t parts = UINT64_C(1000000000000000);

	return (uint64_t)((uint128)llround(quantile * (double)parts) * (n - 1) / parts);
}

void
sketch_render(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	const struct sketch *s = sketch_of(f, c);
	uint64_t before, seen = 0, *bin;
	size_t n, j = 0;
	double x;

	(void)w;
	if (!s->n) {
		buf_adds(b, "null");
		return;
	}
	before = place_of(f->quantile, s->n);
	bin = sorted(f, c, i, &n);
	while (j + 1 < n && (seen += bin[j] & COUNT_MASK) <= before)
		j++;
	x = middle_of((uint32_t)(bin[j] >> COUNT_BITS));
	free(bin);
	/* The ends are known exactly. */
	x = before == 0 || x < s->min ? s->min : before == s->n - 1 || x > s->max ? s->max : x;
	json_add_double(b, x);
}

/* {"min":1,"max":2,"bins":[[code,count],...]}; null: none. */
void
sketch_save(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	const struct sketch *s = sketch_of(f, c);
	uint64_t *bin;
	size_t n, j;

	(void)w;
	if (!s->n) {
		buf_adds(b, "null");
		return;
	}
	buf_adds(b, "{\"min\":");
	json_add_double(b, s->min);
	buf_adds(b, ",\"max\":");
	json_add_double(b, s->max);
	buf_adds(b, ",\"bins\":[");
	bin = sorted(f, c, i, &n);
	for (j = 0; j < n; j++)
		buf_addf(b, "%s[%llu,%llu]", j ? "," : "",
			(unsigned long long)(bin[j] >> COUNT_BITS),
			(unsigned long long)(bin[j] & COUNT_MASK));
	free(bin);
	buf_adds(b, "]}");
}

static bool
read_double(const struct json_doc *d, uint32_t t, double *x)
{
	if (t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER)
		return false;
	*x = json_number_double(json_text(d, t));
	return !isinf(*x);
}

int
sketch_take(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct fold_work *w, struct failure *why)
{
	uint64_t code, n;
	struct json_iter it;
	double min, max;
	uint32_t bins;

	(void)w;
	if (t != JSON_NONE && json_type_at(d, t) == JSON_NULL)
		return 0;
	if (t == JSON_NONE || !read_double(d, json_get(d, t, SLICE("min")), &min) ||
		!read_double(d, json_get(d, t, SLICE("max")), &max))
		return fold_no_partial(f, why);
	bins = json_get(d, t, SLICE("bins"));
	if (bins == JSON_NONE || json_type_at(d, bins) != JSON_ARRAY || !json_count(d, bins))
		return fold_no_partial(f, why);
	take_ends(sketch_of(f, c), min, max);
	for (json_enter(d, bins, &it); json_step(d, &it);) {
		if (json_type_at(d, it.value) != JSON_ARRAY || json_count(d, it.value) != 2 ||
			!fold_read_whole(d, json_at(d, it.value, 0), &code) ||
			!fold_read_whole(d, json_at(d, it.value, 1), &n) ||
			!code || code >= 2 * NEGATIVE || !n || n > COUNT_MASK)
			return fold_no_partial(f, why);
		if (add_bin(f, c, i, (uint32_t)code, n, why) < 0)
			return -1;
	}
	return 0;
}

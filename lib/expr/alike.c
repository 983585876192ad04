/*
 * Lines that look like one that was seen.
 *
 * That a line has the tokens { " : x , " : x ... } where the remembered one has them, and is
 * valid, says that each x is a scalar: behind a bracket that opens no comma can stand, and at the
 * end no bracket of the outermost object could. Of an x that is a bracket its first byte is
 * compared, and where it is closed.
 */
#include "expr/alike.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

#define REST_BLOCKS 32
#define PIN ALIKE_WIDE

void
alike_init(struct alike *a, const struct pick_wants *wants, struct pick_tested tested)
{
	*a = (struct alike){.wants = wants, .tested = tested};
}

void
alike_release(struct alike *a)
{
	size_t i, k;

	for (i = 0; i < ALIKE_KINDS; i++)
		for (k = 0; k < ALIKE_WAYS; k++)
			free(a->kind[i][k]);
	*a = (struct alike){.wants = NULL};
}

void
alike_begin(struct alike *a)
{
	if (a->rest)
		a->rest--;
	else if (a->missed > a->found)
		a->rest = REST_BLOCKS;
	a->found = a->missed = 0;
}

struct alike *
alike_take(struct alike_store *s)
{
	struct alike *a = NULL;
	size_t i;

	for (i = 0; i < ALIKE_SPARE && !a; i++)
		a = atomic_exchange(&s->spare[i], NULL);
	if (!a) {
		a = mem_alloc(sizeof(*a));
		alike_init(a, s->wants, s->tested);
	}
	alike_begin(a);
	return a;
}

void
alike_give(struct alike_store *s, struct alike *a)
{
	struct alike *none = NULL;
	size_t i;

	for (i = 0; i < ALIKE_SPARE; i++, none = NULL)
		if (atomic_compare_exchange_strong(&s->spare[i], &none, a))
			return;
	alike_release(a);
	free(a);
}

void
alike_store_release(struct alike_store *s)
{
	struct alike *a;
	size_t i;

	for (i = 0; i < ALIKE_SPARE; i++)
		if ((a = atomic_exchange(&s->spare[i], NULL))) {
			alike_release(a);
			free(a);
		}
}

/* ---- looking ----------------------------------------------------------------------- */

bool
alike_in_more(const struct likeness *l, const struct json_doc *d)
{
	alike_text differ = {0, 0};
	uint32_t skips = 0, i;

	for (i = ALIKE_FEW_TOKENS; i < l->ntokens; i++)
		differ |= alike_differs(&l->tokens[i], d->first + l->tokens[i].token);
	for (i = ALIKE_FEW_TEXTS; i < l->ntexts; i++)
		differ |= alike_differs(&l->text[i], d->base + d->pos[l->text[i].token]);
	for (i = ALIKE_FEW_ENDS; i < l->nends; i++)
		differ |= alike_differs(&l->end[i], d->base + d->pos[l->end[i].token] + PIN);
	for (i = ALIKE_FEW_BRACKETS; i < l->nbrackets; i++)
		skips |= alike_skips(&l->bracket[i], d);
	return !(differ[0] | differ[1] | skips);
}

/* ---- remembering ------------------------------------------------------------------- */

static bool
pin_text(struct alike_pin *pins, uint32_t *npins, uint32_t most, uint32_t token, const char *p,
	size_t n)
{
	struct alike_pin *pin = pins + *npins;

	if (*npins == most)
		return false;
	memcpy(&pin->text, p, n);
	memset(&pin->mask, 0xFF, n);
	pin->token = token;
	++*npins;
	return true;
}

/* A string with its quotes, so none begins with another; or a literal. */
static bool
pin_value(struct likeness *l, const struct json_doc *d, uint32_t t)
{
	struct slice text = json_text(d, t);
	size_t n = text.n < PIN ? text.n : PIN;

	return text.n <= 2 * PIN &&
		pin_text(l->text, &l->ntexts, ALIKE_TEXTS, t, text.p, n) && (n == text.n ||
		pin_text(l->end, &l->nends, ALIKE_ENDS, t, text.p + PIN, text.n - PIN));
}

/* What is chosen by a string or a literal follows from its text, or from its first byte; by a
 * bracket, from that. */
static bool
pin_tested(struct likeness *l, const struct json_doc *d, uint32_t t, bool text)
{
	if (json_opens(d, t))
		return true;
	if (json_type_at(d, t) == JSON_NUMBER)
		return false;
	return text ? pin_value(l, d, t) :
		pin_text(l->text, &l->ntexts, ALIKE_TEXTS, t, d->base + d->pos[t], 1);
}

/* The tokens are told one by one, in order. */
static bool
pin_token(struct likeness *l, const struct json_doc *d, uint32_t t)
{
	struct alike_pin *pin = l->tokens + l->ntokens;

	if (l->ntokens && t - pin[-1].token < PIN) {
		pin--;
	} else if (l->ntokens < ALIKE_TOKENS) {
		pin->token = t;
		l->ntokens++;
	} else {
		return false;
	}
	((char *)&pin->text)[t - pin->token] = d->first[t];
	((unsigned char *)&pin->mask)[t - pin->token] = 0xFF;
	return true;
}

static bool
pin_bracket(struct likeness *l, const struct json_doc *d, uint32_t t)
{
	if (l->nbrackets == ALIKE_BRACKETS || !pin_token(l, d, t))
		return false;
	l->bracket[l->nbrackets++] = (struct alike_bracket){t, d->skip[t], UINT32_MAX};
	return true;
}

/* The member whose name is at token t; *t moves on to what stands behind it. */
static bool
pin_member(struct likeness *l, const struct json_doc *d, uint32_t *t)
{
	uint32_t value = *t + 2;

	if (!pin_value(l, d, *t) || !pin_token(l, d, *t) || !pin_token(l, d, *t + 1) ||
		(json_opens(d, value) && !pin_bracket(l, d, value)))
		return false;
	*t = json_after(d, value);
	return pin_token(l, d, *t);
}

static bool
pin_all(const struct alike *a, struct likeness *l, const struct json_doc *d, const uint32_t *at)
{
	uint32_t t = 1, texts = a->tested.texts;
	unsigned i;

	if (!pin_token(l, d, 0))
		return false;
	for (; t + 2 < d->n && d->first[t] == '"'; t++)
		if (!pin_member(l, d, &t))
			return false;
	for (i = 0; i < a->wants->n; i++)
		if ((texts | a->tested.kinds) >> i & 1 && at[i] != JSON_NONE &&
			!pin_tested(l, d, at[i], texts >> i & 1))
			return false;
	l->more = l->ntokens > ALIKE_FEW_TOKENS || l->ntexts > ALIKE_FEW_TEXTS ||
		l->nends > ALIKE_FEW_ENDS || l->nbrackets > ALIKE_FEW_BRACKETS;
	return true;
}

void
alike_learn(struct alike *a, const struct json_doc *d, const uint32_t *at, int chosen)
{
	struct likeness **kind = a->kind[d->n % ALIKE_KINDS], *l;
	size_t i;

	if (a->rest)
		return;
	l = mem_zalloc(sizeof(*l));
	if (!pin_all(a, l, d, at)) {
		free(l);
		return;
	}
	l->n = d->n;
	l->chosen = chosen;
	memcpy(l->at, at, a->wants->n * sizeof(*at));
	free(kind[ALIKE_WAYS - 1]);
	for (i = ALIKE_WAYS - 1; i > 0; i--)
		kind[i] = kind[i - 1];
	kind[0] = l;
}

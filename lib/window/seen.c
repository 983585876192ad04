/* Lines, looked at ahead of their turn. */
#include "window/seen.h"

#include <stdlib.h>

#include "base/mem.h"
#include "flow/instant.h"

void
seen_init(struct seen_plan *p, const struct flow_time *time)
{
	struct slice name;

	*p = (struct seen_plan){.time = -1};
	if (!time || !time->expr)
		return;
	p->unit = time->unit;
	if (expr_is_path(time->expr) && expr_path_fields(time->expr, 0, &name, 1) == 1)
		p->time = pick_want(&p->wants, name);
}

void
seen_add(struct seen_plan *p, struct slice name)
{
	p->want = mem_realloc(p->want, (p->nvalues + 1) * sizeof(*p->want));
	p->want[p->nvalues++] = pick_want(&p->wants, name);
}

void
seen_ready(struct seen_plan *p, int key, const struct cell_keys *keys)
{
	p->key = key;
	p->keys = keys;
	p->bytes = sizeof(struct seen) + p->nvalues * sizeof(struct seen_value);
}

void
seen_release(struct seen_plan *p)
{
	free(p->want);
	*p = (struct seen_plan){0};
}

static int64_t
time_at(const struct seen_plan *p, const struct json_doc *d, uint32_t t, struct time_memo *memo)
{
	struct slice text;
	int64_t us;

	if (t == JSON_NONE)
		return TIME_NONE;
	if (d->first[t] == '"')
		return instant_of_string(d, t, memo, &us) ? us : TIME_NONE;
	text = json_text(d, t);
	return json_type_at(d, t) != JSON_NUMBER || time_of_epoch(text, p->unit, &us) < 0 ?
		TIME_NONE : us;
}

/* A scalar of a line without escapes, or none. */
static inline void
see(const struct json_doc *d, uint32_t t, struct seen_value *v)
{
	struct fold_value f;
	const char *p;
	uint32_t n;
	char c;

	v->told = true;
	v->there = v->plain = false;
	if (t == JSON_NONE || (c = d->first[t]) == 'n')
		return;
	if (c == '{' || c == '[') {
		v->told = false;
		return;
	}
	p = d->base + d->pos[t];
	n = d->pos[t + 1] - d->pos[t];
	while ((unsigned char)p[n - 1] <= ' ')
		n--;
	f.text = slice_of(p, n);
	f.type = (enum json_type)json_type_of_byte[(unsigned char)c];
	f.m = 0;
	f.scale = 0;
	f.small = f.type == JSON_NUMBER && fold_small(p, n, &f.m, &f.scale);
	*v = (struct seen_value){.at = d->pos[t], .n = n, .m = f.m, .type = (uint8_t)f.type,
		.scale = f.scale, .told = true, .there = true, .small = f.small,
		.plain = seen_is_plain(&f, false)};
}

/* Owners of keys of the block: there may be few. */
struct owned {
	struct slice key;
	struct key128 owner;
};
#define OWNED 16

/* Where it is plain, its text is what equal keys share. */
static inline void
own(const struct seen_plan *p, const struct json_scan *s, struct seen *seen, struct owned *owned)
{
	const struct seen_value *v = &seen->value[p->key];
	struct slice key = slice_of(s->p + v->at, v->n);

	owned += (v->n ^ (unsigned char)key.p[v->n / 2]) % OWNED;
	if (!slice_eq(owned->key, key)) {
		owned->key = key;
		owned->owner = state_key(p->keys->state, key);
	}
	seen->owner = owned->owner;
}

void
seen_make(const struct seen_plan *p, const struct json_scan *s, struct buf *notes)
{
	struct owned owned[OWNED] = {0};
	struct time_memo memo = {.known = false};
	uint32_t at[PICK_WANTS];
	struct seen *seen;
	uint32_t assigned = atomic_load(&p->keys->assigned);
	size_t i, k;

	buf_reset(notes);
	if (!p->wants.n || !s->nlines || s->lazy)
		return;
	buf_reserve(notes, s->nlines * p->bytes);
	notes->n = s->nlines * p->bytes;
	for (i = 0; i < s->nlines; i++) {
		const struct json_line *l = s->line + i;
		struct json_doc d = {s->p, s->pos + l->tok, s->skip + l->tok, s->first + l->tok,
			l->ntok, l->flags};

		seen = (struct seen *)(void *)(notes->p + i * p->bytes);
		seen->told = !l->flags && pick_look(&p->wants, &d, at);
		seen->assigned = seen->run = 0;
		seen->us = seen->told && p->time >= 0 ? time_at(p, &d, at[p->time], &memo) :
			TIME_NONE;
		for (k = 0; seen->told && k < p->nvalues; k++) {
			if (p->want[k] >= 0)
				see(&d, at[p->want[k]], &seen->value[k]);
			else
				seen->value[k].told = seen->value[k].plain = false;
		}
		if (seen->told && p->key >= 0 && seen->value[p->key].plain) {
			own(p, s, seen, owned);
			seen->assigned = assigned;
		}
	}
}

/* Lines looked up. */
#include "dedup/verdict.h"

#include <stdlib.h>

#include "base/mem.h"

#define NEAR 16 /* lines ahead */
#define AT_ONCE 32 /* keys that are hashed together */

void
verdicts_release(struct verdicts *v)
{
	free(v->is);
}

/* No key is all zeros, but for one input in 2^128: that one is read. */
static inline bool
is_noted(struct key128 key)
{
	return (key.hi | key.lo) != 0;
}

static inline struct key128
key_at(const struct buf *notes, size_t i)
{
	struct key128 key;

	memcpy(&key, notes->p + i * sizeof(key), sizeof(key));
	return key;
}

void
verdicts_note(const struct verdicts *v, const struct json_scan *s, struct buf *notes)
{
	struct key128 key[AT_ONCE];
	struct slice bytes[AT_ONCE];
	const uint32_t *value;
	size_t i, k, n;

	if (!identity_is_bytes(v->identity))
		return;
	buf_reserve(notes, s->nlines * sizeof(*key));
	value = identity_look(v->identity, s);
	for (i = 0; i < s->nlines; i += n) {
		n = s->nlines - i < AT_ONCE ? s->nlines - i : AT_ONCE;
		for (k = 0; k < n; k++)
			if (!identity_ask(v->identity, s, value, i + k, &bytes[k]))
				bytes[k] = (struct slice){"", 0};
		memory_key_all(v->memory, bytes, n, key);
		/* Nothing has that few bytes. */
		for (k = 0; k < n; k++)
			if (!bytes[k].n)
				key[k] = (struct key128){0, 0};
		buf_add(notes, key, n * sizeof(*key));
	}
}

/* The key of a line that has to be read: 1; 0: it has none, or is no good. */
static bool
read_key(struct verdicts *v, struct json_scan *s, size_t i, struct key128 *key)
{
	struct record r = {.line = json_line_text(s, i), .bytes = json_line_text(s, i),
		.doc = &v->doc, .index = (uint32_t)i};
	struct failure ignored;
	struct slice bytes;

	if (json_line_doc(s, i, s->trust, &v->doc, &ignored) < 0 ||
		identity_of(v->identity, &r, &bytes, &ignored) < 0)
		return false;
	*key = memory_key(v->memory, bytes);
	return true;
}

/* Keys up to one that bytes don't tell; from i on. */
static size_t
told(const struct json_scan *s, const struct key128 *key, size_t i)
{
	while (i < s->nlines && is_noted(key[i]) && !s->line[i].flags)
		i++;
	return i;
}

/* Returns the first line that failed. */
static size_t
take_told(struct verdicts *v, const struct key128 *key, size_t i, size_t n)
{
	struct failure ignored;
	size_t end = i + memory_take_all(v->memory, 0, key + i, n - i, v->is + i, &ignored);

	for (; i < end; i++)
		v->is[i] = v->is[i] ? VERDICT_NEW : VERDICT_SEEN;
	return end;
}

void
verdicts_take(struct verdicts *v, struct json_scan *s, const struct buf *notes)
{
	const struct key128 *noted = (const void *)notes->p;
	enum memory_says says;
	struct failure ignored;
	struct key128 key;
	size_t i, end, n = s->nlines;

	v->scan = s;
	v->number = s->number;
	v->n = n;
	v->is = mem_grow(v->is, &v->cap, n + 1, 1);
	memset(v->is, VERDICT_NONE, n);
	for (i = 0; i < n; i++) {
		end = told(s, noted, i);
		i = take_told(v, noted, i, end);
		if (i < end) {
			memset(v->is + i, VERDICT_NONE, n - i);
			return;
		}
		if (i == n)
			return;
		if (!read_key(v, s, i, &key))
			continue;
		says = memory_take(v->memory, 0, key, TIME_NONE, &ignored);
		if (says == MEMORY_FAILED)
			return;
		v->is[i] = says == MEMORY_NEW ? VERDICT_NEW : VERDICT_SEEN;
	}
}

enum verdict
verdict_of(const struct verdicts *v, const struct record *r)
{
	const struct json_scan *s = r->doc->scan;

	return s && s == v->scan && s->number == v->number && r->index < v->n ?
		(enum verdict)v->is[r->index] : VERDICT_NONE;
}

bool
verdict_key(const struct verdicts *v, const struct record *r, struct key128 *key)
{
	const struct buf *notes = &r->block->notes;
	size_t n = notes->n / sizeof(*key);

	if (r->meta || r->index >= n)
		return false;
	if (r->index + NEAR < n)
		memory_prefetch(v->memory, r->task, key_at(notes, r->index + NEAR));
	*key = key_at(notes, r->index);
	return is_noted(*key);
}

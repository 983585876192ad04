/*
 * Looking at a document: values are found by stepping over the ones before them, which
 * costs a token for a scalar and one look at skip for anything else.
 *
 * Text that was not validated may hold anything, so here nothing relies on what must be:
 * each step goes forward and ends at n at the latest, and bytes are read only between the
 * line's first and its padding's last.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "json/scan.h"

const uint8_t json_type_of_byte[256] = {
	['"'] = JSON_STRING, ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY, ['t'] = JSON_TRUE,
	['f'] = JSON_FALSE, ['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER, ['1'] = JSON_NUMBER,
	['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER, ['4'] = JSON_NUMBER, ['5'] = JSON_NUMBER,
	['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER, ['9'] = JSON_NUMBER,
};

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The byte after the closing quote of the string at t; where there is none, the end of what
 * stands before the next token. */
static const char *
string_end(const struct json_doc *d, uint32_t t)
{
	const char *p = d->base + d->pos[t], *end, *q;

	end = d->base + d->pos[t < d->n ? t + 1 : t];
	for (q = end; q > p + 1;)
		if (*--q == '"')
			return q + 1;
	return end > p ? end : p + 1;
}

struct slice
json_text(const struct json_doc *d, uint32_t t)
{
	const char *p = d->base + d->pos[t], *end;
	uint32_t after;

	if (t >= d->n)
		return (struct slice){p, 0};
	if (*p == '"')
		return (struct slice){p, (size_t)(string_end(d, t) - p)};
	if (json_opens(d, t)) {
		after = json_after(d, t);
		end = d->base + d->pos[after - 1] + 1;
		return (struct slice){p, (size_t)(end - p)};
	}
	end = d->base + d->pos[t + 1];
	while (end > p + 1 && is_space(end[-1]))
		end--;
	return (struct slice){p, (size_t)(end - p)};
}

struct slice
json_string_raw(const struct json_doc *d, uint32_t t)
{
	const char *p = d->base + d->pos[t] + 1, *end = string_end(d, t);

	return (struct slice){p, end - p > 0 ? (size_t)(end - p - 1) : 0};
}

/* ---- members ----------------------------------------------------------------------- */

static inline uint64_t
load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
	return x;
}

struct json_name
json_name_of(struct slice key)
{
	struct json_name name = {.key = key, .plain = true};
	char head[8] = {0}, mask[8] = {0};
	size_t n = key.n < 8 ? key.n : 8, i;

	memcpy(head, key.n ? key.p : "", n);
	memset(mask, 0xFF, n);
	if (n < 8) {
		head[n] = '"';
		mask[n] = (char)0xFF;
	}
	name.head = load8(head);
	name.mask = load8(mask);
	for (i = 0; i < key.n && name.plain; i++)
		name.plain = key.p[i] != '"' && key.p[i] != '\\' &&
			(unsigned char)key.p[i] >= 0x20;
	return name;
}

/* Is the name at t, which holds no escape, this one? */
static inline bool
is_name(const struct json_doc *d, uint32_t t, const struct json_name *name)
{
	const char *p = d->base + d->pos[t] + 1;
	size_t n = name->key.n;

	if (__builtin_expect(((load8(p) ^ name->head) & name->mask) != 0, 1))
		return false;
	return n < 8 || (d->pos[t + 1] - d->pos[t] >= n + 2 && p[n] == '"' &&
		memcmp(p + 8, name->key.p + 8, n - 8) == 0);
}

static bool
is_name_escaped(const struct json_doc *d, uint32_t t, struct slice key)
{
	struct slice raw = json_string_raw(d, t);

	return memchr(raw.p, '\\', raw.n) ? json_raw_equals(raw, key) : slice_eq(raw, key);
}

static inline bool
is_bracket(char c)
{
	return (c | 0x20) == '{' || (c | 0x20) == '}';
}

uint32_t
json_get_name(const struct json_doc *d, uint32_t t, const struct json_name *name)
{
	uint32_t found = JSON_NONE, n = d->n, end;
	bool escaped = d->flags & JSON_LINE_ESCAPE;

	if (t >= n || d->first[t] != '{' || (!escaped && !name->plain))
		return JSON_NONE;
	/* The last member, if it is a scalar, is told at a glance, and wins over all others. */
	end = d->skip[t];
	if (!escaped && end - t > 3 && d->first[end - 2] == ':' && d->first[end - 3] == '"' &&
		!is_bracket(d->first[end - 1]) && is_name(d, end - 3, name))
		return end - 1;
	/* Behind the last member's value comes a bracket, and behind that never a name. */
	for (t++; t < n && n - t > 2 && d->first[t] == '"'; t++) {
		if (__builtin_expect(escaped, 0) ? is_name_escaped(d, t, name->key) :
		    is_name(d, t, name))
			found = t + 2;
		t = json_after(d, t + 2);
	}
	return found;
}

uint32_t
json_get(const struct json_doc *d, uint32_t t, struct slice key)
{
	struct json_name name = json_name_of(key);

	return json_get_name(d, t, &name);
}

uint32_t
json_at(const struct json_doc *d, uint32_t t, int64_t i)
{
	struct json_iter it;

	if (t >= d->n || d->first[t] != '[')
		return JSON_NONE;
	if (i < 0) {
		i += (int64_t)json_count(d, t);
		if (i < 0)
			return JSON_NONE;
	}
	for (json_enter(d, t, &it); json_step(d, &it); i--)
		if (i == 0)
			return it.value;
	return JSON_NONE;
}

/* ---- counting ---------------------------------------------------------------------- */

#define FEW 16

static size_t
count_names(const struct json_doc *d, uint32_t t)
{
	struct table seen = {0};
	struct buf name = {0};
	struct json_iter it;
	size_t n;

	for (json_enter(d, t, &it); json_step(d, &it);) {
		buf_reset(&name);
		json_unescape(&name, json_string_raw(d, it.key));
		table_put(&seen, buf_slice(&name), NULL);
	}
	n = seen.n;
	table_release(&seen);
	buf_release(&name);
	return n;
}

size_t
json_count(const struct json_doc *d, uint32_t t)
{
	struct slice names[FEW];
	struct json_iter it;
	size_t n = 0, i;

	json_enter(d, t, &it);
	if (it.object && d->flags & JSON_LINE_ESCAPE)
		return count_names(d, t);
	while (json_step(d, &it)) {
		if (it.object) {
			struct slice name = json_string_raw(d, it.key);

			for (i = 0; i < n && !slice_eq(names[i], name); i++)
				;
			if (i < n)
				continue;
			if (n == FEW)
				return count_names(d, t);
			names[n] = name;
		}
		n++;
	}
	return n;
}

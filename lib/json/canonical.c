/*
 * Values written again: compact, as jq -c would, and canonical.
 *
 * Most input is compact already, without escapes, and repeats no name: then a value is
 * its own text. One pass over its tokens tells: white space shows in the byte before a
 * token, a repeated name in a list of 32-bit signatures of the names of the objects that
 * are open (equal ones are compared byte by byte). Where only white space or escapes
 * stand in the way, runs of text are copied between them. What is left, an object that
 * repeats a name, or where the pass gave up (many members, names with escapes), is walked
 * member by member.
 */
#include "json/json.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "json/bytes.h"

#define MANY_MEMBERS 128 /* more are left to the second way */
#define HASHED_MEMBERS 24 /* of more, names are hashed to find repeated ones */
#define OPEN_NAMES 320

struct member {
	struct slice name; /* decoded */
	uint32_t key, value;
};

struct members {
	struct member *m;
	size_t n, cap;
	struct buf names;       /* decoded names that had escapes */
	struct member few[12];
};

static inline bool
is_space(char c)
{
	return (unsigned char)c <= ' ';
}

/* The end of token i: white space before the next one is not part of it. */
static inline const char *
token_end(const struct json_doc *d, uint32_t i)
{
	const char *p = d->base + d->pos[i + 1], *from = d->base + d->pos[i] + 1;

	while (p > from && is_space(p[-1]))
		p--;
	return p;
}

/* The bytes between the quotes of string token i. */
static inline struct slice
string_raw(const struct json_doc *d, uint32_t i)
{
	const char *from = d->base + d->pos[i] + 1, *end = token_end(d, i);

	return slice_of(from, end > from ? (size_t)(end - from) - 1 : 0);
}

/* Equal names have equal signatures. Eight bytes from p on are readable: a document is
 * followed by padding. */
static inline uint32_t
signature(const char *p, size_t n)
{
	uint64_t first, last;

	memcpy(&first, p, 8);
	if (n < 8) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		first = __builtin_bswap64(first);
#endif
		first &= (UINT64_C(1) << (8 * n)) - 1;
		last = 0;
	} else {
		memcpy(&last, p + n - 8, 8);
	}
	first = (first ^ n) * UINT64_C(0x9E3779B97F4A7C15) +
		last * UINT64_C(0xC2B2AE3D27D4EB4F);
	return (uint32_t)(first >> 32);
}

/* An object or array around the one that is looked at. */
struct frame {
	uint64_t bits;
	uint16_t begin;
	bool object;
};

/*
 * True if in the object or array of tokens t to last no object repeats a name; false if
 * one does, or if that is not clear: names with escapes, or too many.
 */
static bool
names_differ(const struct json_doc *d, uint32_t t, uint32_t last, struct look look)
{
	struct frame frame[JSON_MAX_DEPTH];
	uint32_t signs[OPEN_NAMES], names[OPEN_NAMES]; /* of all open objects */
	uint32_t depth = 0, begin = 0, top = 0, i = t, j, sign;
	uint64_t bits = 0, bit; /* which of 64 classes of signatures there are */
	const char *base = d->base, *name, *end;
	bool object = false;
	size_t n;
	char c;

	for (;;) {
		if (object) {
			if (i >= last)
				return false;
			name = base + d->pos[i] + 1;
			end = base + d->pos[i + 1];
			if (*end != ':' || name[-1] != '"')
				return false;
			if (look.blank)
				while (end > name && is_space(end[-1]))
					end--;
			if (--end < name)
				return false;
			n = (size_t)(end - name);
			if (look.rewrite && memchr(name, '\\', n))
				return false;
			sign = signature(name, n);
			bit = UINT64_C(1) << (sign >> 26);
			if (bits & bit)
				for (j = begin; j < top; j++)
					if (signs[j] == sign &&
						slice_eq(slice_of(name, n),
							string_raw(d, names[j])))
						return false;
			if (top == OPEN_NAMES || top - begin == MANY_MEMBERS)
				return false;
			bits |= bit;
			signs[top] = sign;
			names[top++] = i;
			i += 2;
		}
		if (i > last)
			return false;
		c = base[d->pos[i++]];
		if ((c | 0x20) == '{') {
			if (depth == JSON_MAX_DEPTH)
				return false;
			frame[depth++] = (struct frame){bits, (uint16_t)begin, object};
			bits = 0;
			begin = top;
			object = c == '{';
			if (i <= last && base[d->pos[i]] != c + 2)
				continue;
		}
		for (;; i++) { /* brackets that close */
			if (i > last)
				return false;
			if (base[d->pos[i]] == ',')
				break;
			top = begin;
			bits = frame[--depth].bits;
			begin = frame[depth].begin;
			object = frame[depth].object;
			if (!depth)
				return true;
		}
		i++;
	}
}

/* True if there is white space between tokens t to last. */
static bool
is_spaced(const struct json_doc *d, uint32_t t, uint32_t last)
{
	const char *before = d->base - 1;
	unsigned spaced = 0;
	uint32_t i;

	for (i = t + 1; i <= last; i++)
		spaced |= (unsigned char)before[d->pos[i]] - (unsigned)' ' - 1;
	return spaced >> 31;
}

/* Copy tokens t to last without the white space between them and with the shortest
 * escapes. */
static void
add_runs(struct buf *b, const struct json_doc *d, uint32_t t, uint32_t last, bool escapes)
{
	const char *from = d->base + d->pos[t], *p, *end;
	struct slice raw;
	uint32_t i;

	buf_reserve(b, (size_t)(token_end(d, last) - from));
	for (i = t; i <= last; i++) {
		p = d->base + d->pos[i];
		if (i > t && is_space(p[-1])) {
			end = token_end(d, i - 1);
			if (end > from)
				buf_add(b, from, (size_t)(end - from));
			from = p;
		}
		if (escapes && *p == '"') {
			raw = string_raw(d, i);
			if (!look_at(raw.p, raw.n).rewrite)
				continue;
			buf_add(b, from, (size_t)(p - from));
			json_add_raw_string(b, raw);
			from = token_end(d, i);
		}
	}
	end = token_end(d, last);
	if (end > from)
		buf_add(b, from, (size_t)(end - from));
}

/* ---- member by member -------------------------------------------------------------- */

/* Of members with one name keep the first, with the value of the last. */
static void
drop_repeated(struct members *o)
{
	struct member *m = o->m;
	size_t i, j, n = 0, slots = 0;
	uint32_t *slot = NULL;

	if (o->n > HASHED_MEMBERS) {
		for (slots = 64; slots < 2 * o->n; slots *= 2)
			;
		slot = mem_array(slots, sizeof(*slot)); /* index + 1 into m, 0: free */
	}
	for (i = 0; i < o->n; i++) {
		if (slot) {
			j = hash64(m[i].name.p, m[i].name.n, hash_process_seed());
			for (j &= slots - 1; slot[j]; j = (j + 1) & (slots - 1))
				if (slice_eq(m[slot[j] - 1].name, m[i].name))
					break;
			if (!slot[j]) {
				slot[j] = (uint32_t)n + 1;
				m[n++] = m[i];
			} else {
				m[slot[j] - 1].value = m[i].value;
			}
			continue;
		}
		for (j = 0; j < n && !slice_eq(m[j].name, m[i].name); j++)
			;
		if (j < n)
			m[j].value = m[i].value;
		else
			m[n++] = m[i];
	}
	o->n = n;
	free(slot);
}

static void
members_of(struct members *o, const struct json_doc *d, uint32_t t)
{
	size_t escaped = 0, i, at;
	struct json_iter it;
	struct member *m;

	o->m = o->few;
	o->n = 0;
	o->cap = sizeof(o->few) / sizeof(o->few[0]);
	o->names = (struct buf){0};
	for (json_enter(d, t, &it); json_step(d, &it);) {
		if (o->n == o->cap && o->m == o->few) {
			o->m = mem_alloc(4 * sizeof(o->few));
			o->cap *= 4;
			memcpy(o->m, o->few, sizeof(o->few));
		} else if (o->n == o->cap) {
			o->m = mem_grow(o->m, &o->cap, o->n + 1, sizeof(*o->m));
		}
		m = &o->m[o->n++];
		m->key = it.key;
		m->value = it.value;
		m->name = string_raw(d, it.key);
		if (m->name.n && memchr(m->name.p, '\\', m->name.n))
			escaped += m->name.n + 3;
	}
	if (escaped) {
		/* room for all at once: the slices stay where they are */
		buf_reserve(&o->names, escaped + 3);
		for (i = 0; i < o->n; i++) {
			m = &o->m[i];
			if (!m->name.n || !memchr(m->name.p, '\\', m->name.n))
				continue;
			at = o->names.n;
			json_unescape(&o->names, m->name);
			m->name = slice_of(o->names.p + at, o->names.n - at);
		}
	}
	drop_repeated(o);
}

static void
members_release(struct members *o)
{
	if (o->m != o->few)
		free(o->m);
	buf_release(&o->names);
}

static int
by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return slice_cmp(x->name, y->name);
}

static void
sort_members(struct members *o)
{
	struct member m;
	size_t i, j;

	if (o->n > 16) {
		qsort(o->m, o->n, sizeof(*o->m), by_name);
		return;
	}
	for (i = 1; i < o->n; i++) {
		m = o->m[i];
		for (j = i; j && slice_cmp(m.name, o->m[j - 1].name) < 0; j--)
			o->m[j] = o->m[j - 1];
		o->m[j] = m;
	}
}

static inline void
add_string(struct buf *b, struct slice raw, bool canonical)
{
	if (canonical)
		json_add_canonical_raw(b, raw);
	else
		json_add_raw_string(b, raw);
}

static const struct json_omit *
find_omit(const struct json_omit *omit, struct slice name)
{
	while (omit && !slice_eq(omit->name, name))
		omit = omit->next;
	return omit;
}

static void
add_value(struct buf *b, const struct json_doc *d, uint32_t t, bool canonical,
	const struct json_omit *omit, int depth)
{
	const struct json_omit *found;
	const char *p = d->base + d->pos[t];
	struct json_iter it;
	struct members o;
	size_t i;

	switch (*p) {
	case '"':
		add_string(b, string_raw(d, t), canonical);
		return;
	case '[':
	case '{':
		break;
	default:
		if (canonical && (*p == '-' || (*p >= '0' && *p <= '9')))
			json_number_canonical(
				b, slice_of(p, (size_t)(token_end(d, t) - p)));
		else
			buf_add(b, p, (size_t)(token_end(d, t) - p));
		return;
	}
	if (depth == JSON_MAX_DEPTH) { /* only what was not validated is deeper */
		buf_add_slice(b, json_text(d, t));
		return;
	}
	if (*p == '[') {
		buf_addc(b, '[');
		for (i = 0, json_enter(d, t, &it); json_step(d, &it); i++) {
			if (i)
				buf_addc(b, ',');
			add_value(b, d, it.value, canonical, NULL, depth + 1);
		}
		buf_addc(b, ']');
		return;
	}
	members_of(&o, d, t);
	if (canonical)
		sort_members(&o);
	buf_addc(b, '{');
	for (i = 0; i < o.n; i++) {
		found = find_omit(omit, o.m[i].name);
		if (found && !found->inner)
			continue;
		if (b->p[b->n - 1] != '{')
			buf_addc(b, ',');
		add_string(b, string_raw(d, o.m[i].key), canonical);
		buf_addc(b, ':');
		add_value(b, d, o.m[i].value, canonical, found ? found->inner : NULL,
			depth + 1);
	}
	buf_addc(b, '}');
	members_release(&o);
}

void
json_add_compact(struct buf *b, const struct json_doc *d, uint32_t t)
{
	const char *p = d->base + d->pos[t], *end;
	struct look look;
	uint32_t last;

	if ((*p | 0x20) != '{') {
		end = token_end(d, t);
		if (*p == '"' && look_at(p, (size_t)(end - p)).rewrite)
			json_add_raw_string(b, string_raw(d, t));
		else
			buf_add(b, p, (size_t)(end - p));
		return;
	}
	last = json_after(d, t) - 1;
	if (last < t || last >= d->n)
		last = t; /* only in what was not validated */
	end = token_end(d, last);
	look = look_at(p, (size_t)(end - p));
	if (!names_differ(d, t, last, look))
		add_value(b, d, t, false, NULL, 0);
	else if (look.rewrite || (look.blank && is_spaced(d, t, last)))
		add_runs(b, d, t, last, look.rewrite);
	else
		buf_add(b, p, (size_t)(end - p));
}

void
json_canonical(struct buf *b, const struct json_doc *d, uint32_t t)
{
	add_value(b, d, t, true, NULL, 0);
}

void
json_canonical_without(struct buf *b, const struct json_doc *d, uint32_t t,
	const struct json_omit *omit)
{
	add_value(b, d, t, true, omit, 0);
}

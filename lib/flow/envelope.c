/*
 * Envelopes, read: member by member; or, where the line has the very form that wrap.c gives it,
 * from its bytes, with one look at the tokens to see that the value is where it should be, and
 * the last member. Both ways give the same.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "flow/internal.h"

void
envelope_reader_release(struct envelope_reader *e)
{
	arena_release(&e->arena);
	buf_release(&e->bytes);
	buf_release(&e->head);
	json_scan_release(&e->scan);
}

static int
not_so(struct failure *why, const char *what)
{
	return fail_record(why, "envelope", "not an envelope: %s", what);
}

/* Digits, as few as always fit, with a sign or without. */
static bool
few_digits(struct slice s, int64_t *to)
{
	bool negative = s.n && s.p[0] == '-';
	size_t i = negative;
	int64_t v = 0;

	if (i == s.n || s.n > 18)
		return false;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*to = negative ? -v : v;
	return true;
}

/* A whole number or null. */
static int
read_whole(const struct json_doc *d, uint32_t t, int64_t *to, struct failure *why)
{
	char digits[24];
	struct slice s = json_text(d, t);
	char *end;

	if (few_digits(s, to) || json_type_at(d, t) == JSON_NULL)
		return 0;
	if (json_type_at(d, t) != JSON_NUMBER || s.n >= sizeof(digits))
		return not_so(why, "a number was expected");
	memcpy(digits, s.p, s.n);
	digits[s.n] = '\0';
	*to = strtoll(digits, &end, 10);
	return *end ? not_so(why, "a whole number was expected") : 0;
}

/* A string's bytes, or absent for null. */
static int
read_string(struct envelope_reader *e, const struct json_doc *d, uint32_t t, bool b64,
	struct slice *to, struct failure *why)
{
	struct value v = value_token(d, t);
	struct buf b = {0};

	*to = (struct slice){0};
	if (json_type_at(d, t) == JSON_NULL)
		return 0;
	if (json_type_at(d, t) != JSON_STRING)
		return not_so(why, "a string or null was expected");
	*to = value_string_bytes(&v, &e->arena);
	if (!b64)
		return 0;
	if (text_unbase64(&b, *to) < 0) {
		buf_release(&b);
		return not_so(why, "a member ending in b64 holds no base64");
	}
	*to = arena_copy(&e->arena, buf_slice(&b));
	buf_release(&b);
	return 0;
}

static int
read_header(struct envelope_reader *e, const struct json_doc *d, uint32_t t,
	struct header *h, struct failure *why)
{
	uint32_t name, value, b64;

	name = json_at(d, t, 0);
	value = json_at(d, t, 1);
	if (json_type_at(d, t) != JSON_ARRAY || json_count(d, t) != 2 ||
		json_type_at(d, name) != JSON_STRING)
		return not_so(why, "a header is [\"name\",\"value\"]");
	if (read_string(e, d, name, false, &h->name, why) < 0)
		return -1;
	if (json_type_at(d, value) != JSON_OBJECT)
		return read_string(e, d, value, false, &h->value, why);
	b64 = json_get(d, value, SLICE("b64"));
	if (b64 == JSON_NONE)
		return not_so(why, "a header value is a string, null or {\"b64\":...}");
	return read_string(e, d, b64, true, &h->value, why);
}

static int
read_headers(struct envelope_reader *e, const struct json_doc *d, uint32_t t,
	struct failure *why)
{
	struct header *h;
	struct json_iter it;
	size_t n = 0;

	if (json_type_at(d, t) == JSON_NULL)
		return 0;
	if (json_type_at(d, t) != JSON_ARRAY)
		return not_so(why, "headers are an array");
	h = arena_alloc(&e->arena, (json_count(d, t) + 1) * sizeof(*h));
	for (json_enter(d, t, &it); json_step(d, &it); n++)
		if (read_header(e, d, it.value, &h[n], why) < 0)
			return -1;
	e->meta.header = h;
	e->meta.nheaders = n;
	return 0;
}

static int
read_member(struct envelope_reader *e, const struct json_doc *d, const struct json_iter *it,
	uint32_t *value, uint32_t *value_key, bool *b64, struct failure *why)
{
	struct slice name = json_string_raw(d, it->key), s;
	struct meta *m = &e->meta;
	uint32_t t = it->value;
	int64_t n;

	if (slice_eq(name, SLICE("value")) || slice_eq(name, SLICE("value_b64"))) {
		*value = t;
		*value_key = it->key;
		*b64 = name.n > 5;
		return 0;
	}
	if (slice_eq(name, SLICE("topic")))
		return read_string(e, d, t, false, &m->topic, why);
	if (slice_eq(name, SLICE("key")))
		return read_string(e, d, t, false, &m->key, why);
	if (slice_eq(name, SLICE("key_b64")))
		return read_string(e, d, t, true, &m->key, why);
	if (slice_eq(name, SLICE("headers")))
		return read_headers(e, d, t, why);
	if (slice_eq(name, SLICE("offset")))
		return read_whole(d, t, &m->offset, why);
	if (slice_eq(name, SLICE("ts")))
		return read_whole(d, t, &m->ts_ms, why);
	if (slice_eq(name, SLICE("partition"))) {
		n = 0;
		if (read_whole(d, t, &n, why) < 0)
			return -1;
		if (n < 0 || n > INT32_MAX)
			return not_so(why, "a partition is 0 or more");
		m->partition = (int32_t)n;
		return 0;
	}
	if (slice_eq(name, SLICE("time"))) {
		if (read_string(e, d, t, false, &s, why) < 0)
			return -1;
		if (s.p && time_of_rfc3339(s, &m->time_us) < 0)
			return not_so(why, "time is RFC 3339");
	}
	return 0;
}

/* e->bytes are the value: they may be JSON after all, with a line feed in it. */
static void
take_bytes(struct envelope_reader *e, struct record *r, struct slice *odd)
{
	struct failure ignored;
	size_t i;

	r->root = JSON_NONE;
	*odd = (struct slice){0};
	if (json_doc_of(&e->scan, buf_slice(&e->bytes), &e->doc, &ignored) == 0) {
		/* Outside of strings, where JSON has no line feed, it is white space. */
		if (memchr(e->bytes.p, '\n', e->bytes.n) ||
			memchr(e->bytes.p, '\r', e->bytes.n))
			*odd = arena_copy(&e->arena, buf_slice(&e->bytes));
		for (i = 0; i < e->bytes.n; i++)
			if (e->bytes.p[i] == '\n' || e->bytes.p[i] == '\r')
				e->bytes.p[i] = ' ';
		if (json_doc_of(&e->scan, buf_slice(&e->bytes), &e->doc, &ignored) == 0) {
			r->doc = &e->doc;
			r->root = 0;
		}
	}
	r->bytes = buf_slice(&e->bytes);
}

static int
read_b64_value(struct envelope_reader *e, struct record *r, const struct json_doc *d,
	uint32_t t, struct failure *why)
{
	struct value v = value_token(d, t);

	if (json_type_at(d, t) != JSON_STRING)
		return not_so(why, "value_b64 is a string");
	buf_reset(&e->bytes);
	if (text_unbase64(&e->bytes, value_string_bytes(&v, &e->arena)) < 0)
		return not_so(why, "value_b64 holds no base64");
	take_bytes(e, r, &e->meta.odd);
	return 0;
}

void
envelope_read_odd(struct envelope_reader *e, struct record *r)
{
	struct slice same;

	arena_reset(&e->arena);
	buf_reset(&e->bytes);
	buf_add_slice(&e->bytes, r->meta->odd);
	take_bytes(e, r, &same);
}

/* ---- as we write them -------------------------------------------------------------- */

/* How far the bytes of a line were read. */
struct at {
	const char *p, *end;
	bool escapes;    /* there are some in the line */
};

static inline bool
skip_text(struct at *at, const char *text, size_t n)
{
	if ((size_t)(at->end - at->p) < n || memcmp(at->p, text, n) != 0)
		return false;
	at->p += n;
	return true;
}

#define SKIP(at, literal) skip_text(at, literal, sizeof(literal) - 1)

/* Digits, as few as always fit. */
static inline bool
usual_whole(struct at *at, int64_t *to)
{
	const char *p = at->p;
	int64_t v = 0;

	for (; p < at->end && p - at->p < 18 && (unsigned char)(*p - '0') < 10; p++)
		v = v * 10 + (*p - '0');
	if (p == at->p)
		return false;
	at->p = p;
	*to = v;
	return true;
}

/* A string without escapes, or absent for null. */
static inline bool
usual_string(struct at *at, struct slice *s)
{
	const char *from = at->p + 1, *quote;

	*s = (struct slice){0};
	if (SKIP(at, "null"))
		return true;
	if (at->p == at->end || *at->p != '"')
		return false;
	quote = memchr(from, '"', (size_t)(at->end - from));
	if (!quote || (at->escapes && memchr(from, '\\', (size_t)(quote - from))))
		return false;
	*s = slice_of(from, (size_t)(quote - from));
	at->p = quote + 1;
	return true;
}

/* {"topic":T,"partition":P,"offset": is that of the record before, for the most part. */
static bool
usual_head(struct envelope_reader *e, struct at *at)
{
	static const struct slice open = SLICE_INIT("{\"topic\":");
	struct meta *m = &e->meta;
	const char *from = at->p;
	int64_t partition;

	if (e->head.n && skip_text(at, e->head.p, e->head.n)) {
		if (e->head_topic_n)
			m->topic = slice_of(from + open.n + 1, e->head_topic_n - 2);
		m->partition = e->head_partition;
		return true;
	}
	e->head.n = 0;
	if (!skip_text(at, open.p, open.n) || !usual_string(at, &m->topic) ||
		!SKIP(at, ",\"partition\":") || !usual_whole(at, &partition) ||
		partition > INT32_MAX || !SKIP(at, ",\"offset\":"))
		return false;
	m->partition = e->head_partition = (int32_t)partition;
	e->head_topic_n = m->topic.p ? m->topic.n + 2 : 0;
	buf_add(&e->head, from, (size_t)(at->p - from));
	return true;
}

/* From the offset up to the headers. */
static bool
usual_members(struct envelope_reader *e, struct at *at)
{
	struct meta *m = &e->meta;
	struct slice time;

	if (!SKIP(at, "null") && !usual_whole(at, &m->offset))
		return false;
	if (!SKIP(at, ",\"ts\":") || (!SKIP(at, "null") && !usual_whole(at, &m->ts_ms)))
		return false;
	if (!SKIP(at, ",\"time\":") || !usual_string(at, &time) ||
		(time.p && time_of_rfc3339_near(&e->memo, time, &m->time_us) < 0))
		return false;
	return SKIP(at, ",\"key\":") && usual_string(at, &m->key) && SKIP(at, ",\"headers\":");
}

/* The tokens: 0 opens the object, six members of three tokens and a comma each come before the
 * headers, whose own first one follows their name and a colon. */
#define HEADERS_TOKEN (1 + 6 * 4 + 2)

static bool
usual(struct envelope_reader *e, const struct json_doc *d, struct record *r)
{
	struct at at = {r->line.p, r->line.p + r->line.n, d->flags & JSON_LINE_ESCAPE};
	struct failure ignored;
	uint32_t value;

	if (d->n < HEADERS_TOKEN + 6 || !usual_head(e, &at) || !usual_members(e, &at) ||
		at.p != d->base + d->pos[HEADERS_TOKEN] || *at.p != '[')
		return false;
	value = json_after(d, HEADERS_TOKEN) + 3;
	e->meta.in_place = SKIP(&at, "[]");
	if (!e->meta.in_place) {
		if (read_headers(e, d, HEADERS_TOKEN, &ignored) < 0)
			return false;
		at.p = d->base + d->pos[json_after(d, HEADERS_TOKEN) - 1] + 1;
	}
	e->meta.prefix = slice_of(r->line.p, (size_t)(at.p + 1 - r->line.p));
	if (!SKIP(&at, ",\"value\":") || value >= d->n || at.p != d->base + d->pos[value] ||
		json_after(d, value) + 1 != d->n)
		return false;
	r->root = value;
	r->bytes = json_text(d, value);
	e->meta.tombstone = json_type_at(d, value) == JSON_NULL;
	return true;
}

int
envelope_read(struct envelope_reader *e, const struct json_doc *d, struct record *r,
	struct failure *why)
{
	uint32_t value = JSON_NONE, key = JSON_NONE;
	struct buf prefix = {0};
	struct json_iter it;
	bool b64 = false;

	if (json_type_at(d, 0) != JSON_OBJECT)
		return not_so(why, "not an object");
	arena_reset(&e->arena);
	e->meta = (struct meta){.ts_ms = TIME_NONE, .time_us = TIME_NONE};
	if (usual(e, d, r))
		goto out;
	arena_reset(&e->arena);
	e->meta = (struct meta){.ts_ms = TIME_NONE, .time_us = TIME_NONE};
	for (json_enter(d, 0, &it); json_step(d, &it);)
		if (read_member(e, d, &it, &value, &key, &b64, why) < 0)
			return -1;
	if (value == JSON_NONE)
		return not_so(why, "no value");
	if (b64) {
		if (read_b64_value(e, r, d, value, why) < 0)
			return -1;
	} else {
		r->root = value;
		r->bytes = json_text(d, value);
		e->meta.tombstone = json_type_at(d, value) == JSON_NULL;
	}
	/* The text before the value serves as it is if the value stands last. */
	if (json_after(d, value) + 1 == d->n) {
		e->meta.prefix = slice_of(r->line.p,
			(size_t)(d->base + d->pos[key] - r->line.p));
	} else {
		r->meta = &e->meta;
		envelope_add_prefix(NULL, &prefix, r);
		prefix.n -= sizeof("\"value\":") - 1;
		e->meta.prefix = arena_copy(&e->arena, buf_slice(&prefix));
		buf_release(&prefix);
	}
out:
	r->meta = &e->meta;
	if (r->time_us == TIME_NONE)
		r->time_us = e->meta.time_us;
	return 0;
}

/*
 * Envelopes: a line that carries a record and what Kafka knows of it.
 *
 *	{"topic":T,"partition":P,"offset":O,"ts":MS,"time":RFC3339,"key":K,
 *	 "headers":[[NAME,VALUE],...],"value":V}
 *
 * What is not UTF-8 travels as key_b64, value_b64 and {"b64":...}; what is not there is null.
 * The value stands last, so that a derived record copies its parent's text up to there.
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
		envelope_add_prefix(&prefix, r);
		prefix.n -= sizeof("\"value\":") - 1;
		e->meta.prefix = arena_copy(&e->arena, buf_slice(&prefix));
		buf_release(&prefix);
	}
	r->meta = &e->meta;
	if (r->time_us == TIME_NONE)
		r->time_us = e->meta.time_us;
	return 0;
}

/* ---- writing --------------------------------------------------------------------------- */

void
envelope_add_bytes(struct buf *b, const char *name, struct slice s)
{
	bool utf8 = !s.p || json_is_utf8(s);

	buf_addc(b, '"');
	buf_adds(b, name);
	buf_adds(b, utf8 ? "\":" : "_b64\":\"");
	if (!s.p) {
		buf_adds(b, "null");
	} else if (utf8) {
		json_add_string(b, s);
	} else {
		text_add_base64(b, s);
		buf_addc(b, '"');
	}
	buf_addc(b, ',');
}

static void
add_whole(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_addc(b, '-');
	buf_addu(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static void
add_header(struct buf *b, const struct header *h)
{
	buf_addc(b, '[');
	json_add_string(b, h->name);
	buf_addc(b, ',');
	if (!h->value.p) {
		buf_adds(b, "null");
	} else if (json_is_utf8(h->value)) {
		json_add_string(b, h->value);
	} else {
		buf_adds(b, "{\"b64\":\"");
		text_add_base64(b, h->value);
		buf_adds(b, "\"}");
	}
	buf_addc(b, ']');
}

void
envelope_add_headers(struct buf *b, const struct meta *m)
{
	size_t i;

	buf_adds(b, "\"headers\":[");
	for (i = 0; m && i < m->nheaders; i++) {
		if (i)
			buf_addc(b, ',');
		add_header(b, &m->header[i]);
	}
	buf_addc(b, ']');
}

void
envelope_add_prefix(struct buf *b, const struct record *parent)
{
	static const struct meta none = {.ts_ms = TIME_NONE, .time_us = TIME_NONE};
	const struct meta *m = parent && parent->meta ? parent->meta : &none;
	const struct input *in = parent && parent->block ? record_input(parent) : NULL;
	struct slice topic = m->topic;
	int64_t time_us = m->time_us;

	if (m->prefix.p) {
		buf_add_slice(b, m->prefix);
		buf_adds(b, "\"value\":");
		return;
	}
	if (!topic.p && !(parent && parent->meta) && in && strcmp(in->name, "-") != 0)
		topic = slice_str(in->name);
	if (parent && parent->time_us != TIME_NONE)
		time_us = parent->time_us;
	buf_addc(b, '{');
	if (topic.p && !json_is_utf8(topic))
		topic = (struct slice){0};
	envelope_add_bytes(b, "topic", topic);
	buf_adds(b, "\"partition\":");
	add_whole(b, parent && !parent->meta ? in->partition : m->partition);
	buf_adds(b, ",\"offset\":");
	if (parent && !(parent->meta && m->offset < 0))
		add_whole(b, parent->meta ? m->offset : (int64_t)parent->offset);
	else
		buf_adds(b, "null");
	buf_adds(b, ",\"ts\":");
	if (m->ts_ms == TIME_NONE)
		buf_adds(b, "null");
	else
		add_whole(b, m->ts_ms);
	buf_adds(b, ",\"time\":");
	if (time_us == TIME_NONE) {
		buf_adds(b, "null,");
	} else {
		buf_addc(b, '"');
		time_add_rfc3339(b, time_us);
		buf_adds(b, "\",");
	}
	envelope_add_bytes(b, "key", m->key);
	envelope_add_headers(b, m);
	buf_adds(b, ",\"value\":");
}

void
envelope_add_b64(struct buf *b, struct slice bytes)
{
	b->n -= sizeof("\"value\":") - 1;
	buf_adds(b, "\"value_b64\":\"");
	text_add_base64(b, bytes);
	buf_addc(b, '"');
}

/* What would not come back as it was goes as value_b64: no JSON, bytes that no line can hold,
 * and the JSON text null of a message that is no tombstone. */
void
envelope_add_value(struct buf *b, const struct record *r)
{
	const struct meta *m = r->meta;
	struct slice bytes = m && m->odd.p ? m->odd : r->bytes;
	/* Of the bytes: the line may have no tokens yet. */
	bool null_text = m && !m->tombstone && r->root != JSON_NONE && bytes.n == 4 &&
		memcmp(bytes.p, "null", 4) == 0;

	if (r->root != JSON_NONE && !(m && m->odd.p) && !null_text) {
		buf_add_slice(b, bytes);
		return;
	}
	envelope_add_b64(b, bytes);
}

/*
 * Envelopes, written.
 *
 *	{"topic":T,"partition":P,"offset":O,"ts":MS,"time":RFC3339,"key":K,
 *	 "headers":[[NAME,VALUE],...],"value":V}
 *
 * What is not UTF-8 travels as key_b64, value_b64 and {"b64":...}; what is not there is null.
 * The value stands last, so that a derived record copies its parent's text up to there. What a
 * record shares with the one before it, its topic, partition and minute, is kept as text.
 */
#include "base/text.h"
#include "flow/internal.h"

void
envelope_writer_release(struct envelope_writer *w)
{
	buf_release(&w->head);
}

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

static void
add_head(struct buf *b, struct slice topic, int32_t partition)
{
	if (topic.p && !json_is_utf8(topic))
		topic = (struct slice){0};
	buf_addc(b, '{');
	envelope_add_bytes(b, "topic", topic);
	buf_add_slice(b, SLICE("\"partition\":"));
	buf_addi(b, partition);
	buf_add_slice(b, SLICE(",\"offset\":"));
}

/* The same, if it was not that of the record before. */
static void
add_known_head(struct envelope_writer *w, struct buf *b, struct slice topic, int32_t partition)
{
	struct slice known = slice_of(w->head.p, w->topic_n);

	if (!w->head.n || w->partition != partition || w->has_topic != (topic.p != NULL) ||
		!slice_eq(known, topic)) {
		buf_reset(&w->head);
		buf_add_slice(&w->head, topic);
		w->topic_n = topic.n;
		w->has_topic = topic.p != NULL;
		w->partition = partition;
		add_head(&w->head, topic, partition);
	}
	buf_add(b, w->head.p + w->topic_n, w->head.n - w->topic_n);
}

/* Messages that were produced together have the same. */
static void
add_ts(struct envelope_writer *w, struct buf *b, int64_t ms)
{
	size_t at = b->n;

	if (ms == TIME_NONE) {
		buf_add_slice(b, SLICE("null"));
	} else if (w && w->ts_n && w->ts_ms == ms) {
		buf_add(b, w->ts, w->ts_n);
	} else {
		buf_addi(b, ms);
		if (w) {
			w->ts_ms = ms;
			w->ts_n = b->n - at;
			memcpy(w->ts, b->p + at, w->ts_n);
		}
	}
}

static void
add_time(struct envelope_writer *w, struct buf *b, int64_t us)
{
	if (us == TIME_NONE) {
		buf_add_slice(b, SLICE("null,"));
		return;
	}
	buf_addc(b, '"');
	if (w)
		time_add_rfc3339_near(&w->memo, b, us);
	else
		time_add_rfc3339(b, us);
	buf_add_slice(b, SLICE("\","));
}

static void
add_key(struct buf *b, struct slice key)
{
	size_t at = b->n;

	buf_add_slice(b, SLICE("\"key\":"));
	if (!key.p) {
		buf_add_slice(b, SLICE("null,"));
	} else if (json_add_plain_string(b, key)) {
		buf_addc(b, ',');
	} else {
		b->n = at;
		envelope_add_bytes(b, "key", key);
	}
}

void
envelope_add_prefix(struct envelope_writer *w, struct buf *b, const struct record *parent)
{
	static const struct meta none = {.ts_ms = TIME_NONE, .time_us = TIME_NONE};
	const struct meta *m = parent && parent->meta ? parent->meta : &none;
	const struct input *in = parent && parent->block && !parent->meta ? record_input(parent) :
		NULL;
	int32_t partition = in ? in->partition : m->partition;
	struct slice topic = m->topic;
	int64_t time_us = m->time_us;

	if (m->prefix.p) {
		buf_add_slice(b, m->prefix);
		buf_add_slice(b, SLICE("\"value\":"));
		return;
	}
	if (!topic.p && in && strcmp(in->name, "-") != 0)
		topic = slice_str(in->name);
	if (parent && parent->time_us != TIME_NONE)
		time_us = parent->time_us;
	if (w)
		add_known_head(w, b, topic, partition);
	else
		add_head(b, topic, partition);
	if (parent && !(parent->meta && m->offset < 0))
		buf_addi(b, parent->meta ? m->offset : (int64_t)parent->offset);
	else
		buf_add_slice(b, SLICE("null"));
	buf_add_slice(b, SLICE(",\"ts\":"));
	add_ts(w, b, m->ts_ms);
	buf_add_slice(b, SLICE(",\"time\":"));
	add_time(w, b, time_us);
	add_key(b, m->key);
	if (m->nheaders)
		envelope_add_headers(b, m);
	else
		buf_add_slice(b, SLICE("\"headers\":[]"));
	buf_add_slice(b, SLICE(",\"value\":"));
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

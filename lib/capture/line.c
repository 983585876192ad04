/*
 * Envelopes, as far as filing them goes.
 *
 * What streamkit writes begins with topic, partition, offset and ts, in this order and
 * without white space: that is read from the bytes. Any other envelope is scanned.
 */
#include <stdlib.h>

#include "base/table.h"
#include "capture/capture.h"

/* ---- the usual form ---------------------------------------------------------------- */

struct cursor {
	const char *p, *end;
};

static bool
eat(struct cursor *c, const char *text, size_t n)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, text, n) != 0)
		return false;
	c->p += n;
	return true;
}

#define EAT(c, text) eat(c, text, sizeof(text) - 1)

/* A whole number of at most 18 digits, as JSON has it. */
static bool
eat_number(struct cursor *c, int64_t *to)
{
	bool minus = EAT(c, "-");
	const char *from = c->p;
	int64_t n = 0;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - from < 18)
		n = n * 10 + (*c->p++ - '0');
	*to = minus ? -n : n;
	return c->p > from && (*from != '0' || c->p - from == 1);
}

/* A string without escapes. */
static bool
eat_plain(struct cursor *c, struct slice *to)
{
	const char *from = c->p, *quote = memchr(from, '"', (size_t)(c->end - from));

	if (!quote || memchr(from, '\\', (size_t)(quote - from)))
		return false;
	*to = slice_of(from, (size_t)(quote - from));
	c->p = quote + 1;
	return true;
}

static bool
read_usual(struct slice line, struct capture_line *l)
{
	struct cursor c = {line.p, line.p + line.n};
	int64_t partition;

	*l = (struct capture_line){.offset = -1, .ts_ms = TIME_NONE};
	if (!EAT(&c, "{\"topic\":"))
		return false;
	if (!EAT(&c, "null") && !(EAT(&c, "\"") && eat_plain(&c, &l->topic)))
		return false;
	if (!EAT(&c, ",\"partition\":") || !eat_number(&c, &partition) || partition < 0 ||
		partition > INT32_MAX || !EAT(&c, ",\"offset\":"))
		return false;
	l->partition = (int32_t)partition;
	if (!EAT(&c, "null") && (!eat_number(&c, &l->offset) || l->offset < 0))
		return false;
	if (!EAT(&c, ","))
		return false;
	l->head = (size_t)(c.p - line.p);
	return EAT(&c, "\"ts\":") && (EAT(&c, "null,") ||
		(eat_number(&c, &l->ts_ms) && EAT(&c, ",")));
}

/* ---- any form ---------------------------------------------------------------------- */

static int
not_one(struct failure *why, const char *what)
{
	return fail(why, EXIT_DATA, "not an envelope: %s", what);
}

static int
whole(const struct json_doc *d, uint32_t t, int64_t *to, struct failure *why)
{
	struct slice s;
	char digits[24], *end;

	if (t == JSON_NONE || json_type_at(d, t) == JSON_NULL)
		return 0;
	s = json_text(d, t);
	if (json_type_at(d, t) != JSON_NUMBER || s.n >= sizeof(digits))
		return not_one(why, "partition, offset and ts are whole numbers");
	memcpy(digits, s.p, s.n);
	digits[s.n] = '\0';
	*to = strtoll(digits, &end, 10);
	return *end ? not_one(why, "partition, offset and ts are whole numbers") : 0;
}

static int
read_any(struct capture_scratch *s, const struct json_doc *d, struct capture_line *l,
	struct failure *why)
{
	uint32_t t = json_get(d, 0, SLICE("topic"));
	int64_t partition = 0;

	*l = (struct capture_line){.offset = -1, .ts_ms = TIME_NONE};
	if (json_type_at(d, 0) != JSON_OBJECT)
		return not_one(why, "no object");
	if (t != JSON_NONE && json_type_at(d, t) == JSON_STRING) {
		buf_reset(&s->topic);
		json_unescape(&s->topic, json_string_raw(d, t));
		l->topic = buf_slice(&s->topic);
	} else if (t != JSON_NONE && json_type_at(d, t) != JSON_NULL) {
		return not_one(why, "topic is a string or null");
	}
	if (whole(d, json_get(d, 0, SLICE("partition")), &partition, why) < 0 ||
		whole(d, json_get(d, 0, SLICE("offset")), &l->offset, why) < 0 ||
		whole(d, json_get(d, 0, SLICE("ts")), &l->ts_ms, why) < 0)
		return -1;
	if (partition < 0 || partition > INT32_MAX || l->offset < -1)
		return not_one(why, "a partition or an offset is negative or too large");
	l->partition = (int32_t)partition;
	return 0;
}

int
capture_line_read(struct capture_scratch *s, struct slice line, struct capture_line *l,
	struct failure *why)
{
	struct json_doc d;

	if (read_usual(line, l))
		return 0;
	if (json_doc_of(&s->scan, line, &d, why) < 0) {
		why->status = EXIT_DATA;
		return fail_within(why, "not an envelope: ");
	}
	return read_any(s, &d, l, why);
}

int
capture_line_renumber(struct capture_scratch *s, struct slice line,
	const struct capture_line *l, const char *topic, int64_t offset, struct buf *b,
	struct failure *why)
{
	struct json_iter it;
	struct json_doc d;
	struct slice name;

	buf_addf(b, "{\"topic\":\"%s\",\"partition\":0,\"offset\":%lld,", topic,
		(long long)offset);
	if (l->head) {
		buf_add(b, line.p + l->head, line.n - l->head);
		return 0;
	}
	if (json_doc_of(&s->scan, line, &d, why) < 0)
		return -1;
	for (json_enter(&d, 0, &it); json_step(&d, &it);) {
		name = json_string_raw(&d, it.key);
		if (json_raw_equals(name, SLICE("topic")) ||
			json_raw_equals(name, SLICE("partition")) ||
			json_raw_equals(name, SLICE("offset")))
			continue;
		buf_add_slice(b, json_text(&d, it.key));
		buf_addc(b, ':');
		buf_add_slice(b, json_text(&d, it.value));
		buf_addc(b, ',');
	}
	b->p[b->n - 1] = '}';
	return 0;
}

void
capture_scratch_release(struct capture_scratch *s)
{
	json_scan_release(&s->scan);
	buf_release(&s->topic);
}

void
capture_stats_add(struct capture_stats *s, const struct capture_line *l, struct slice line)
{
	if (!s->count) {
		s->first = l->offset;
		s->min_ts = s->max_ts = l->ts_ms;
		hash_hex128(line.p, line.n, s->head);
	}
	s->repeat = s->count && l->offset == s->last ? s->repeat + 1 : 1;
	s->last = l->offset;
	s->count++;
	s->unpacked += line.n + 1;
	if (l->ts_ms == TIME_NONE)
		return;
	if (s->min_ts == TIME_NONE || l->ts_ms < s->min_ts)
		s->min_ts = l->ts_ms;
	if (s->max_ts == TIME_NONE || l->ts_ms > s->max_ts)
		s->max_ts = l->ts_ms;
}

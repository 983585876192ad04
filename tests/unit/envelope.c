/* Envelopes: what is written is read back; the short way of reading gives what the long one
 * gives, whatever byte of a line is another. */
#include "flow/envelope.h"

#include <string.h>

#include "test.h"

/* A line as it is, or with a blank behind its first byte, which no short way takes. */
struct reading {
	struct envelope_reader reader;
	struct json_scan scan;
	struct json_doc doc;
	struct record r;
	struct failure why;
	struct buf line;
	int rc;
};

static void
read_line(struct reading *x, struct slice line, bool blank)
{
	size_t i;

	buf_reset(&x->line);
	buf_add(&x->line, line.p, 1);
	if (blank)
		buf_addc(&x->line, ' ');
	buf_add(&x->line, line.p + 1, line.n - 1);
	buf_addc(&x->line, '\n');
	for (i = 0; i < JSON_PADDING; i++)
		buf_addc(&x->line, '\n');
	x->r = (struct record){.line = slice_of(x->line.p, line.n + blank), .time_us = TIME_NONE};
	json_scan_block(&x->scan, x->line.p, line.n + blank + 1u, false);
	x->rc = -2;
	if (x->scan.nlines != 1 || json_line_doc(&x->scan, 0, false, &x->doc, &x->why) < 0)
		return;
	x->r.doc = &x->doc;
	x->rc = envelope_read(&x->reader, &x->doc, &x->r, &x->why);
}

static bool
same_slice(struct slice a, struct slice b)
{
	return (a.p == NULL) == (b.p == NULL) && slice_eq(a, b);
}

static bool
same_meta(const struct meta *a, const struct meta *b)
{
	size_t i;

	if (!same_slice(a->topic, b->topic) || a->partition != b->partition ||
		a->offset != b->offset || a->ts_ms != b->ts_ms || a->time_us != b->time_us ||
		!same_slice(a->key, b->key) || a->nheaders != b->nheaders ||
		a->tombstone != b->tombstone || !same_slice(a->odd, b->odd))
		return false;
	for (i = 0; i < a->nheaders; i++)
		if (!same_slice(a->header[i].name, b->header[i].name) ||
			!same_slice(a->header[i].value, b->header[i].value))
			return false;
	/* The one holds the blank, unless it was made anew. */
	return slice_eq(a->prefix, b->prefix) || (a->prefix.n + 1 == b->prefix.n &&
		memcmp(a->prefix.p + 1, b->prefix.p + 2, a->prefix.n - 1) == 0);
}

static bool
same(const struct reading *a, const struct reading *b)
{
	if (a->rc != b->rc)
		return false;
	if (a->rc < 0)
		return strcmp(a->why.text, b->why.text) == 0 || a->rc == -2;
	return a->r.root == b->r.root && same_slice(a->r.bytes, b->r.bytes) &&
		a->r.time_us == b->r.time_us && same_meta(a->r.meta, b->r.meta);
}

static struct reading fast, slow;

static bool
both_ways(struct slice line)
{
	read_line(&fast, line, false);
	read_line(&slow, line, true);
	if (same(&fast, &slow))
		return true;
	printf("# %.*s\n", (int)line.n, line.p);
	return false;
}

static const char *const lines[] = {
	"{\"topic\":\"orders\",\"partition\":3,\"offset\":17,\"ts\":1767344399978,\"time\":"
		"\"2026-01-02T08:59:59.978Z\",\"key\":\"o1\",\"headers\":[],\"value\":{\"a\":[1,{}]}}",
	"{\"topic\":\"orders\",\"partition\":3,\"offset\":18,\"ts\":1767344399979,\"time\":"
		"\"2026-01-02T09:00:00Z\",\"key\":\"\",\"headers\":[],\"value\":7}",
	"{\"topic\":null,\"partition\":0,\"offset\":null,\"ts\":null,\"time\":null,\"key\":null,"
		"\"headers\":[],\"value\":null}",
	"{\"topic\":\"orders\",\"partition\":2147483647,\"offset\":123456789012345678,\"ts\":-1,"
		"\"time\":\"2026-01-02T09:00:07+02:00\",\"key\":\"k\\\"\\u00e9\",\"headers\":[],"
		"\"value\":\"\\\\\"}",
	"{\"topic\":\"a\",\"partition\":0,\"offset\":0,\"ts\":0,\"time\":\"1969-12-31T23:59:59.5Z\","
		"\"key\":\"x\",\"headers\":[[\"trace\",\"a\"],[\"n\",null],[\"b\",{\"b64\":\"/w==\"}]],"
		"\"value\":[]}",
	"{\"topic\":\"a\",\"partition\":0,\"offset\":0,\"ts\":0,\"time\":null,\"key\":\"x\","
		"\"headers\":[],\"value\":{\"a\":1},\"value\":2}",
	"{\"topic\":\"a\",\"partition\":0,\"offset\":0,\"ts\":0,\"time\":null,\"key_b64\":\"/w==\","
		"\"headers\":[],\"value_b64\":\"/w==\"}",
	"{\"topic\":\"a\",\"partition\":0,\"offset\":0,\"ts\":0,\"time\":null,\"key\":\"x\","
		"\"headers\":[] ,\"value\":{\"a\":1} }",
	"{\"topic\":\"a\",\"partition\":4294967296,\"offset\":0,\"ts\":0,\"time\":null,\"key\":\"x\","
		"\"headers\":[],\"value\":1}",
	"{\"topic\":\"a\",\"partition\":1,\"offset\":0,\"ts\":0,\"time\":\"soon\",\"key\":\"x\","
		"\"headers\":[],\"value\":1}",
	"{\"topic\":\"a\",\"partition\":1,\"offset\":1e3,\"ts\":1.5,\"time\":null,\"key\":\"x\","
		"\"headers\":[],\"value\":1}",
};
#define NLINES (sizeof(lines) / sizeof(lines[0]))

static void
ways(void)
{
	static const char bytes[] = "\"\\{}[],:0 9-en\xc3";
	struct buf line = {0};
	size_t i, at, k, bad = 0, n = 0, read = 0;

	for (i = 0; i < NLINES; i++)
		ok(both_ways(slice_str(lines[i])), "line %zu is read the same in both ways", i + 1);
	for (i = 0; i < NLINES; i++)
		for (at = 1; at < strlen(lines[i]); at++)
			for (k = 0; k < sizeof(bytes) - 1; k++, n++) {
				buf_reset(&line);
				buf_adds(&line, lines[i]);
				line.p[at] = bytes[k];
				bad += !both_ways(buf_slice(&line));
				read += fast.rc == 0;
			}
	ok(!bad && read > n / 10, "so they are with any byte changed (%zu lines, %zu not)", n, bad);
	buf_release(&line);
}

/* In any order: what is known of the one before counts for nothing in the next. */
static void
again(void)
{
	size_t i, bad = 0;

	for (i = 0; i < 1000; i++)
		bad += !both_ways(slice_str(lines[i * i * 7 % NLINES]));
	ok(!bad, "lines of all kinds after each other are read the same (%zu not)", bad);
}

static void
written(void)
{
	static const struct slice topic[] = {{NULL, 0}, SLICE_INIT(""), SLICE_INIT("orders"),
		SLICE_INIT("a\"b"), SLICE_INIT("\xff")};
	static const struct slice key[] = {{NULL, 0}, SLICE_INIT(""), SLICE_INIT("o1"),
		SLICE_INIT("\x7f\n"), SLICE_INIT("\xc3\xa9"), SLICE_INIT("\xff")};
	static const int64_t times[] = {TIME_NONE, 0, -1, 1767344399978000, 1767344399978001,
		1767344400000000, TIME_US_MIN, TIME_US_MAX};
	struct header header[2] = {{SLICE("n"), SLICE("v")}, {SLICE("\"")}};
	struct envelope_writer w = {0};
	struct buf with = {0}, without = {0};
	struct meta m = {.time_us = TIME_NONE};
	struct record r = {.meta = &m};
	size_t i, n = 0, bad = 0;

	for (i = 0; i < 5000; i++) {
		m.topic = topic[i / 3 % 5];
		m.key = key[i % 6];
		m.partition = (int32_t)(i / 40 % 4);
		m.offset = (int64_t)(i * i * i) - 1;
		m.ts_ms = i % 7 ? (int64_t)(i * 1234567) - 3 : TIME_NONE;
		m.header = header;
		m.nheaders = i % 3;
		r.time_us = times[i / 2 % 8] + (i % 5 && i / 2 % 8 == 3 ? (int64_t)i * 30000 : 0);
		buf_reset(&with);
		buf_reset(&without);
		envelope_add_prefix(&w, &with, &r);
		envelope_add_prefix(NULL, &without, &r);
		bad += !slice_eq(buf_slice(&with), buf_slice(&without));
		buf_adds(&with, "[\"x\"]}");
		read_line(&fast, buf_slice(&with), false);
		/* A topic that is no UTF-8 can't be said. */
		n += fast.rc != 0 || !slice_eq(fast.r.bytes, SLICE("[\"x\"]")) ||
			(m.topic.p && (unsigned char)*m.topic.p != 0xff &&
				!same_slice(fast.r.meta->topic, m.topic)) ||
			fast.r.meta->partition != m.partition ||
			(m.offset >= 0 && fast.r.meta->offset != m.offset) ||
			fast.r.meta->ts_ms != m.ts_ms || fast.r.time_us != r.time_us ||
			!same_slice(fast.r.meta->key, m.key) || fast.r.meta->nheaders != m.nheaders;
	}
	ok(!bad, "a writer that knows the one before writes the same (%zu not)", bad);
	ok(!n, "what is written is read back (%zu not)", n);
	envelope_writer_release(&w);
	buf_release(&with);
	buf_release(&without);
}

static void
release(struct reading *x)
{
	envelope_reader_release(&x->reader);
	json_scan_release(&x->scan);
	buf_release(&x->line);
}

int
main(void)
{
	ways();
	again();
	written();
	release(&fast);
	release(&slow);
	return done();
}

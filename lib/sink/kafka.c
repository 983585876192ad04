/*
 * Topics as sinks. The expressions of the URI are asked of each record, and the producer
 * copies the bytes; where nothing is asked, the value is not looked at. An envelope line is
 * taken apart where it lies. A record is done by its delivery report; the first report that
 * tells of a failure fails every sink of the run.
 */
#include "sink/kafka.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "flow/envelope.h"
#include "kafka/uri.h"
#include "sink/topics.h"

struct asked {
	struct expr *expr;               /* NULL: not asked */
	struct expr_run *run;
};

struct kafka_sink {
	struct sink base;                /* first */
	struct kafka_output *out;
	char *name;
	struct kafka_uri uri;
	const struct found *topic;       /* NULL: the value decides */
	char *before, *after;            /* of a template: around its expression */
	struct asked by, key, partition, ts;
	struct asked *header;            /* one an option header.NAME */
	const char **header_name;
	size_t nheaders;
	bool asks;                       /* any of them */
	struct json_finder finder;       /* of the key, where that is a field and all that is */
	bool finds;                      /* asked */
	struct slice *found;             /* keys of the records in hand; p == NULL: not found */
	size_t cap_found;
	struct buf lines, text, name_of; /* of the lines in hand */
	struct json_scan scan;
	struct envelope_reader reader;
	struct header *all;              /* of the record in hand */
	size_t cap_all;
	struct kafka_send *run;          /* records in hand that can go together */
	size_t nrun, cap_run;
};

/* ---- one record -------------------------------------------------------------------- */

static int
ask(const struct asked *a, const char *what, const struct record *r, const struct value **v,
	struct failure *why)
{
	struct value root = r->root == JSON_NONE ? value_null() : value_token(r->doc, r->root);
	struct record_vars vars = {.record = r, .stage = "", .arena = expr_run_arena(a->run)};
	struct expr_env env = {record_var, &vars};
	ptrdiff_t n;

	n = expr_all(a->run, &root, &env, v, why);
	if (n < 0)
		return fail_within(why, "%s=%s: ", what, expr_text(a->expr));
	if (n != 1)
		return fail_record(why, "expression", "%s=%s gives %s", what, expr_text(a->expr),
			n ? "several values" : "nothing");
	return 0;
}

static int
ask_key(struct kafka_sink *s, const struct record *r, struct slice *key, struct failure *why)
{
	const struct value *v;

	if (!s->key.expr)
		return 0;
	if (ask(&s->key, "key", r, &v, why) < 0)
		return -1;
	if (value_type(&v[0]) == JSON_NULL) {
		fail_record(why, "key", "key=%s is null or missing", expr_text(s->key.expr));
		fail_hint(why, "key=.a//.b asks for another one");
		return -1;
	}
	buf_reset(&s->text);
	value_add_text(&s->text, &v[0]);
	*key = buf_slice(&s->text);
	return 0;
}

static int
ask_whole(const struct asked *a, const char *what, const struct record *r, int64_t *to,
	struct failure *why)
{
	const struct value *v;
	struct buf b = {0};
	char *end;
	int rc = 0;

	if (ask(a, what, r, &v, why) < 0)
		return -1;
	value_add_text(&b, &v[0]);
	*to = strtoll(buf_cstr(&b), &end, 10);
	if (!b.n || *end)
		rc = fail_record(why, "expression", "%s=%s is no whole number", what,
			expr_text(a->expr));
	buf_release(&b);
	return rc;
}

/* ts=EXPR: milliseconds, or RFC 3339. */
static int
ask_ts(struct kafka_sink *s, const struct record *r, int64_t *ms, struct failure *why)
{
	const struct value *v;
	struct slice text;
	int64_t us;

	if (!s->ts.expr)
		return 0;
	if (ask(&s->ts, "ts", r, &v, why) < 0)
		return -1;
	text = value_string_bytes(&v[0], expr_run_arena(s->ts.run));
	if (!text.p)
		return ask_whole(&s->ts, "ts", r, ms, why);
	if (time_of_rfc3339(text, &us) < 0)
		return fail_record(why, "expression", "ts=%s is no time by RFC 3339",
			expr_text(s->ts.expr));
	*ms = us / 1000;
	return 0;
}

static int
ask_headers(struct kafka_sink *s, const struct record *r, struct kafka_send *send,
	struct failure *why)
{
	const struct value *v;
	struct arena *arena;
	struct buf b = {0};
	size_t i, n = send->nheaders;

	if (!s->nheaders)
		return 0;
	s->all = mem_grow(s->all, &s->cap_all, n + s->nheaders, sizeof(*s->all));
	if (n)
		memcpy(s->all, send->header, n * sizeof(*s->all));
	for (i = 0; i < s->nheaders; i++) {
		if (ask(&s->header[i], s->header_name[i], r, &v, why) < 0) {
			buf_release(&b);
			return -1;
		}
		arena = expr_run_arena(s->header[i].run);
		s->all[n].name = slice_str(s->header_name[i] + strlen("header."));
		s->all[n].value = (struct slice){0};
		if (value_type(&v[0]) != JSON_NULL) {
			buf_reset(&b);
			value_add_text(&b, &v[0]);
			s->all[n].value = arena_copy(arena, buf_slice(&b));
		}
		n++;
	}
	buf_release(&b);
	send->header = s->all;
	send->nheaders = n;
	return 0;
}

/* The topic that the value decides, if it is allowed to. */
static int
ask_topic(struct kafka_sink *s, const struct record *r, const struct found **topic,
	struct failure *why)
{
	const struct value *v;
	const char *name;
	size_t i, from;

	*topic = s->topic;
	if (s->topic)
		return 0;
	if (ask(&s->by, "topic", r, &v, why) < 0)
		return -1;
	buf_reset(&s->name_of);
	buf_adds(&s->name_of, s->before);
	from = s->name_of.n;
	value_add_text(&s->name_of, &v[0]);
	if (!text_is_component(slice_of(s->name_of.p + from, s->name_of.n - from)))
		return fail_record(why, "unmatched", "%s names no topic", expr_text(s->by.expr));
	buf_adds(&s->name_of, s->after);
	name = buf_cstr(&s->name_of);
	for (i = 0; i < s->out->opt.nallow; i++)
		if (fnmatch(s->out->opt.allow[i], name, 0) == 0)
			break;
	if (i == s->out->opt.nallow)
		return fail_record(why, "unmatched", "topic %s is not allowed", name);
	*topic = output_find_topic(s->out, name, why);
	return *topic ? 0 : -1;
}

static void
reset_runs(struct kafka_sink *s)
{
	const struct asked *all[] = {&s->by, &s->key, &s->partition, &s->ts};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->run)
			expr_run_reset(all[i]->run);
	for (i = 0; i < s->nheaders; i++)
		expr_run_reset(s->header[i].run);
}

static struct kafka_send
to_send(const struct record *r, struct slice value)
{
	static const struct meta none = {.ts_ms = TIME_NONE};
	const struct meta *m = r->meta ? r->meta : &none;

	return (struct kafka_send){
		.partition = -1, .ts_ms = m->ts_ms, .key = m->key, .value = value,
		.header = m->header, .nheaders = m->nheaders,
	};
}

static int
send_record(struct kafka_sink *s, const struct record *r, struct slice value,
	struct failure *why)
{
	struct kafka_send send = to_send(r, value);
	const struct found *topic = s->topic;
	int64_t partition;

	if (!s->asks)
		return kafka_producer_send(topic->producer, topic->topic, &send, why);
	reset_runs(s);
	if (s->partition.expr) {
		if (ask_whole(&s->partition, "partition", r, &partition, why) < 0)
			return -1;
		if (partition < 0 || partition > INT32_MAX)
			return fail_record(why, "expression", "partition=%s is none",
				expr_text(s->partition.expr));
		send.partition = (int32_t)partition;
	}
	if (ask_topic(s, r, &topic, why) < 0 || ask_key(s, r, &send.key, why) < 0 ||
		ask_ts(s, r, &send.ts_ms, why) < 0 || ask_headers(s, r, &send, why) < 0)
		return -1;
	return kafka_producer_send(topic->producer, topic->topic, &send, why);
}

/* An envelope line, scanned. */
static int
send_line(struct kafka_sink *s, size_t i, struct failure *why)
{
	struct record r = {.line = json_line_text(&s->scan, i), .time_us = TIME_NONE};
	struct block no_block = {.input = &(struct input){.name = "-"}};
	struct slice value = {0};
	struct json_doc doc;

	r.block = &no_block;
	if (json_line_doc(&s->scan, i, true, &doc, why) < 0)
		return -1;
	r.doc = &doc;
	if (envelope_read(&s->reader, &doc, &r, why) < 0)
		return -1;
	if (r.meta->odd.p)
		value = r.meta->odd;
	else if (r.root == JSON_NONE || r.doc != &doc ||
		json_type_at(r.doc, r.root) != JSON_NULL)
		value = r.bytes;
	return send_record(s, &r, value, why);
}

/* ---- the sink ---------------------------------------------------------------------- */

static void
scan_lines(struct kafka_sink *s)
{
	buf_reserve(&s->lines, JSON_PADDING);
	memset(s->lines.p + s->lines.n, 0, JSON_PADDING);
	json_scan_block(&s->scan, s->lines.p, s->lines.n, true);
}

/* Record i of those in hand can't be sent; those before it were. */
static int
not_sent(struct kafka_sink *s, size_t i, struct failure *why)
{
	s->base.refused = why->status == EXIT_DATA || (!s->topic && output_is_refusal(why));
	s->base.taken = i;
	return fail_within(why, "%s: ", s->name);
}

static int
sink_write(struct sink *base, const struct iovec *v, int n, struct failure *why)
{
	struct kafka_sink *s = (struct kafka_sink *)base;
	size_t line;
	int i;

	base->refused = false;
	if (output_check(s->out, why) < 0)
		return -1;
	buf_reset(&s->lines);
	for (i = 0; i < n; i++)
		buf_add(&s->lines, v[i].iov_base, v[i].iov_len);
	scan_lines(s);
	for (line = 0; line < s->scan.nlines; line++)
		if (send_line(s, line, why) < 0)
			return not_sent(s, line, why);
	return output_check(s->out, why);
}

/* A key that is a plain string is found by its token, or in the bytes of a line without tokens. */
static struct slice
find_key(struct kafka_sink *s, const struct record *r)
{
	const struct json_doc *d = r->doc;
	const char *p, *end, *quote;
	uint32_t t;

	if (!d || d->flags & JSON_LINE_ESCAPE)
		return (struct slice){0};
	if (d->pos)
		return expr_member(s->key.expr, d, r->root, &t) && t != JSON_NONE &&
			json_type_at(d, t) == JSON_STRING ? json_string_raw(d, t) :
			(struct slice){0};
	if (json_find(&s->finder, d, &p) != JSON_FOUND || *p != '"')
		return (struct slice){0};
	end = d->base + d->scan->line[d->line].end;
	quote = memchr(p + 1, '"', (size_t)(end - p - 1));
	return quote ? slice_of(p + 1, (size_t)(quote - p - 1)) : (struct slice){0};
}

/* Look at what is asked of the records: keys that are found at once, and tokens of the lines
 * that have none. */
static void
look_at(struct kafka_sink *s, const struct record *v, size_t n)
{
	size_t i;

	s->found = mem_grow(s->found, &s->cap_found, n, sizeof(*s->found));
	buf_reset(&s->lines);
	for (i = 0; i < n; i++) {
		s->found[i] = s->finds && v[i].root != JSON_NONE ? find_key(s, &v[i]) :
			(struct slice){0};
		if (s->found[i].p || v[i].root == JSON_NONE || (v[i].doc && v[i].doc->pos))
			continue;
		buf_add_slice(&s->lines, v[i].bytes);
		buf_addc(&s->lines, '\n');
	}
	if (s->lines.n)
		scan_lines(s);
}

/* Records in hand, up to i, that wait to go together. */
static int
send_run(struct kafka_sink *s, size_t i, struct failure *why)
{
	size_t n = s->nrun, taken;

	s->nrun = 0;
	if (!n || kafka_producer_send_many(s->topic->producer, s->topic->topic, s->run, n, &taken,
			why) == 0)
		return 0;
	return not_sent(s, i - n + taken, why);
}

/* A record that is asked for something, and whose key was not found. */
static int
send_asked(struct kafka_sink *s, const struct record *v, size_t *line, struct failure *why)
{
	struct record r = *v;
	struct json_doc doc;

	if (r.root != JSON_NONE && !(r.doc && r.doc->pos)) {
		r.doc = &doc;
		if (json_line_doc(&s->scan, (*line)++, true, &doc, why) < 0)
			return -1;
	}
	return send_record(s, &r, r.bytes, why);
}

static int
sink_put(struct sink *base, const struct record *v, size_t n, struct failure *why)
{
	struct kafka_sink *s = (struct kafka_sink *)base;
	size_t i, line = 0;

	base->refused = false;
	if (output_check(s->out, why) < 0)
		return -1;
	if (s->asks)
		look_at(s, v, n);
	s->run = mem_grow(s->run, &s->cap_run, n, sizeof(*s->run));
	s->nrun = 0;
	for (i = 0; i < n; i++) {
		if (!s->asks || s->found[i].p) {
			s->run[s->nrun] = to_send(&v[i], v[i].bytes);
			if (s->asks)
				s->run[s->nrun].key = s->found[i];
			s->nrun++;
			continue;
		}
		if (send_run(s, i, why) < 0)
			return -1;
		if (send_asked(s, &v[i], &line, why) < 0)
			return not_sent(s, i, why);
	}
	return send_run(s, n, why) < 0 ? -1 : output_check(s->out, why);
}

static int
sink_flush(struct sink *base, struct failure *why)
{
	struct kafka_output *out = ((struct kafka_sink *)base)->out;
	size_t i;

	for (i = 0; i < out->nproducers; i++)
		if (kafka_producer_poll(out->producer[i], why) < 0)
			return -1;
	return output_check(out, why);
}

static int
sink_sync(struct sink *base, struct failure *why)
{
	struct kafka_sink *s = (struct kafka_sink *)base;
	int rc = output_sync(s->out, why);

	return rc == -2 ? fail_within(why, "%s: ", s->name) : rc;
}

static void
asked_release(struct asked *a)
{
	expr_run_free(a->run);
	if (a->expr)
		expr_free(a->expr);
}

static void
sink_close(struct sink *base)
{
	struct kafka_sink *s = (struct kafka_sink *)base;
	size_t i;

	asked_release(&s->by);
	asked_release(&s->key);
	asked_release(&s->partition);
	asked_release(&s->ts);
	for (i = 0; i < s->nheaders; i++)
		asked_release(&s->header[i]);
	free(s->header);
	free(s->header_name);
	free(s->found);
	free(s->all);
	free(s->run);
	free(s->before);
	free(s->after);
	free(s->name);
	buf_release(&s->lines);
	buf_release(&s->text);
	buf_release(&s->name_of);
	json_scan_release(&s->scan);
	envelope_reader_release(&s->reader);
	kafka_uri_release(&s->uri);
	free(s);
}

static int
compile(struct asked *a, const char *what, const char *text, struct failure *why)
{
	struct expr_options options = {.vars = flow_vars};

	a->expr = expr_compile(text, &options, why);
	if (!a->expr) {
		why->status = EXIT_USAGE;
		return fail_within(why, "%s: ", what);
	}
	a->run = expr_run_new(a->expr);
	return 0;
}

static int
take_options(struct kafka_sink *s, struct failure *why)
{
	const struct kafka_option *o;
	struct asked *to;
	size_t i;

	s->header = mem_array(s->uri.noptions + 1, sizeof(*s->header));
	s->header_name = mem_array(s->uri.noptions + 1, sizeof(*s->header_name));
	for (i = 0; i < s->uri.noptions; i++) {
		o = &s->uri.option[i];
		if (strcmp(o->name, "key") == 0) {
			to = &s->key;
		} else if (strcmp(o->name, "partition") == 0) {
			to = &s->partition;
		} else if (strcmp(o->name, "ts") == 0) {
			to = &s->ts;
		} else if (strncmp(o->name, "header.", 7) == 0 && o->name[7]) {
			s->header_name[s->nheaders] = o->name;
			to = &s->header[s->nheaders++];
		} else {
			return fail(why, EXIT_USAGE, "a kafka: sink has no option %s", o->name);
		}
		if (to->expr)
			return fail(why, EXIT_USAGE, "%s is given twice", o->name);
		if (compile(to, o->name, o->value, why) < 0)
			return -1;
		s->asks = true;
	}
	return 0;
}

/* TOPIC, or BEFORE{EXPR}AFTER. */
static int
take_topic(struct kafka_sink *s, struct failure *why)
{
	const char *topic = s->uri.topic[0], *open = strchr(topic, '{'), *close;
	char *text;
	int rc;

	if (s->uri.ntopics != 1 || topic[0] == '^')
		return fail(why, EXIT_USAGE, "a sink is one topic");
	if (!open) {
		s->topic = output_find_topic(s->out, topic, why);
		return s->topic ? 0 : -1;
	}
	close = strrchr(open, '}');
	if (!close)
		return fail(why, EXIT_USAGE, "a { without }");
	if (!s->out->opt.nallow) {
		fail(why, EXIT_USAGE, "a topic that data decide needs --allow GLOB");
		fail_hint(why, "--allow 'orders-*' names what may be written to");
		return -1;
	}
	s->before = mem_dup(topic, (size_t)(open - topic));
	s->after = mem_strdup(close + 1);
	text = mem_dup(open + 1, (size_t)(close - open - 1));
	rc = compile(&s->by, "the topic", text, why);
	s->asks = true;
	free(text);
	return rc;
}

static void
begin_to_find(struct kafka_sink *s)
{
	struct slice name;

	s->finds = s->uri.noptions == 1 && s->key.expr && s->topic &&
		expr_is_path(s->key.expr) &&
		expr_path_fields(s->key.expr, 0, &name, 1) == 1 &&
		json_finder_init(&s->finder, name);
}

struct sink *
kafka_sink_open(struct kafka_output *out, const char *uri, struct failure *why)
{
	struct kafka_sink *s = mem_zalloc(sizeof(*s));

	s->out = out;
	s->name = mem_strdup(uri);
	s->base = (struct sink){
		.write = sink_write, .put = sink_put, .flush = sink_flush, .sync = sink_sync,
		.prepare = sink_sync, .close = sink_close, .name = s->name, .envelopes = true,
		.transacts = true,
	};
	if (kafka_uri_parse(uri, &s->uri, why) == 0) {
		if (take_options(s, why) == 0 && take_topic(s, why) == 0) {
			begin_to_find(s);
			return &s->base;
		}
		fail_within(why, "%s: ", uri);
	}
	sink_close(&s->base);
	return NULL;
}

/* Event time: of a record, of an input, of all. */
#include "flow/clock.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "flow/instant.h"

/* ---- of a record ------------------------------------------------------------------- */

static int
of_value(const struct value *v, enum time_unit unit, struct arena *arena, int64_t *us,
	struct failure *why)
{
	struct buf text = {0};
	int rc = -1;

	switch (value_type(v)) {
	case JSON_STRING:
		rc = time_of_rfc3339(value_string_bytes(v, arena), us);
		break;
	case JSON_NUMBER:
		value_add_json(&text, v);
		rc = time_of_epoch(buf_slice(&text), unit, us);
		buf_release(&text);
		break;
	case JSON_NULL:
		return fail_record(why, "time", "--time gives null: the record has no event time");
	default:
		break;
	}
	if (rc == 0)
		return 0;
	value_add_json(&text, v);
	fail_record(why, "time", "--time gives %.*s, which is no time",
		(int)(text.n < 80 ? text.n : 80), text.p);
	buf_release(&text);
	return -1;
}

/* As it mostly is: one field, and a string that holds a time. */
static bool
by_member(const struct flow_time *t, struct time_memo *memo, const struct record *r,
	int64_t *us)
{
	const struct json_doc *d = r->doc;
	uint32_t at;

	if (!d->pos)
		json_doc_tokens(r->doc);
	return expr_member(t->expr, d, r->root, &at) && at != JSON_NONE &&
		json_type_at(d, at) == JSON_STRING &&
		instant_of_string(d, at, memo, us);
}

static int
by_expression(const struct flow_time *t, struct expr_run *run, struct time_memo *memo,
	const char *stage, const struct record *r, int64_t *us, struct failure *why)
{
	struct arena *arena = expr_run_arena(run);
	struct record_vars vars = {.record = r, .stage = stage, .arena = arena};
	struct expr_env env = {record_var, &vars};
	struct value root;
	const struct value *v;
	ptrdiff_t n;
	int rc;

	if (by_member(t, memo, r, us))
		return 0;
	root = record_value(r);
	n = expr_all(run, &root, &env, &v, why);
	if (n == 1)
		rc = of_value(v, t->unit, arena, us, why);
	else
		rc = n < 0 ? -1 : fail_record(why, "time", "--time gives %s",
			n ? "several values" : "nothing");
	expr_run_reset(run);
	return rc;
}

int
clock_time(const struct flow_time *t, struct expr_run *run, struct time_memo *memo,
	const char *stage, const struct record *r, int64_t *us, struct failure *why)
{
	const struct meta *m = r->meta;
	int64_t got = m ? m->time_us : TIME_NONE, kafka_us = TIME_NONE;

	if (m && m->ts_ms > TIME_US_MIN / 1000 && m->ts_ms < TIME_US_MAX / 1000)
		kafka_us = m->ts_ms * 1000;
	if (t->expr && got != TIME_NONE && !t->restamp) {
		fail(why, EXIT_USAGE, "the records carry an event time already");
		fail_hint(why, "leave out --time; --restamp replaces it");
		return -1;
	}
	if (t->expr) {
		if (by_expression(t, run, memo, stage, r, &got, why) < 0)
			return -1;
	} else if (got == TIME_NONE) {
		got = kafka_us != TIME_NONE ? kafka_us : time_now_us();
	}
	if (t->max_future_us && kafka_us != TIME_NONE && got > kafka_us &&
		got - kafka_us > t->max_future_us)
		return fail_record(why, "future", "its event time is %.3f s after its Kafka "
			"timestamp, more than --max-future", (double)(got - kafka_us) / 1e6);
	*us = got;
	return 0;
}

/* ---- of all ------------------------------------------------------------------------ */

static void
enter(struct clock *c, struct input *in, int64_t us)
{
	size_t i;

	in->seen = true;
	in->newest_us = us;
	for (i = 0; i < c->nmarks; i++)
		if (c->mark[i].partition == in->partition &&
			strcmp(c->mark[i].name, in->name) == 0 && c->mark[i].newest_us > us)
			in->newest_us = c->mark[i].newest_us;
	c->input = mem_grow(c->input, &c->cap, c->n + 1, sizeof(*c->input));
	c->input[c->n++] = in;
}

/* Had it come to its end when the block in hand was read? */
static bool
has_ended(const struct clock *c, const struct input *in)
{
	return in->ended && in->ended <= c->reads;
}

/* The newest time that all inputs have come to which count, INT64_MAX without one; but counts
 * in any case. */
static int64_t
least(const struct clock *c, const struct input *but)
{
	const struct input *in;
	int64_t us = INT64_MAX;
	size_t i;

	for (i = 0; i < c->n; i++) {
		in = c->input[i];
		if (in->newest_us < us && (in == but || (!has_ended(c, in) && !in->idle)))
			us = in->newest_us;
	}
	return us;
}

static bool
move_to(struct clock *c, int64_t us)
{
	if (c->watermark_us != TIME_NONE && us <= c->watermark_us)
		return false;
	c->watermark_us = us;
	return true;
}

bool
clock_tell(struct clock *c, const struct flow_time *t, struct input *in, int64_t us,
	size_t *unread)
{
	bool was_idle = in->idle;

	in->rest_ns = 0;
	in->idle = false;
	if (!in->seen) {
		*unread -= *unread && in->unread == c->reads;
		enter(c, in, us);
	} else if (us > in->newest_us) {
		in->newest_us = us;
	} else if (!was_idle) {
		return false;
	}
	return !*unread && move_to(c, least(c, in) - t->delay_us);
}

int64_t
clock_foresee(const struct clock *c, const struct flow_time *t, struct input *in, int64_t us,
	size_t unread)
{
	int64_t was = in->newest_us, then;

	if (unread || !in->seen || us <= was)
		return c->watermark_us;
	in->newest_us = us;
	then = least(c, in) - t->delay_us;
	in->newest_us = was;
	return c->watermark_us == TIME_NONE || then > c->watermark_us ? then : c->watermark_us;
}

/* ---- inputs that rest -------------------------------------------------------------- */

#define LOOKS 4                     /* in the time of --idle */
#define LOOK_LEAST_NS 10000000
#define LOOK_MOST_NS 1000000000

int64_t
clock_look_ns(const struct flow_time *t, int64_t now_ns)
{
	int64_t wait_ns = t->idle_us > LOOKS * (LOOK_MOST_NS / 1000) ? LOOK_MOST_NS :
		t->idle_us * 1000 / LOOKS;

	return now_ns + (wait_ns < LOOK_LEAST_NS ? LOOK_LEAST_NS : wait_ns);
}

static int64_t
newest(const struct clock *c)
{
	int64_t us = INT64_MIN;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->input[i]->newest_us > us)
			us = c->input[i]->newest_us;
	return us;
}

bool
clock_end(struct clock *c, const struct flow_time *t)
{
	return c->n && move_to(c, newest(c) - t->delay_us);
}

/* All are idle: how far time has gone on by the wall clock since the last record. */
static bool
advance(struct clock *c, const struct flow_time *t, int64_t now_ns)
{
	int64_t rest_ns = 0;
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->input[i]->rest_ns > rest_ns)
			rest_ns = c->input[i]->rest_ns;
	return move_to(c, newest(c) + (now_ns - rest_ns) / 1000 - t->delay_us);
}

bool
clock_rest(struct clock *c, const struct flow_time *t, int64_t now_ns, size_t unread)
{
	bool some = false, all = true;
	struct input *in;
	size_t i;

	if (!t->idle_us)
		return false;
	for (i = 0; i < c->n; i++) {
		in = c->input[i];
		if (has_ended(c, in))
			continue;
		some = true;
		if (!in->at_end)
			in->rest_ns = 0;
		else if (!in->rest_ns)
			in->rest_ns = now_ns;
		in->idle = in->rest_ns && (now_ns - in->rest_ns) / 1000 >= t->idle_us;
		all &= in->idle;
	}
	if (!some || unread)
		return false;
	if (!all)
		return move_to(c, least(c, NULL) - t->delay_us);
	return t->idle_advance && advance(c, t, now_ns);
}

/* ---- over a restart ---------------------------------------------------------------- */

void
clock_save(const struct clock *c, struct buf *b)
{
	const struct input *in;
	bool some = false;
	size_t i;

	buf_adds(b, "{\"watermark\":");
	if (c->watermark_us == TIME_NONE)
		buf_adds(b, "null");
	else
		buf_addf(b, "%" PRId64, c->watermark_us);
	buf_adds(b, ",\"newest\":[");
	for (i = 0; i < c->n; i++) {
		in = c->input[i];
		if (has_ended(c, in))
			continue;
		buf_adds(b, some ? ",[" : "[");
		some = true;
		json_add_string(b, slice_str(in->name));
		buf_addf(b, ",%" PRId32 ",%" PRId64 "]", in->partition, in->newest_us);
	}
	buf_adds(b, "]}");
}

static int64_t
number(const struct json_doc *d, uint32_t t)
{
	return t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER ? TIME_NONE :
		strtoll(json_text(d, t).p, NULL, 10);
}

static void
restore_mark(struct clock *c, const struct json_doc *d, uint32_t t)
{
	struct clock_mark *m;
	struct buf name = {0};

	if (json_count(d, t) != 3 || json_type_at(d, json_at(d, t, 0)) != JSON_STRING)
		return;
	json_unescape(&name, json_string_raw(d, json_at(d, t, 0)));
	c->mark = mem_grow(c->mark, &c->cap_marks, c->nmarks + 1, sizeof(*c->mark));
	m = &c->mark[c->nmarks++];
	m->name = mem_strdup(buf_cstr(&name));
	m->partition = (int32_t)number(d, json_at(d, t, 1));
	m->newest_us = number(d, json_at(d, t, 2));
	buf_release(&name);
}

int
clock_restore(struct clock *c, struct slice json, struct failure *why)
{
	struct json_scan scan = {0};
	struct json_iter it;
	struct json_doc d;
	uint32_t list;
	int rc;

	if (!json.n)
		return 0;
	rc = json_doc_of(&scan, json, &d, why);
	if (rc == 0) {
		c->watermark_us = number(&d, json_get(&d, 0, SLICE("watermark")));
		list = json_get(&d, 0, SLICE("newest"));
		if (list != JSON_NONE)
			for (json_enter(&d, list, &it); json_step(&d, &it);)
				restore_mark(c, &d, it.value);
	} else {
		why->status = EXIT_CONFIG;
		fail_within(why, "what the state knows of event time: ");
	}
	json_scan_release(&scan);
	return rc;
}

void
clock_enter(struct clock *c, struct input *in)
{
	size_t i;

	for (i = 0; i < c->nmarks && !in->seen; i++)
		if (c->mark[i].partition == in->partition && strcmp(c->mark[i].name, in->name) == 0)
			enter(c, in, c->mark[i].newest_us);
}

void
clock_reset(struct clock *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		c->input[i]->seen = c->input[i]->idle = false;
		c->input[i]->rest_ns = 0;
	}
	c->n = 0;
	while (c->nmarks)
		free(c->mark[--c->nmarks].name);
	c->watermark_us = TIME_NONE;
}

void
clock_release(struct clock *c)
{
	while (c->nmarks)
		free(c->mark[--c->nmarks].name);
	free(c->mark);
	free(c->input);
	*c = (struct clock){.watermark_us = TIME_NONE};
}

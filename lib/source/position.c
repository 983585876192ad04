/*
 * Where a source of files stands, as JSON text in a ledger:
 *
 *	[{"input":NAME,"offset":BYTES,"lines":N,"head":[BYTES,HASH],"done":true}, ...]
 *
 * one for each input that was begun, in order. offset counts unpacked bytes; head tells the
 * file from another one of its name.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/table.h"
#include "source/inputs.h"

void
inputs_add_position(const struct inputs *in, size_t next, bool reading, uint64_t offset,
	struct buf *b)
{
	const struct named_input *v;
	bool now;
	size_t i;

	buf_addc(b, '[');
	for (i = 0; i < next; i++) {
		v = &in->v[i];
		now = reading && i + 1 == next;
		buf_adds(b, i ? ",{\"input\":" : "{\"input\":");
		json_add_string(b, slice_str(v->input.name));
		buf_addf(b, ",\"offset\":%" PRIu64 ",\"lines\":%" PRIu64, now ? offset : v->offset,
			v->input.lines);
		if (v->head.n)
			buf_addf(b, ",\"head\":[%" PRIu32 ",\"%016" PRIx64 "\"]", v->head.n,
				v->head.hash);
		buf_adds(b, now ? "}" : ",\"done\":true}");
	}
	buf_addc(b, ']');
}

/* ---- reading ----------------------------------------------------------------------- */

struct mark {
	struct slice name;   /* raw, as it stands between quotes */
	uint64_t offset, lines;
	struct head head;
	bool done;
};

static uint64_t
whole(const struct json_doc *d, uint32_t t)
{
	return t == JSON_NONE ? 0 : strtoull(json_text(d, t).p, NULL, 10);
}

static bool
read_mark(const struct json_doc *d, uint32_t t, struct mark *m)
{
	uint32_t name = json_get(d, t, SLICE("input")), head = json_get(d, t, SLICE("head"));

	*m = (struct mark){0};
	if (name == JSON_NONE || json_type_at(d, name) != JSON_STRING)
		return false;
	m->name = json_string_raw(d, name);
	m->offset = whole(d, json_get(d, t, SLICE("offset")));
	m->lines = whole(d, json_get(d, t, SLICE("lines")));
	m->done = json_get(d, t, SLICE("done")) != JSON_NONE;
	if (head != JSON_NONE && json_count(d, head) == 2) {
		m->head.n = (uint32_t)whole(d, json_at(d, head, 0));
		m->head.hash = strtoull(json_string_raw(d, json_at(d, head, 1)).p, NULL, 16);
	}
	return true;
}

static void
take_up(struct named_input *v, const struct mark *m)
{
	v->offset = m->offset;
	v->head = m->head;
	v->input.lines = m->lines;
}

/* Of a job that is not done: the inputs are the same, in their order. */
static int
take_next(struct inputs *in, const struct mark *m, size_t i, size_t *next, struct failure *why)
{
	if (i >= in->n || !json_raw_equals(m->name, slice_str(in->v[i].input.name))) {
		fail(why, EXIT_CONFIG, "input %zu is %s, and the job began with '%.*s' there",
			i + 1, i < in->n ? in->v[i].input.name : "missing",
			(int)(m->name.n < 200 ? m->name.n : 200), m->name.p);
		fail_hint(why, "run it with the inputs that it began with, or in another --state");
		return -1;
	}
	take_up(&in->v[i], m);
	if (m->done) {
		in->v[i].input.ended = true;
		*next = i + 1;
	}
	return 0;
}

/* Of a job that is done: a file that is there still is read on from its end. */
static void
take_known(struct inputs *in, const struct mark *m)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		if (!in->v[i].regular || strcmp(in->v[i].input.name, "-") == 0 ||
			!json_raw_equals(m->name, slice_str(in->v[i].input.name)))
			continue;
		take_up(&in->v[i], m);
		in->v[i].again = true;
	}
}

int
inputs_seek(struct inputs *in, struct slice position, bool finished, size_t *next,
	struct failure *why)
{
	struct json_scan scan = {0};
	struct json_iter it;
	struct json_doc d;
	struct mark m;
	size_t i = 0;
	int rc = json_doc_of(&scan, position, &d, why);

	*next = 0;
	if (rc == 0)
		json_enter(&d, 0, &it);
	while (rc == 0 && json_step(&d, &it)) {
		if (!read_mark(&d, it.value, &m))
			rc = fail(why, EXIT_CONFIG, "a position without the name of its input");
		else if (finished)
			take_known(in, &m);
		else
			rc = take_next(in, &m, i++, next, why);
	}
	json_scan_release(&scan);
	if (rc < 0)
		why->status = EXIT_CONFIG;
	return rc;
}

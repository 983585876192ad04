/* Partial results, read: {"start":...,"end":...,"key":...,"partial":{name:...}}. */
#include "window/engine.h"

static bool
read_time(const struct windows *w, const struct json_doc *d, uint32_t t, int64_t *us)
{
	if (t == JSON_NONE)
		return false;
	if (w->plan->in_ms)
		return json_type_at(d, t) == JSON_NUMBER &&
			time_of_epoch(json_text(d, t), TIME_UNIT_MS, us) == 0;
	return json_type_at(d, t) == JSON_STRING &&
		time_of_rfc3339(json_string_raw(d, t), us) == 0;
}

static int
read_window(const struct windows *w, const struct json_doc *d, uint32_t root, struct span *s,
	struct failure *why)
{
	bool good = read_time(w, d, json_get(d, root, SLICE("start")), &s->start_us) &&
		read_time(w, d, json_get(d, root, SLICE("end")), &s->end_us);

	if (!good)
		return fail_record(why, "partial", "no partial result: 'start' and 'end' are "
			"times%s", w->plan->in_ms ? " in milliseconds" : "");
	if (w->plan->shape.kind == WINDOW_SESSION ?
			s->end_us - s->start_us < w->plan->shape.size_us :
			!window_is(&w->plan->shape, s))
		return fail_record(why, "partial", "a partial result of another window than "
			"--%s has", window_kind_name[w->plan->shape.kind]);
	return 0;
}

/* Its key, as text and in the form that equal keys share. */
static int
read_key(struct windows *w, const struct json_doc *d, uint32_t root, struct slice *identity,
	struct failure *why)
{
	uint32_t t = json_get(d, root, SLICE("key"));

	buf_reset(&w->key);
	buf_reset(&w->room);
	if ((t != JSON_NONE) != (w->plan->reading.key != NULL))
		return fail_record(why, "partial", t == JSON_NONE ?
			"a partial result without a key" : "a partial result with a key, and "
			"there is no -k");
	if (t != JSON_NONE) {
		json_add_compact(&w->key, d, t);
		json_canonical(&w->room, d, t);
	}
	*identity = buf_slice(&w->room);
	return 0;
}

/* All that it holds, into w->part, so that a bad one leaves no trace. */
static int
read_parts(struct windows *w, const struct json_doc *d, uint32_t root, struct failure *why)
{
	uint32_t all = json_get(d, root, SLICE("partial")), t;
	const struct fold *f;
	unsigned i;

	if (all == JSON_NONE || json_type_at(d, all) != JSON_OBJECT)
		return fail_record(why, "partial", "no partial result: there is no 'partial'");
	fold_scratch_clear(&w->part);
	for (i = 0; i < w->plan->nfolds; i++) {
		f = &w->plan->fold[i];
		t = json_get(d, all, f->name);
		if (t == JSON_NONE)
			return fail_record(why, "partial", "a partial result without '%.*s'",
				(int)f->name.n, f->name.p);
		if (fold_take(f, &w->part.cell, i, d, t, &w->work, why) == 0)
			continue;
		return why->status == EXIT_OS ? fail_record(why, "partial", "%.*s: more than "
			"a partial result can hold", (int)f->name.n, f->name.p) : -1;
	}
	return 0;
}

enum windows_became
partials_take(struct windows *w, struct windows_task *t, const struct record *record)
{
	struct slice identity, key;
	const struct json_doc *d = record->doc;
	struct span window;
	struct buf own = {0};
	enum windows_became became = WINDOWS_FAILED;

	record_value(record);
	if (read_window(w, d, record->root, &window, w->why) < 0 ||
		read_parts(w, d, record->root, w->why) < 0 ||
		read_key(w, d, record->root, &identity, w->why) < 0)
		return WINDOWS_FAILED;
	/* What takes it uses the windows' own memory. */
	buf_add_slice(&own, identity);
	buf_add_slice(&own, buf_slice(&w->key));
	key = slice_of(own.p ? own.p + identity.n : "", w->key.n);
	identity = slice_of(own.p ? own.p : "", identity.n);
	if (w->plan->shape.kind == WINDOW_SESSION)
		became = sessions_take(w, t, &window, identity, key, &w->part.cell);
	else
		became = panes_take(w, t, &window, identity, key, &w->part.cell);
	buf_release(&own);
	return became;
}

/*
 * A state as lines of JSON. A line for the stage, one for each task, and behind that one for
 * each of its keys:
 *
 *	{"streamkit":"state","version":1,"name":"1-sk-dedup","tool":"sk-dedup","shape":{...},
 *	"value_bytes":8,"expires":true,"key":"<32 hex>"}
 *	{"task":0,"epoch":5,"own":false,"committed":4,"app":"job","mark":"...","horizon":"...",
 *	"keys":2}
 *	{"key":"<32 hex>","time":"2026-01-02T03:04:05Z","value":"..."}
 *
 * "key" of the stage is what its keys are hashed under. A task that no epoch of has ended
 * has no "app" and no "mark". Bytes that are no text stand in value_b64, mark_b64; the time
 * by which a value expires is its first eight bytes in the state; "made" is the number of a key
 * where the oldest ones are given up. Keys come in order, so that two dumps of one content are
 * the same bytes.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "state/internal.h"
#include "state/look.h"

#define LOT (1u << 18) /* bytes of lines that go out together */

/* "name":"text", or "name_b64":"...", with a comma before it. */
static void
add_bytes(struct buf *b, const char *name, struct slice s)
{
	bool text = json_is_utf8(s);
	size_t i;

	for (i = 0; i < s.n && text; i++)
		text = (unsigned char)s.p[i] >= ' ' || s.p[i] == '\n' || s.p[i] == '\t';
	buf_addf(b, ",\"%s%s\":", name, text ? "" : "_b64");
	if (text) {
		json_add_string(b, s);
		return;
	}
	buf_addc(b, '"');
	text_add_base64(b, s);
	buf_addc(b, '"');
}

/* As people read it; a number of microseconds where it is no time of theirs. */
static void
add_time(struct buf *b, const char *name, int64_t us)
{
	buf_addf(b, ",\"%s\":", name);
	if (us < TIME_US_MIN || us > TIME_US_MAX) {
		buf_addf(b, "%" PRId64, us);
		return;
	}
	buf_addc(b, '"');
	time_add_rfc3339(b, us);
	buf_addc(b, '"');
}

static void
add_stage(struct buf *b, const struct look *l)
{
	const struct config *c = &l->config;

	buf_adds(b, "{\"streamkit\":\"state\",\"version\":1,\"name\":");
	json_add_string(b, slice_str(l->name));
	buf_adds(b, ",\"tool\":");
	json_add_string(b, c->tool);
	buf_adds(b, ",\"shape\":");
	buf_add_slice(b, c->shape);
	buf_adds(b, ",\"value_bytes\":");
	if (c->value_bytes == STATE_VARIABLE)
		buf_adds(b, "null");
	else
		buf_addf(b, "%zu", c->value_bytes);
	buf_addf(b, ",\"expires\":%s,\"key\":\"%016" PRIx64 "%016" PRIx64 "\"}\n",
		c->expires ? "true" : "false", c->key.k0, c->key.k1);
}

static int
count(void *arg, struct key128 key, struct slice value)
{
	(void)key;
	(void)value;
	++*(uint64_t *)arg;
	return 0;
}

static void
add_task(struct buf *b, const struct look *l, const struct look_task *t, struct slice app)
{
	int64_t horizon = state_task(l->state, t->id)->horizon;
	uint64_t keys = 0;

	state_each(l->state, t->id, count, &keys);
	buf_addf(b, "{\"task\":%u,\"epoch\":%" PRIu64 ",\"own\":%s,\"committed\":%" PRIu64,
		(unsigned)t->id, t->epoch, t->own ? "true" : "false", t->committed);
	if (t->marked) {
		buf_adds(b, ",\"app\":");
		json_add_string(b, app);
		add_bytes(b, "mark", buf_slice(&l->place.mark));
	}
	if (horizon != INT64_MIN)
		add_time(b, "horizon", horizon);
	buf_addf(b, ",\"keys\":%" PRIu64 "}\n", keys);
}

struct dump {
	struct state *s;
	const struct task *t;
	struct buf out;
	look_say *say;
	void *arg;
	struct failure *why;
};

static void
add_key(struct dump *d, const char *slot)
{
	struct key128 key = slot_key(slot);
	struct slice value = state_value(d->s, slot);
	struct buf *b = &d->out;

	buf_addf(b, "{\"key\":\"%016" PRIx64 "%016" PRIx64 "\"", key.hi, key.lo);
	if (d->s->evict && d->t->stamped)
		buf_addf(b, ",\"made\":%" PRIu64, *slot_stamp(d->s, slot));
	if (d->s->opt.expires && value.n >= sizeof(int64_t)) {
		add_time(b, "time", value_time(value));
		value = slice_of(value.p + sizeof(int64_t), value.n - sizeof(int64_t));
		if (value.n)
			add_bytes(b, "value", value);
	} else if (value.n || d->s->variable) {
		add_bytes(b, "value", value);
	}
	buf_adds(b, "}\n");
}

static int
by_key(const void *a, const void *b)
{
	return key128_cmp(slot_key(*(char *const *)a), slot_key(*(char *const *)b));
}

/* In the order of their keys, which is that of the parts. */
static int
add_keys(struct dump *d)
{
	size_t n, i, cap = 0;
	char *slot, **slots = NULL;
	int rc = 0;
	unsigned part;

	for (part = 0; part < PARTS && rc == 0; part++) {
		n = 0;
		for (slot = parts_next(&d->t->parts, part, NULL); slot;
			slot = parts_next(&d->t->parts, part, slot)) {
			if (state_gone(d->s, d->t, slot))
				continue;
			slots = mem_grow(slots, &cap, n + 1, sizeof(*slots));
			slots[n++] = slot;
		}
		if (n)
			qsort(slots, n, sizeof(*slots), by_key);
		for (i = 0; i < n && rc == 0; i++) {
			add_key(d, slots[i]);
			if (d->out.n >= LOT)
				rc = d->say(d->arg, &d->out, d->why);
		}
	}
	free(slots);
	return rc;
}

int
look_dump(struct look *l, look_say *say, void *arg, struct failure *why)
{
	struct dump d = {.s = l->state, .say = say, .arg = arg, .why = why};
	int rc = 0;
	size_t i;

	add_stage(&d.out, l);
	for (i = 0; i < l->ntasks && rc == 0; i++) {
		d.t = state_task(l->state, l->task[i].id);
		add_task(&d.out, l, &l->task[i], buf_slice(&l->app));
		rc = add_keys(&d);
	}
	if (rc == 0 && d.out.n)
		rc = say(arg, &d.out, why);
	buf_release(&d.out);
	return rc;
}

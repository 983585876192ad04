/*
 * A state from lines of JSON. Logs are written as the lines come, each with one epoch; what
 * makes a state of them, its config, comes last, so a folder that was not loaded to the end is
 * refused by whoever opens it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "state/internal.h"
#include "state/look.h"

struct filled_task {
	struct task *t;
	struct mark mark;       /* app and bytes are app and mark below */
	bool marked;
	uint64_t keys, came;
	struct buf app, bytes;
};

struct filled {
	struct folder folder;
	struct config config;
	struct buf tool, shape;
	struct flow_place place;
	struct state *state;
	struct filled_task *task;
	size_t ntasks, cap_tasks;
	uint64_t runs;
};

struct load {
	char *dir;
	const char *only;
	struct filled **stage;
	size_t nstages, cap_stages;
	struct filled *now;     /* NULL: none, or one that is not wanted */
	bool any, done;
	struct ledger ledger;   /* there: to be stored */
	struct json_scan scan;
	struct buf value;
};

struct load *
load_new(const char *dir, const char *only)
{
	struct load *l = mem_zalloc(sizeof(*l));

	l->dir = mem_strdup(dir);
	l->only = only;
	l->ledger = (struct ledger){.lock = -1};
	return l;
}

/* ---- members ----------------------------------------------------------------------- */

static int
bad(struct failure *why, const char *name)
{
	return fail(why, EXIT_DATA, "\"%s\" is missing, or is not what it should be", name);
}

static uint32_t
member(const struct json_doc *d, const char *name, enum json_type type)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	return t != JSON_NONE && json_type_at(d, t) == type ? t : JSON_NONE;
}

static int
get_text(const struct json_doc *d, const char *name, struct buf *to, struct failure *why)
{
	uint32_t t = member(d, name, JSON_STRING);

	if (t == JSON_NONE)
		return bad(why, name);
	buf_reset(to);
	json_unescape(to, json_string_raw(d, t));
	return 0;
}

/* Appended: 1; 0: there is neither name nor name_b64. */
static int
get_bytes(const struct json_doc *d, const char *name, struct buf *to, struct failure *why)
{
	uint32_t t = member(d, name, JSON_STRING);
	char coded[24];

	if (t != JSON_NONE) {
		json_unescape(to, json_string_raw(d, t));
		return 1;
	}
	snprintf(coded, sizeof(coded), "%s_b64", name);
	if (json_get(d, 0, slice_str(name)) != JSON_NONE)
		return bad(why, name);
	if (json_get(d, 0, slice_str(coded)) == JSON_NONE)
		return 0;
	t = member(d, coded, JSON_STRING);
	if (t == JSON_NONE || text_unbase64(to, json_string_raw(d, t)) < 0)
		return bad(why, coded);
	return 1;
}

static int
get_number(const struct json_doc *d, const char *name, uint64_t *n, struct failure *why)
{
	uint32_t t = member(d, name, JSON_NUMBER);
	struct slice text = t == JSON_NONE ? (struct slice){0} : json_text(d, t);
	size_t i;

	*n = 0;
	for (i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && i < 20; i++)
		if (__builtin_mul_overflow(*n, 10, n) ||
			__builtin_add_overflow(*n, (uint64_t)(text.p[i] - '0'), n))
			return bad(why, name);
	return text.n && i == text.n ? 0 : bad(why, name);
}

/* 1; 0: it is not there. */
static int
get_time(const struct json_doc *d, const char *name, int64_t *us, struct failure *why)
{
	uint32_t t = json_get(d, 0, slice_str(name));
	struct slice text;
	char digits[24] = "", *end;

	if (t == JSON_NONE)
		return 0;
	if (json_type_at(d, t) == JSON_STRING)
		return time_of_rfc3339(json_string_raw(d, t), us) < 0 ? bad(why, name) : 1;
	text = json_text(d, t);
	if (json_type_at(d, t) != JSON_NUMBER || text.n >= sizeof(digits))
		return bad(why, name);
	memcpy(digits, text.p, text.n);
	*us = strtoll(digits, &end, 10);
	return *end ? bad(why, name) : 1;
}

static bool
get_true(const struct json_doc *d, const char *name)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	return t != JSON_NONE && slice_eq(json_text(d, t), SLICE("true"));
}

static int
get_key(const struct json_doc *d, uint64_t *hi, uint64_t *lo, struct failure *why)
{
	uint32_t t = member(d, "key", JSON_STRING);
	struct slice s = t == JSON_NONE ? (struct slice){0} : json_string_raw(d, t);
	uint64_t half[2] = {0, 0};
	size_t i;
	int c;

	for (i = 0; i < s.n && i < 32; i++) {
		c = s.p[i] >= '0' && s.p[i] <= '9' ? s.p[i] - '0'
			: s.p[i] >= 'a' && s.p[i] <= 'f' ? s.p[i] - 'a' + 10 : -1;
		if (c < 0)
			break;
		half[i / 16] = half[i / 16] << 4 | (uint64_t)c;
	}
	if (i != 32 || s.n != 32)
		return bad(why, "key");
	*hi = half[0];
	*lo = half[1];
	return 0;
}

/* ---- a stage ----------------------------------------------------------------------- */

static void
filled_free(struct filled *f, bool keep)
{
	struct failure ignored;
	size_t i;

	for (i = 0; i < f->ntasks; i++) {
		buf_release(&f->task[i].app);
		buf_release(&f->task[i].bytes);
	}
	free(f->task);
	state_free(f->state);
	if (!keep && f->folder.lock >= 0)
		folder_reset(&f->folder, &ignored);
	folder_release(&f->folder);
	buf_release(&f->tool);
	buf_release(&f->shape);
	config_release(&f->config);
	free(f);
}

/* All of its epoch is durable; only its config is missing. */
static int
finish_stage(struct filled *f, struct failure *why)
{
	uint32_t *ids = mem_array(f->ntasks + 1, sizeof(*ids));
	struct filled_task *t;
	size_t n = 0;
	int rc = 0;

	for (t = f->task; t < f->task + f->ntasks; t++)
		if (t->marked)
			ids[n++] = t->t->id;
	for (t = f->task; t < f->task + f->ntasks && rc == 0; t++) {
		if (t->came != t->keys)
			rc = fail(why, EXIT_DATA, "of the %llu keys of task %u there are %llu",
				(unsigned long long)t->keys, (unsigned)t->t->id,
				(unsigned long long)t->came);
		t->mark.task = ids;
		t->mark.ntasks = n;
		t->mark.keys = t->keys;
		t->mark.app = buf_slice(&t->app);
		t->mark.bytes = buf_slice(&t->bytes);
		if (rc == 0)
			rc = log_flush(f->state, t->t, why);
		if (rc == 0 && t->marked)
			rc = log_mark(f->state, t->t, &t->mark, why);
		if (t->marked && t->mark.own && t->mark.epoch > f->runs)
			f->runs = t->mark.epoch;
		if (rc == 0)
			rc = file_sync(&t->t->log.file, why);
	}
	free(ids);
	return rc < 0 ? -1 : runs_write(&f->folder, f->config.sum, f->runs, why);
}

static int
is_empty(const struct folder *folder, struct failure *why)
{
	struct folder_file *list;
	struct config there;
	struct failure ignored = {0};
	size_t n;
	int rc;

	if (folder_list(folder, true, &list, &n, why) < 0)
		return -1;
	free(list);
	rc = n ? 1 : config_read(folder, &there, &ignored);
	if (rc > 0 && !n)
		config_release(&there);
	if (rc == 0)
		return 0;
	fail(why, EXIT_CONFIG, "%s: holds a state already", folder->path);
	fail_hint(why, "sk-state reset removes it");
	return -1;
}

static int
read_config(struct filled *f, const struct json_doc *d, struct failure *why)
{
	uint32_t shape = json_get(d, 0, SLICE("shape")), bytes;
	struct config *c = &f->config;
	uint64_t n = 0;

	if (get_text(d, "tool", &f->tool, why) < 0 || get_key(d, &c->key.k0, &c->key.k1, why) < 0)
		return -1;
	if (shape == JSON_NONE)
		return bad(why, "shape");
	buf_add_slice(&f->shape, json_text(d, shape));
	bytes = json_get(d, 0, SLICE("value_bytes"));
	if (bytes == JSON_NONE)
		return bad(why, "value_bytes");
	if (json_type_at(d, bytes) != JSON_NULL && (get_number(d, "value_bytes", &n, why) < 0 ||
			n > STATE_FIXED_MAX))
		return bad(why, "value_bytes");
	c->value_bytes = json_type_at(d, bytes) == JSON_NULL ? STATE_VARIABLE : (size_t)n;
	c->expires = get_true(d, "expires");
	c->tool = buf_slice(&f->tool);
	c->shape = buf_slice(&f->shape);
	config_say(c);
	return 0;
}

static int
begin_stage(struct load *l, const struct json_doc *d, struct failure *why)
{
	struct state_options options = {.tool = "", .shape = ""};
	struct op_context ctx = {0};
	struct buf name = {0};
	struct filled *f;
	uint64_t version;
	int rc = -1;

	l->now = NULL;
	l->any = true;
	if (get_text(d, "name", &name, why) < 0 || get_number(d, "version", &version, why) < 0)
		goto out;
	if (version != FILE_VERSION || !text_is_component(buf_slice(&name))) {
		bad(why, version != FILE_VERSION ? "version" : "name");
		goto out;
	}
	rc = 0;
	if (l->only && strcmp(l->only, buf_cstr(&name)) != 0)
		goto out;
	f = mem_zalloc(sizeof(*f));
	folder_init(&f->folder, l->dir, buf_cstr(&name));
	if (read_config(f, d, why) < 0 || folder_lock(&f->folder, 0, why) < 0 ||
		is_empty(&f->folder, why) < 0) {
		filled_free(f, true);
		rc = -1;
		goto out;
	}
	options.value_bytes = f->config.value_bytes;
	options.expires = f->config.expires;
	ctx.place = &f->place;
	f->state = state_new(&options, &ctx);
	f->state->folder.path = mem_strdup(f->folder.path);
	f->state->made = f->config.sum;
	f->state->durable = true;
	l->stage = mem_grow(l->stage, &l->cap_stages, l->nstages + 1, sizeof(*l->stage));
	l->stage[l->nstages++] = l->now = f;
out:
	buf_release(&name);
	return rc;
}

static int
begin_task(struct load *l, const struct json_doc *d, struct failure *why)
{
	struct filled *f = l->now;
	struct filled_task fresh = {0}, *t = &fresh;
	uint64_t id;
	int rc;

	if (get_number(d, "task", &id, why) < 0 || id > UINT32_MAX ||
		state_task(f->state, (uint32_t)id))
		return bad(why, "task");
	if (get_number(d, "epoch", &t->mark.epoch, why) < 0 ||
		get_number(d, "committed", &t->mark.committed, why) < 0 ||
		get_number(d, "keys", &t->keys, why) < 0)
		return -1;
	t->mark.own = get_true(d, "own");
	t->marked = json_get(d, 0, SLICE("app")) != JSON_NONE;
	if (t->marked) {
		rc = get_text(d, "app", &t->app, why) < 0 ? -1
			: get_bytes(d, "mark", &t->bytes, why);
		if (rc == 0)
			rc = bad(why, "mark");
		if (rc < 0)
			goto fail;
	}
	f->state->looking = true; /* the folder is locked, and has no config to be checked */
	rc = state_assign(f->state, (uint32_t)id, why);
	f->state->looking = false;
	if (rc < 0)
		goto fail;
	t->t = state_task(f->state, (uint32_t)id);
	rc = get_time(d, "horizon", &t->t->horizon, why);
	if (rc >= 0) {
		t->t->horizon_moved = rc > 0;
		rc = log_begin(f->state, t->t, 1, t->marked ? 0 : t->mark.epoch, NULL, why);
	}
	if (rc < 0)
		goto fail;
	log_start(f->state, t->t);
	f->task = mem_grow(f->task, &f->cap_tasks, f->ntasks + 1, sizeof(*f->task));
	f->task[f->ntasks++] = fresh;
	return 0;
fail:
	buf_release(&t->app);
	buf_release(&t->bytes);
	return -1;
}

static int
add_key(struct load *l, const struct json_doc *d, struct failure *why)
{
	struct filled *f = l->now;
	struct filled_task *t = &f->task[f->ntasks - 1];
	struct change c = {RECORD_PUT};
	int64_t us;
	int rc;

	if (!f->ntasks)
		return fail(why, EXIT_DATA, "a key before its task");
	if (get_key(d, &c.key.hi, &c.key.lo, why) < 0)
		return -1;
	if (json_get(d, 0, SLICE("made")) != JSON_NONE) {
		c.op = RECORD_STAMPED;
		if (get_number(d, "made", &c.stamp, why) < 0)
			return -1;
	}
	buf_reset(&l->value);
	rc = get_time(d, "time", &us, why);
	if (rc < 0)
		return -1;
	if (rc > 0)
		buf_add(&l->value, &us, sizeof(us));
	if (get_bytes(d, "value", &l->value, why) < 0)
		return -1;
	c.value = buf_slice(&l->value);
	if (f->state->variable ? c.value.n > STATE_VALUE_MAX
			       : c.value.n != f->config.value_bytes)
		return fail(why, EXIT_DATA, "a value of %zu bytes where others are kept",
			c.value.n);
	t->came++;
	return log_record(f->state, t->t, &c, why);
}

/* ---- all of it --------------------------------------------------------------------- */

static int
read_ledger(struct load *l, const struct json_doc *d, uint32_t t, struct failure *why)
{
	struct ledger there = {.lock = -1};
	struct failure broken;
	bool is;

	if (l->only)
		return 0;
	is = ledger_load(&there, l->dir, "", &broken) < 0 || there.there;
	ledger_release(&there);
	if (is) {
		fail(why, EXIT_CONFIG, "%s/commit: is there already", l->dir);
		fail_hint(why, "sk-state reset removes it");
		return -1;
	}
	return ledger_read(&l->ledger, l->dir, json_text(d, t), why);
}

int
load_line(struct load *l, struct slice line, struct failure *why)
{
	struct json_doc d;
	uint32_t t;

	if (json_doc_of(&l->scan, line, &d, why) < 0) {
		why->status = EXIT_DATA;
		return -1;
	}
	t = json_get(&d, 0, SLICE("commit"));
	if (t != JSON_NONE)
		return read_ledger(l, &d, t, why);
	if (json_get(&d, 0, SLICE("streamkit")) != JSON_NONE) {
		if (l->now && finish_stage(l->now, why) < 0)
			return -1;
		return begin_stage(l, &d, why);
	}
	if (!l->any)
		return fail(why, EXIT_DATA, "this is no line that sk-state dump writes first");
	if (!l->now)
		return 0;
	return json_get(&d, 0, SLICE("task")) != JSON_NONE ? begin_task(l, &d, why)
							   : add_key(l, &d, why);
}

int
load_end(struct load *l, struct failure *why)
{
	int rc = l->now ? finish_stage(l->now, why) : 0;
	size_t i;

	if (rc == 0 && !l->nstages && !l->ledger.there)
		rc = fail(why, EXIT_DATA, "%s%s", l->only ? "there is no stage " : "there is "
			"nothing to load", l->only ? l->only : "");
	for (i = 0; i < l->nstages && rc == 0; i++)
		rc = config_write(&l->stage[i]->folder, &l->stage[i]->config, why);
	if (rc == 0 && l->ledger.there)
		rc = ledger_lock(&l->ledger, l->dir, why) < 0 ||
			ledger_store(&l->ledger, why) < 0 ? -1 : 0;
	l->done = rc == 0;
	return rc;
}

void
load_free(struct load *l)
{
	size_t i;

	for (i = 0; i < l->nstages; i++)
		filled_free(l->stage[i], l->done);
	free(l->stage);
	ledger_release(&l->ledger);
	json_scan_release(&l->scan);
	buf_release(&l->value);
	free(l->dir);
	free(l);
}

/* How a state comes and goes: tasks, rollback, barriers. */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

#define WAIT_MS 5000 /* for an owner that is going */

/* ---- the folder -------------------------------------------------------------------- */

static int
other_shape(const struct state *s, const struct config *c, struct failure *why)
{
	const struct state_options *o = &s->opt;

	if (!slice_eq(c->tool, slice_str(o->tool)))
		fail(why, EXIT_CONFIG, "%s: made by %.*s, not by %s", s->folder.path,
			(int)c->tool.n, c->tool.p, o->tool);
	else if (!slice_eq(c->shape, slice_str(o->shape)))
		fail(why, EXIT_CONFIG, "%s: made with %.*s, and now it is %s", s->folder.path,
			(int)(c->shape.n < 160 ? c->shape.n : 160), c->shape.p, o->shape);
	else
		fail(why, EXIT_CONFIG, "%s: made by another version of %s, which kept other "
			"values", s->folder.path, o->tool);
	fail_hint(why, "run it as before, give it another --state or --name, or begin anew with "
		"sk-state reset");
	return -1;
}

/* A folder is new until it has a config, and that comes before any other file. */
static int
make_config(struct state *s, struct config *c, struct failure *why)
{
	struct folder_file *list;
	size_t n;

	if (folder_list(&s->folder, true, &list, &n, why) < 0)
		return -1;
	free(list);
	if (n) {
		fail(why, EXIT_CONFIG, "%s: has logs and no config", s->folder.path);
		fail_hint(why, "put the folder back from a copy, or begin anew with sk-state "
			"reset");
		return -1;
	}
	c->tool = slice_str(s->opt.tool);
	c->shape = slice_str(s->opt.shape);
	c->value_bytes = s->opt.value_bytes;
	c->expires = s->opt.expires;
	c->key = keyed_draw();
	config_say(c);
	if (runs_write(&s->folder, c->sum, 0, why) < 0 || config_write(&s->folder, c, why) < 0)
		return -1;
	config_release(c);
	return config_read(&s->folder, c, why) < 0 ? -1 : 0;
}

static int
open_folder(struct state *s, struct failure *why)
{
	struct config c = {0};
	int rc;

	if (!s->folder.path)
		folder_init(&s->folder, s->place->state, s->place->name);
	if (folder_lock(&s->folder, WAIT_MS, why) < 0)
		return -1;
	rc = config_read(&s->folder, &c, why);
	if (rc == 0)
		rc = make_config(s, &c, why);
	else if (rc > 0 && (!slice_eq(c.tool, slice_str(s->opt.tool)) ||
			!slice_eq(c.shape, slice_str(s->opt.shape)) ||
			c.value_bytes != s->opt.value_bytes || c.expires != s->opt.expires))
		rc = other_shape(s, &c, why);
	if (rc >= 0)
		rc = runs_read(&s->folder, c.sum, &s->runs, why);
	if (rc < 0) {
		folder_unlock(&s->folder);
	} else {
		s->secret = c.key;
		s->made = c.sum;
		s->durable = true;
	}
	config_release(&c);
	return rc < 0 ? -1 : 0;
}

/* ---- tasks ------------------------------------------------------------------------- */

int
state_assign(struct state *s, uint32_t id, struct failure *why)
{
	struct task *t;
	size_t i;

	if (state_task(s, id))
		return fail(why, EXIT_INTERNAL, "task %u is assigned twice", id);
	if (!s->ntasks && !s->looking && s->place && s->place->state &&
		open_folder(s, why) < 0)
		return -1;
	t = mem_zalloc(sizeof(*t));
	t->id = id;
	t->horizon = INT64_MIN;
	t->log.file.fd = t->snapshot.file.fd = -1;
	parts_init(&t->parts, s->entry);
	t->parts.roomy = s->variable && !s->evict;
	s->task = mem_grow(s->task, &s->cap_tasks, s->ntasks + 1, sizeof(struct task *));
	for (i = s->ntasks++; i && s->task[i - 1]->id > id; i--)
		s->task[i] = s->task[i - 1];
	s->task[i] = t;
	return 0;
}

/* What the epoch has brought so far is given up with it: another owner goes on from a mark. */
int
state_revoke(struct state *s, uint32_t id, struct failure *why)
{
	struct task *t = state_task(s, id);
	size_t i;

	if (!t)
		return fail(why, EXIT_INTERNAL, "task %u is revoked and was not assigned", id);
	log_stop(s, t);
	snapshot_stop(t);
	state_empty(s, t);
	parts_release(&t->parts);
	for (i = 0; s->task[i] != t; i++)
		;
	s->ntasks--;
	for (; i < s->ntasks; i++)
		s->task[i] = s->task[i + 1];
	s->last = NULL;
	free(t);
	if (!s->ntasks)
		folder_unlock(&s->folder);
	return 0;
}

/* ---- epochs ------------------------------------------------------------------------ */

static int
rollback_memory(struct state *s, uint64_t epoch, struct failure *why)
{
	size_t i;

	if (epoch != 0 && epoch != EPOCH_NEWEST) {
		fail(why, EXIT_CONFIG, "the job goes on from epoch %llu, and this process has "
			"its state in memory alone", (unsigned long long)epoch);
		fail_hint(why, "give every process of the job --state DIR, or begin the job "
			"anew");
		return -1;
	}
	for (i = 0; i < s->ntasks; i++)
		state_empty(s, s->task[i]);
	return 0;
}

int
state_rollback(struct state *s, uint64_t epoch, struct failure *why)
{
	if (s->failed.status) {
		*why = s->failed;
		return -1;
	}
	if (!s->durable)
		return rollback_memory(s, epoch, why);
	return recover(s, epoch, why);
}

static int
sync_all(struct state *s, struct failure *why)
{
	size_t i;

	for (i = 0; i < s->ntasks; i++)
		if (file_sync(&s->task[i]->log.file, why) < 0)
			return state_fail(s, why);
	return 0;
}

/*
 * A mark that is committed by being there is written when all before it is durable, and once
 * it is durable itself the file runs says so: then it can't go missing unnoticed.
 */
int
state_barrier(struct state *s, uint64_t epoch, struct failure *why)
{
	struct mark m = {.own = epoch == EPOCH_OWN};
	uint32_t *ids = NULL;
	int rc = -1;
	size_t i;

	if (!s->durable)
		return 0;
	if (s->failed.status) {
		*why = s->failed;
		return -1;
	}
	m.epoch = m.own ? s->epoch + 1 : epoch;
	if (m.epoch <= s->epoch)
		return fail(why, EXIT_INTERNAL, "barrier %llu behind %llu",
			(unsigned long long)m.epoch, (unsigned long long)s->epoch);
	m.committed = m.own ? m.epoch : s->place->committed;
	m.app = slice_str(s->place->app ? s->place->app : "");
	m.bytes = buf_slice(&s->place->mark);
	m.task = ids = mem_array(s->ntasks, sizeof(*ids));
	m.ntasks = s->ntasks;
	for (i = 0; i < s->ntasks; i++) {
		if (!s->task[i]->log.cap) {
			fail(why, EXIT_INTERNAL, "a barrier before the rollback");
			goto out;
		}
		ids[i] = s->task[i]->id;
		if (log_flush(s, s->task[i], why) < 0)
			goto out;
	}
	if (m.own && sync_all(s, why) < 0)
		goto out;
	for (i = 0; i < s->ntasks; i++) {
		m.keys = parts_count(&s->task[i]->parts);
		if (log_mark(s, s->task[i], &m, why) < 0)
			goto out;
	}
	if (sync_all(s, why) < 0)
		goto out;
	if (m.own && runs_write(&s->folder, s->made, m.epoch, why) < 0) {
		state_fail(s, why);
		goto out;
	}
	if (m.own)
		s->runs = m.epoch;
	s->epoch = m.epoch;
	for (i = 0; i < s->ntasks; i++) {
		m.keys = parts_count(&s->task[i]->parts);
		if (snapshot_barrier(s, s->task[i], &m, why) < 0)
			goto out;
	}
	rc = 0;
out:
	free(ids);
	return rc;
}

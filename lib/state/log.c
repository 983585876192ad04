/* Changes of a state on their way to its log, and the marks between them. */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

#define DIRTY_MOST (256u << 10) /* keys whose values wait for the barrier */

int
state_fail(struct state *s, struct failure *why)
{
	size_t i;

	if (!s->failed.status)
		s->failed = *why;
	for (i = 0; i < s->ntasks; i++)
		s->task[i]->log.n = s->task[i]->log.cap = 0;
	return -1;
}

void
log_start(struct state *s, struct task *t)
{
	if (!t->log.p) {
		t->log.room = s->block;
		t->log.p = mem_alloc(s->block + 8);
		s->buffers += s->block;
	}
	t->log.cap = t->log.room;
	t->log.n = BLOCK_HEAD;
}

void
log_stop(struct state *s, struct task *t)
{
	file_close(&t->log.file);
	s->buffers -= t->log.room;
	free(t->log.p);
	free(t->log.dirty);
	memset(&t->log, 0, sizeof(t->log));
	t->log.file.fd = -1;
}

/* Write what there is as a block. */
static int
write_block(struct state *s, struct task *t, struct failure *why)
{
	struct log *log = &t->log;

	if (log->n <= BLOCK_HEAD)
		return 0;
	if (file_append(&log->file, BLOCK_CHANGES, log->p + BLOCK_HEAD, log->n - BLOCK_HEAD,
		why) < 0)
		return state_fail(s, why);
	file_kick(&log->file);
	log->n = BLOCK_HEAD;
	/* A record that took more than a block does is rare. */
	if (log->room > s->block) {
		s->buffers -= log->room - s->block;
		log->p = mem_realloc(log->p, s->block + 8);
		log->room = log->cap = s->block;
	}
	return 0;
}

int
log_room(struct state *s, struct task *t, size_t need, struct failure *why)
{
	struct log *log = &t->log;
	uint64_t written = log->n;

	if (s->failed.status) {
		*why = s->failed;
		return -1;
	}
	if (!log->cap)
		return fail(why, EXIT_INTERNAL, "state of task %u changes before its rollback",
			t->id);
	if (write_block(s, t, why) < 0 || snapshot_step(s, t, 2 * written, why) < 0)
		return -1;
	if (need > log->room - BLOCK_HEAD) {
		s->buffers += need + BLOCK_HEAD - log->room;
		log->room = log->cap = need + BLOCK_HEAD;
		log->p = mem_realloc(log->p, log->room + 8);
	}
	return 0;
}

int
log_record(struct state *s, struct task *t, const struct change *c, struct failure *why)
{
	size_t need = RECORD_HEAD + c->value.n;

	if (t->log.cap - t->log.n < need && log_room(s, t, need, why) < 0)
		return -1;
	t->log.n = (size_t)(record_write(t->log.p + t->log.n, c) - t->log.p);
	return 0;
}

/* ---- values of any size ------------------------------------------------------------ */

/* What a key's value has come to: the value, or that there is none. */
static int
write_value(struct state *s, struct task *t, struct key128 key, struct failure *why)
{
	struct change c = {s->evict ? RECORD_STAMPED : RECORD_PUT, key};
	struct held *h;
	bool there;
	char *slot = parts_look(&t->parts, key, &there);

	/* Removed, and the log says so already, or swept, where it may hold an earlier value
	 * with a later time. */
	if (!there && !s->opt.expires)
		return 0;
	if (!there) {
		c.op = RECORD_REMOVE;
		return log_record(s, t, &c, why);
	}
	memcpy(&h, slot + sizeof(key), sizeof(h));
	if (!h->dirty)
		return 0; /* listed twice: it went, and came again */
	h->dirty = 0;
	if (state_gone(s, t, slot)) {
		c.op = RECORD_REMOVE;
		return log_record(s, t, &c, why);
	}
	c.value = state_value(s, slot);
	if (s->evict)
		c.stamp = *slot_stamp(s, slot);
	return log_record(s, t, &c, why);
}

static int
write_dirty(struct state *s, struct task *t, struct failure *why)
{
	size_t i;

	s->version += t->log.ndirty > 0;
	for (i = 0; i < t->log.ndirty; i++) {
		if (i + 16 < t->log.ndirty)
			parts_prefetch(&t->parts, t->log.dirty[i + 16]);
		if (write_value(s, t, t->log.dirty[i], why) < 0)
			return -1;
	}
	t->log.ndirty = 0;
	return 0;
}

/* A value that changes often in an epoch is written once. */
int
log_dirty(struct state *s, struct task *t, struct key128 key, struct failure *why)
{
	struct held *h;
	bool there;
	char *slot;

	if (s->failed.status) {
		*why = s->failed;
		return -1;
	}
	if (t->log.ndirty == DIRTY_MOST && write_dirty(s, t, why) < 0)
		return -1;
	slot = parts_look(&t->parts, key, &there);
	memcpy(&h, slot + sizeof(key), sizeof(h));
	h->dirty = 1;
	t->log.dirty = mem_grow(t->log.dirty, &t->log.cap_dirty, t->log.ndirty + 1,
		sizeof(struct key128));
	t->log.dirty[t->log.ndirty++] = key;
	return 0;
}

int
log_flush(struct state *s, struct task *t, struct failure *why)
{
	struct change c = {RECORD_EXPIRE};

	if (write_dirty(s, t, why) < 0)
		return -1;
	if (t->horizon_moved) {
		c.value = slice_of((const char *)&t->horizon, sizeof(t->horizon));
		if (log_record(s, t, &c, why) < 0)
			return -1;
		t->horizon_moved = false;
	}
	return write_block(s, t, why);
}

/* ---- marks ------------------------------------------------------------------------- */

/* What stands in front of the lists of tasks and bytes. */
struct mark_head {
	uint64_t epoch, committed, keys;
	uint32_t own, ntasks, napp, nbytes;
};

static void
mark_add(struct buf *b, const struct mark *m)
{
	struct mark_head h = {m->epoch, m->committed, m->keys, m->own, (uint32_t)m->ntasks,
		(uint32_t)m->app.n, (uint32_t)m->bytes.n};

	buf_add(b, &h, sizeof(h));
	buf_add(b, m->task, m->ntasks * sizeof(*m->task));
	buf_add_slice(b, m->app);
	buf_add_slice(b, m->bytes);
}

/* The mark borrows from body; its tasks from a buf, where they lie aligned. */
int
mark_read(struct slice body, struct mark *m, struct buf *tasks)
{
	struct mark_head h;
	const char *p = body.p + sizeof(h);

	if (body.n < sizeof(h))
		return -1;
	memcpy(&h, body.p, sizeof(h));
	if (sizeof(h) + (uint64_t)h.ntasks * sizeof(uint32_t) + h.napp + h.nbytes != body.n)
		return -1;
	buf_reset(tasks);
	buf_add(tasks, p, h.ntasks * sizeof(uint32_t));
	p += h.ntasks * sizeof(uint32_t);
	*m = (struct mark){h.epoch, h.committed, h.keys, h.own != 0,
		(const uint32_t *)(const void *)tasks->p, h.ntasks, {p, h.napp},
		{p + h.napp, h.nbytes}};
	return 0;
}

static int
append(struct file *f, enum block_kind kind, const struct buf *body, struct failure *why)
{
	struct buf b = {0};
	int rc;

	buf_reserve(&b, BLOCK_HEAD + body->n + 8);
	memcpy(b.p + BLOCK_HEAD, body->p, body->n);
	rc = file_append(f, kind, b.p + BLOCK_HEAD, body->n, why);
	buf_release(&b);
	return rc;
}

static int
append_mark(struct file *f, const struct mark *m, struct failure *why)
{
	struct buf b = {0};
	int rc;

	mark_add(&b, m);
	rc = append(f, BLOCK_MARK, &b, why);
	buf_release(&b);
	return rc;
}

int
log_mark(struct state *s, struct task *t, const struct mark *m, struct failure *why)
{
	return append_mark(&t->log.file, m, why) < 0 ? state_fail(s, why) : 0;
}

int
log_begin(struct state *s, struct task *t, uint64_t seq, uint64_t after,
	const struct mark *m, struct failure *why)
{
	char *path = folder_path(&s->folder, t->id, seq, false);
	struct file f;
	int rc = file_create(&f, path, FILE_LOG, t->id, seq, after, s->made, why);

	free(path);
	if (rc < 0)
		return state_fail(s, why);
	if ((m && append_mark(&f, m, why) < 0) ||
		file_settle(&f, why) < 0) {
		file_close(&f);
		return state_fail(s, why);
	}
	file_close(&t->log.file);
	t->log.file = f;
	return 0;
}

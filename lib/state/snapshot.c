/*
 * A snapshot: the table as it is written while it goes on changing, a few parts at a time,
 * and what becomes needless by it.
 *
 * It begins behind a mark, together with a log. What is written of a part is what it holds
 * at that moment; all that changed since the beginning, before or after, is in that log,
 * with absolute values. So it is right together with its log up to any mark that is not
 * older than its last part; that epoch stands at its end.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/internal.h"

#define CHUNK (1u << 20)   /* bytes of a block */

/* What a recovery would read of logs. */
static uint64_t
log_bytes(const struct task *t)
{
	return t->log.since + t->log.file.at;
}

/* About what the table would take as records. */
static uint64_t
live_bytes(const struct state *s, const struct task *t)
{
	uint64_t each = 1 + s->entry;

	if (s->variable && s->keys)
		each += s->values / s->keys;
	return parts_count(&t->parts) * each;
}

void
snapshot_stop(struct task *t)
{
	struct buf temp = {0};

	if (t->snapshot.phase == SNAPSHOT_WALKING) {
		buf_addf(&temp, "%s.tmp", t->snapshot.file.path);
		unlink(buf_cstr(&temp));
		buf_release(&temp);
	}
	file_close(&t->snapshot.file);
	buf_release(&t->snapshot.out);
	memset(&t->snapshot, 0, sizeof(t->snapshot));
	t->snapshot.file.fd = -1;
}

static int
begin(struct state *s, struct task *t, const struct mark *m, struct failure *why)
{
	struct snapshot *snap = &t->snapshot;
	uint64_t seq = t->log.file.head.seq + 1, since = log_bytes(t);
	char *path;
	int rc;

	if (log_begin(s, t, seq, m->epoch, m, why) < 0)
		return -1;
	t->log.since = since;
	path = folder_path(&s->folder, t->id, seq, true);
	rc = file_create(&snap->file, path, FILE_SNAPSHOT, t->id, seq, m->epoch, s->made, why);
	free(path);
	if (rc < 0)
		return state_fail(s, why);
	snap->phase = SNAPSHOT_WALKING;
	snap->part = 0;
	return 0;
}

/* ---- parts ------------------------------------------------------------------------- */

static void
open_chunk(struct buf *b, unsigned part)
{
	struct part_head h = {part, 0};

	buf_reset(b);
	buf_reserve(b, BLOCK_HEAD + sizeof(h) + CHUNK / 4);
	b->n = BLOCK_HEAD;
	buf_add(b, &h, sizeof(h));
}

static int
close_chunk(struct state *s, struct task *t, struct failure *why)
{
	struct buf *b = &t->snapshot.out;

	buf_reserve(b, 8);
	if (file_append(&t->snapshot.file, BLOCK_PART, b->p + BLOCK_HEAD, b->n - BLOCK_HEAD,
		why) < 0)
		return state_fail(s, why);
	file_kick(&t->snapshot.file);
	return 0;
}

static int
write_part(struct state *s, struct task *t, unsigned i, struct failure *why)
{
	struct change c = {s->evict ? RECORD_STAMPED : RECORD_PUT};
	const struct part *p = &t->parts.part[i];
	struct buf *b = &t->snapshot.out;
	char *slot;

	if (!p->n && !(i == 0 && t->parts.zero))
		return 0;
	open_chunk(b, i);
	for (slot = parts_next(&t->parts, i, NULL); slot;
		slot = parts_next(&t->parts, i, slot)) {
		if (state_gone(s, t, slot))
			continue;
		c.key = slot_key(slot);
		c.value = state_value(s, slot);
		if (s->evict)
			c.stamp = *slot_stamp(s, slot);
		if (b->n + c.value.n > CHUNK && b->n > BLOCK_HEAD + sizeof(struct part_head)) {
			if (close_chunk(s, t, why) < 0)
				return -1;
			open_chunk(b, i);
		}
		buf_reserve(b, RECORD_HEAD + c.value.n);
		b->n = (size_t)(record_write(b->p + b->n, &c) - b->p);
	}
	return b->n > BLOCK_HEAD + sizeof(struct part_head) ? close_chunk(s, t, why) : 0;
}

int
snapshot_step(struct state *s, struct task *t, uint64_t bytes, struct failure *why)
{
	struct snapshot *snap = &t->snapshot;
	uint64_t until = snap->file.at + bytes;

	if (snap->phase != SNAPSHOT_WALKING)
		return 0;
	for (; snap->part < PARTS && snap->file.at < until; snap->part++)
		if (write_part(s, t, snap->part, why) < 0)
			return -1;
	return 0;
}

/* ---- the end ----------------------------------------------------------------------- */

/* All parts are written: it holds nothing younger than this epoch. */
static int
end(struct state *s, struct task *t, uint64_t epoch, struct failure *why)
{
	struct snapshot *snap = &t->snapshot;
	struct snapshot_end e = {epoch, parts_count(&t->parts), t->horizon, t->stamp};
	struct buf *b = &snap->out;

	buf_reset(b);
	buf_reserve(b, BLOCK_HEAD + sizeof(e) + 8);
	b->n = BLOCK_HEAD;
	buf_add(b, &e, sizeof(e));
	if (file_append(&snap->file, BLOCK_END, b->p + BLOCK_HEAD, sizeof(e), why) < 0 ||
		file_settle(&snap->file, why) < 0)
		return state_fail(s, why);
	snap->phase = SNAPSHOT_WAITING;
	snap->end = epoch;
	return 0;
}

/* It counts: what is older goes, the oldest last, so that what is left hangs together. */
static int
forget_older(struct state *s, struct task *t, struct failure *why)
{
	uint64_t seq = t->snapshot.file.head.seq;
	struct folder_file *list;
	size_t n, i;
	int rc = folder_list(&s->folder, false, &list, &n, why);

	for (i = n; i-- && rc == 0;)
		if (list[i].task == t->id && list[i].seq < seq)
			rc = folder_remove(&s->folder, t->id, list[i].seq, list[i].snapshot, why);
	free(list);
	t->log.since = 0;
	snapshot_stop(t);
	return rc < 0 ? state_fail(s, why) : 0;
}

/* A run that commits by itself has one barrier, at its end, and leaves nothing undone. */
int
snapshot_barrier(struct state *s, struct task *t, const struct mark *m, struct failure *why)
{
	struct snapshot *snap = &t->snapshot;
	uint64_t live = live_bytes(s, t);

	if (snap->phase == SNAPSHOT_NONE && log_bytes(t) > s->least &&
		log_bytes(t) > live + live / 4 && begin(s, t, m, why) < 0)
		return -1;
	if (snapshot_step(s, t, m->own ? UINT64_MAX / 2 : s->piece, why) < 0)
		return -1;
	if (snap->phase == SNAPSHOT_WALKING && snap->part == PARTS &&
		end(s, t, m->epoch, why) < 0)
		return -1;
	if (snap->phase == SNAPSHOT_WAITING &&
		(m->own || (s->place->committed >= snap->end && s->place->committed <= m->epoch)))
		return forget_older(s, t, why);
	return 0;
}

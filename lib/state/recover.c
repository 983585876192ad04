/*
 * A state as it was at an epoch: the newest snapshot that is not younger, and the logs behind
 * it up to the mark, read and checked whole. Only when all tasks stand where they should is
 * what is void behind them cut.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/internal.h"

/* ---- reading ----------------------------------------------------------------------- */

static void
expect(struct state *s, struct task *t, uint64_t keys)
{
	s->tables -= t->parts.memory;
	parts_expect(&t->parts, keys);
	s->tables += t->parts.memory;
}

static int
read_snapshot(struct state *s, const struct way *p, struct failure *why)
{
	struct snapshot_end end;
	struct file f;
	int rc;

	if (snapshot_open(s, p, p->snapshot_seq, &f, &end, why) < 0)
		return -1;
	p->t->horizon = end.horizon;
	p->t->stamp = end.stamp;
	rc = replay(s, p->t, &f, BLOCK_PART, f.size - BLOCK_HEAD - sizeof(end), why);
	if (p->t->horizon < end.horizon)
		p->t->horizon = end.horizon;
	file_close(&f);
	return rc;
}

static int
load(struct state *s, struct way *p, struct failure *why)
{
	uint64_t seq = p->snapshot ? p->snapshot_seq : 1;
	struct task *t = p->t;
	struct file f;
	unsigned part;
	char *path;
	int rc;

	state_empty(s, t);
	expect(s, t, p->snapshot && p->end.keys > p->keys ? p->end.keys : p->keys);
	if (p->snapshot && read_snapshot(s, p, why) < 0)
		return -1;
	t->log.since = 0;
	for (; seq <= p->seq; seq++) {
		path = folder_path(&s->folder, t->id, seq, false);
		rc = file_open(&f, path, FILE_LOG, t->id, seq, s->made, seq == p->seq &&
			!s->looking, why);
		free(path);
		if (rc == 0)
			rc = replay(s, t, &f, BLOCK_CHANGES,
				seq == p->seq ? p->at : f.size, why);
		if (rc == 0 && seq == p->seq) {
			f.at = f.kicked = p->at;
			t->log.file = f;
			break;
		}
		t->log.since += f.size;
		file_close(&f);
		if (rc < 0)
			return -1;
	}
	for (part = 0; part < PARTS; part++)
		state_sweep(s, t, part);
	return 0;
}

/* ---- cutting ----------------------------------------------------------------------- */

/* What is void goes first, the youngest first, so that a cut that is cut short is done again;
 * then what a snapshot made needless. */
static int
cut(struct state *s, struct way *p, struct failure *why)
{
	uint64_t first = p->snapshot ? p->snapshot_seq : 1;
	struct log *log = &p->t->log;
	const struct folder_file *f;
	bool removed = false;
	size_t i;

	for (i = p->nfiles; i--;) {
		f = &p->file[i];
		if (f->snapshot ? f->seq == first && p->snapshot
				: f->seq >= first && f->seq <= p->seq)
			continue;
		if (folder_remove(&s->folder, f->task, f->seq, f->snapshot, why) < 0)
			return -1;
		removed = true;
	}
	if (log->file.size != p->at &&
		(ftruncate(log->file.fd, (off_t)p->at) < 0 || fsync(log->file.fd) < 0))
		return fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", log->file.path,
			strerror(errno));
	/* Writes go on there. */
	if (lseek(log->file.fd, (off_t)p->at, SEEK_SET) < 0)
		return fail(why, EXIT_IO, "%s: %s", log->file.path, strerror(errno));
	return removed ? file_sync_folder(log->file.path, why) : 0;
}

/* The driver's bytes, of the task with the lowest number that has some. */
static void
give_mark(struct state *s, const struct way *p)
{
	struct buf *to = s->place ? (struct buf *)(uintptr_t)&s->place->mark : NULL;
	size_t i;

	if (!to)
		return;
	buf_reset(to);
	for (i = 0; i < s->ntasks; i++)
		if (p[i].found && !p[i].base) {
			buf_add_slice(to, p[i].mark.bytes);
			return;
		}
}

int
recover(struct state *s, uint64_t epoch, struct failure *why)
{
	struct ways all;
	struct way *p;
	int rc = ways_find(s, epoch, &all, why);

	for (p = all.way; rc == 0 && p < all.way + all.n; p++) {
		log_stop(s, p->t);
		snapshot_stop(p->t);
		if (p->found)
			rc = load(s, p, why);
		else
			state_empty(s, p->t);
	}
	for (p = all.way; rc == 0 && p < all.way + all.n && !s->looking; p++) {
		rc = p->found ? cut(s, p, why) : log_begin(s, p->t, 1, all.epoch, NULL, why);
		if (rc == 0)
			log_start(s, p->t);
	}
	if (rc == 0) {
		s->epoch = all.epoch;
		give_mark(s, all.way);
	}
	ways_release(&all);
	return rc;
}

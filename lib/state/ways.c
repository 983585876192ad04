/*
 * Which logs and snapshots lead to an epoch. The logs are walked from block to block for
 * their marks, nothing else being read, and every refusal but one comes from here: that
 * blocks between them are damaged is found when they are read (recover.c).
 */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

static bool
any_epoch(uint64_t epoch)
{
	return epoch == EPOCH_NEWEST || epoch == EPOCH_LAST;
}

/* ---- walking logs ------------------------------------------------------------------ */

static void
note_mark(struct way *p, uint64_t wanted, const struct mark *m, struct slice body)
{
	struct buf tasks = {0};

	p->last = m->epoch;
	if (m->committed > p->committed && m->committed <= m->epoch)
		p->committed = m->committed;
	if (!any_epoch(wanted) && m->epoch > wanted && m->own)
		p->later_own = true;
	if (!any_epoch(wanted) && m->epoch != wanted)
		return;
	p->found = true;
	p->base = false;
	p->epoch = m->epoch;
	p->own = m->own;
	p->keys = m->keys;
	buf_reset(&p->body);
	buf_add_slice(&p->body, body);
	mark_read(buf_slice(&p->body), &p->mark, &tasks);
	buf_release(&p->tasks);
	p->tasks = tasks;
}

/*
 * Behind a block that is broken: is there a mark that is whole? Then bytes were changed; else
 * the file was torn there.
 */
static int
whole_behind(const struct file *f, uint64_t at, uint64_t wanted, bool *whole,
	struct failure *why)
{
	struct buf body = {0}, tasks = {0};
	struct block_head b;
	struct mark m;
	int rc = 0;

	*whole = false;
	for (at = at / 8 * 8 + 8; at + BLOCK_HEAD <= f->size && rc >= 0 && !*whole; at += 8) {
		rc = file_block(f, at, &b, why);
		if (rc <= 0 || b.kind != BLOCK_MARK)
			continue;
		rc = file_body(f, at, &b, &body, why);
		if (rc <= 0)
			continue;
		*whole = any_epoch(wanted) ||
			(mark_read(buf_slice(&body), &m, &tasks) == 0 &&
				(m.own || m.committed > wanted));
	}
	buf_release(&body);
	buf_release(&tasks);
	return rc < 0 ? -1 : 0;
}

/* Walk one log. last: no other comes behind it. */
static int
walk_log(struct way *p, const struct file *f, bool last, uint64_t wanted,
	struct failure *why)
{
	struct buf body = {0}, tasks = {0};
	uint64_t at = FILE_HEAD, behind;
	struct mark m;
	struct block_head b;
	bool whole = false;
	int rc = 0;

	for (; at < f->size; at = behind) {
		rc = file_block(f, at, &b, why);
		if (rc <= 0)
			break;
		behind = file_behind(at, &b);
		if (b.kind == BLOCK_CHANGES)
			continue;
		rc = b.kind == BLOCK_MARK ? file_body(f, at, &b, &body, why) : 0;
		if (rc > 0)
			rc = mark_read(buf_slice(&body), &m, &tasks) == 0 && m.epoch >= p->last;
		if (rc <= 0)
			break;
		note_mark(p, wanted, &m, buf_slice(&body));
		if (p->found && p->epoch == m.epoch) {
			p->seq = f->head.seq;
			p->at = behind;
		}
	}
	if (rc < 0 || at >= f->size)
		goto out;
	/* Broken there. What is void anyway may be. */
	if (last && (p->found || any_epoch(wanted)))
		rc = whole_behind(f, at, wanted, &whole, why);
	if (rc >= 0 && (whole || !(p->found || any_epoch(wanted)) ||
			(!last && any_epoch(wanted))))
		rc = file_damaged(f, at, why);
out:
	buf_release(&body);
	buf_release(&tasks);
	return rc < 0 ? -1 : 0;
}

static int
missing(const struct state *s, const struct way *p, uint64_t seq, struct failure *why)
{
	char *path = folder_path(&s->folder, p->t->id, seq, false);

	fail(why, EXIT_CONFIG, "%s: is missing", path);
	fail_hint(why, "put the folder back from a copy, or begin anew with sk-state reset");
	free(path);
	return -1;
}

/* All logs from the snapshot on, or from the first one. */
static int
walk_logs(struct state *s, struct way *p, uint64_t wanted, struct failure *why)
{
	uint64_t seq = p->snapshot ? p->snapshot_seq : 1;
	bool first = true;
	struct file f;
	char *path;
	size_t i;
	int rc;

	for (i = 0; i < p->nlogs && p->file[i].seq < seq; i++)
		;
	if (i == p->nlogs)
		return missing(s, p, seq, why);
	for (; i < p->nlogs; i++, seq++, first = false) {
		if (p->file[i].seq != seq)
			return missing(s, p, seq, why);
		path = folder_path(&s->folder, p->t->id, seq, false);
		rc = file_open(&f, path, FILE_LOG, p->t->id, seq, s->made, false, why);
		free(path);
		if (rc < 0)
			return -1;
		if (first && !p->snapshot && (any_epoch(wanted) || f.head.after == wanted)) {
			p->found = p->base = true;
			p->epoch = f.head.after;
			p->seq = seq;
			p->at = FILE_HEAD;
		}
		if (first)
			p->last = f.head.after;
		else if (f.head.after != p->last && !(p->found && !any_epoch(wanted)))
			rc = file_damaged(&f, 0, why);
		if (rc == 0)
			rc = walk_log(p, &f, i + 1 == p->nlogs, wanted, why);
		file_close(&f);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* ---- snapshots --------------------------------------------------------------------- */

int
snapshot_open(struct state *s, const struct way *p, uint64_t seq, struct file *f,
	struct snapshot_end *end, struct failure *why)
{
	char *path = folder_path(&s->folder, p->t->id, seq, true);
	int rc = file_open(f, path, FILE_SNAPSHOT, p->t->id, seq, s->made, false, why);
	struct buf body = {0};
	struct block_head b;
	uint64_t at;

	free(path);
	if (rc < 0)
		return -1;
	at = f->size - BLOCK_HEAD - sizeof(*end);
	rc = f->size < FILE_HEAD + BLOCK_HEAD + sizeof(*end) ? 0 : file_block(f, at, &b, why);
	if (rc > 0)
		rc = b.kind == BLOCK_END && b.n == sizeof(*end)
			? file_body(f, at, &b, &body, why) : 0;
	if (rc > 0)
		memcpy(end, body.p, sizeof(*end));
	else if (rc == 0)
		file_damaged(f, f->size, why);
	buf_release(&body);
	if (rc <= 0)
		file_close(f);
	return rc > 0 ? 0 : -1;
}

/* The newest that is not younger than the epoch. */
static int
choose_snapshot(struct state *s, struct way *p, uint64_t wanted, struct failure *why)
{
	struct file f;
	size_t i;

	p->snapshot = false;
	for (i = p->nfiles; i-- > p->nlogs;) {
		if (snapshot_open(s, p, p->file[i].seq, &f, &p->end, why) < 0)
			return -1;
		file_close(&f);
		p->snapshot_seq = p->file[i].seq;
		p->snapshot = any_epoch(wanted) || p->end.epoch <= wanted;
		if (p->snapshot)
			break;
	}
	return 0;
}

/* ---- the way ----------------------------------------------------------------------- */

static int
no_epoch(const struct state *s, uint64_t epoch, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s: holds no state of epoch %llu", s->folder.path,
		(unsigned long long)epoch);
	fail_hint(why, "the job and its state are of different times: put both back from a "
		"copy, or begin anew with sk-state reset");
	return -1;
}

static int
moved_on(const struct state *s, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s: moved on by a run outside of the checkpointed job",
		s->folder.path);
	fail_hint(why, "put job and state back from a copy, or begin anew with sk-state reset");
	return -1;
}

static int
lost_mark(const struct state *s, uint64_t epoch, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s: the mark of epoch %llu is missing", s->folder.path,
		(unsigned long long)epoch);
	fail_hint(why, "put the folder back from a copy, or begin anew with sk-state reset");
	return -1;
}

static int
way_of_task(struct state *s, struct way *p, uint64_t wanted, struct failure *why)
{
	p->found = p->later_own = false;
	p->committed = 0;
	if (!p->nfiles)
		return 0;
	if (choose_snapshot(s, p, wanted, why) < 0)
		return -1;
	if (!p->snapshot && p->nfiles && (!p->nlogs || p->file[0].seq != 1))
		return any_epoch(wanted) ? missing(s, p, 1, why) : no_epoch(s, wanted, why);
	if (walk_logs(s, p, wanted, why) < 0)
		return -1;
	if (p->snapshot && any_epoch(wanted) && (!p->found || p->epoch < p->end.epoch))
		return lost_mark(s, p->end.epoch, why);
	if (!p->found)
		return no_epoch(s, wanted, why);
	if (p->own_too)
		return 0;
	if (p->later_own || (p->own && !p->base))
		return moved_on(s, why);
	if (p->committed > wanted) {
		fail(why, EXIT_CONFIG, "%s: is known to be committed up to epoch %llu, and the "
			"job asks for %llu", s->folder.path, (unsigned long long)p->committed,
			(unsigned long long)wanted);
		fail_hint(why, "put job and state back from a copy, or begin anew with sk-state "
			"reset");
		return -1;
	}
	return 0;
}

/* The epoch that all tasks hold, of those that hold any. */
static int
newest(struct state *s, struct way *p, uint64_t *epoch, struct failure *why)
{
	uint64_t least = UINT64_MAX;
	bool any = false, own = true;
	size_t i;

	for (i = 0; i < s->ntasks; i++) {
		if (way_of_task(s, &p[i], *epoch, why) < 0)
			return -1;
		if (!p[i].found)
			continue;
		any = true;
		own = own && (p[i].base ? p[i].epoch == 0 : p[i].own);
		least = p[i].epoch < least ? p[i].epoch : least;
	}
	if (any && *epoch == EPOCH_NEWEST && !own) {
		fail(why, EXIT_CONFIG, "%s: belongs to a checkpointed job, at epoch %llu",
			s->folder.path, (unsigned long long)least);
		fail_hint(why, "run it with --checkpoint as before, use another --state, or begin "
			"anew with sk-state reset");
		return -1;
	}
	*epoch = any ? least : 0;
	return *epoch < s->runs ? lost_mark(s, s->runs, why) : 0;
}

/* A task without files is new, unless it was there when the epoch ended. */
static int
check_new(struct state *s, struct way *p, uint64_t epoch, struct failure *why)
{
	bool any = false;
	size_t i, j, k;

	for (i = 0; i < s->ntasks; i++)
		any = any || p[i].found;
	if (!any && epoch != 0)
		return no_epoch(s, epoch, why);
	for (i = 0; i < s->ntasks; i++)
		for (j = 0; j < s->ntasks && !p[i].nfiles; j++)
			for (k = 0; p[j].found && !p[j].base && k < p[j].mark.ntasks; k++)
				if (p[j].mark.task[k] == p[i].t->id)
					return missing(s, &p[i], 1, why);
	return 0;
}

/* ---- all tasks --------------------------------------------------------------------- */

int
ways_find(struct state *s, uint64_t epoch, struct ways *all, struct failure *why)
{
	size_t n, i, j;

	*all = (struct ways){.epoch = epoch};
	if (!any_epoch(epoch) && s->runs)
		return moved_on(s, why);
	if (folder_list(&s->folder, !s->looking, &all->list, &n, why) < 0)
		return -1;
	all->way = mem_array(s->ntasks, sizeof(*all->way));
	all->n = s->ntasks;
	for (i = 0; i < s->ntasks; i++) {
		struct way *p = &all->way[i];

		p->t = s->task[i];
		p->own_too = any_epoch(epoch);
		for (j = 0; j < n && all->list[j].task != p->t->id; j++)
			;
		p->file = all->list + j;
		for (; j < n && all->list[j].task == p->t->id; j++) {
			p->nfiles++;
			p->nlogs += !all->list[j].snapshot;
		}
	}
	if (any_epoch(epoch) && newest(s, all->way, &all->epoch, why) < 0)
		return -1;
	for (i = 0; i < s->ntasks; i++)
		if ((!any_epoch(epoch) || (all->way[i].found &&
				all->way[i].epoch != all->epoch)) &&
			way_of_task(s, &all->way[i], all->epoch, why) < 0)
			return -1;
	return check_new(s, all->way, all->epoch, why);
}

void
ways_release(struct ways *all)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		buf_release(&all->way[i].body);
		buf_release(&all->way[i].tasks);
	}
	free(all->way);
	free(all->list);
	*all = (struct ways){0};
}

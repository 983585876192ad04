/*
 * Logs and snapshots, read: which of them lead to an epoch, the table as it was then, and
 * what is void behind it.
 *
 * First the logs are walked from block to block for their marks, nothing else being read,
 * and every refusal but one comes from there. Then the newest snapshot that is not younger
 * than the epoch, and the logs behind it up to the mark, are read and checked whole. Only
 * when all tasks stand where they should is anything cut.
 */
#include <stdlib.h>
#include <unistd.h>

#include <errno.h>

#include "base/mem.h"
#include "state/internal.h"

struct plan {
	struct task *t;
	const struct folder_file *file; /* of this task */
	size_t nfiles, nlogs;           /* logs come first */
	bool snapshot;                  /* it begins with one */
	uint64_t snapshot_seq;
	struct snapshot_end end;
	bool found;
	uint64_t seq, at;               /* the log of the mark, and where it ends there */
	uint64_t epoch;
	bool own, base;                 /* base: no mark, the beginning of a log */
	uint64_t last;                  /* epoch of the last mark of all */
	bool own_too;                   /* which epoch was not said by a ledger */
	bool later_own;                 /* there is a later mark of a run by itself */
	uint64_t committed;             /* newest that a mark knows to be */
	uint64_t keys;
	struct buf body, tasks;         /* of the mark */
	struct mark mark;
};

static bool
any_epoch(uint64_t epoch)
{
	return epoch == EPOCH_NEWEST || epoch == EPOCH_LAST;
}

static void
plan_release(struct plan *p)
{
	buf_release(&p->body);
	buf_release(&p->tasks);
}

/* ---- walking logs ------------------------------------------------------------------------ */

static void
note_mark(struct plan *p, uint64_t wanted, const struct mark *m, struct slice body)
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
 * Behind a block that is broken: is there a mark or a seal that is whole? Then bytes were
 * changed; else the file was torn there.
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
		if (rc <= 0 || (b.kind != BLOCK_MARK && b.kind != BLOCK_SEAL))
			continue;
		rc = file_body(f, at, &b, &body, why);
		if (rc <= 0)
			continue;
		*whole = any_epoch(wanted) || b.kind == BLOCK_SEAL ||
			(mark_read(buf_slice(&body), &m, &tasks) == 0 &&
				(m.own || m.committed > wanted));
	}
	buf_release(&body);
	buf_release(&tasks);
	return rc < 0 ? -1 : 0;
}

/* Walk one log. last: no other comes behind it. */
static int
walk_log(struct plan *p, const struct file *f, bool last, uint64_t wanted,
	struct failure *why)
{
	struct buf body = {0}, tasks = {0};
	uint64_t at = FILE_HEAD, behind;
	struct mark m;
	struct block_head b;
	bool marked = false, whole = false;
	int rc = 0;

	for (; at < f->size; at = behind) {
		rc = file_block(f, at, &b, why);
		if (rc <= 0)
			break;
		behind = file_behind(at, &b);
		if (b.kind == BLOCK_CHANGES) {
			marked = false;
			continue;
		}
		rc = b.kind == BLOCK_MARK || b.kind == BLOCK_SEAL
			? file_body(f, at, &b, &body, why) : 0;
		if (rc > 0 && b.kind == BLOCK_MARK)
			rc = mark_read(buf_slice(&body), &m, &tasks) == 0 && m.epoch >= p->last;
		if (rc <= 0)
			break;
		if (b.kind == BLOCK_MARK) {
			note_mark(p, wanted, &m, buf_slice(&body));
			marked = p->found && p->epoch == m.epoch;
		}
		if (marked) {
			p->seq = f->head.seq;
			p->at = behind;
		}
		if (b.kind == BLOCK_SEAL)
			marked = false;
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
missing(const struct state *s, const struct plan *p, uint64_t seq, struct failure *why)
{
	char *path = folder_path(&s->folder, p->t->id, seq, false);

	fail(why, EXIT_CONFIG, "%s: is missing", path);
	fail_hint(why, "put the folder back from a copy, or begin anew with sk-state reset");
	free(path);
	return -1;
}

/* All logs from the snapshot on, or from the first one. */
static int
walk_logs(struct state *s, struct plan *p, uint64_t wanted, struct failure *why)
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

/* ---- snapshots --------------------------------------------------------------------------- */

static int
snapshot_open(struct state *s, const struct plan *p, uint64_t seq, struct file *f,
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
choose_snapshot(struct state *s, struct plan *p, uint64_t wanted, struct failure *why)
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

/* ---- the plan ---------------------------------------------------------------------------- */

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
plan_task(struct state *s, struct plan *p, uint64_t wanted, struct failure *why)
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
	if (p->snapshot && any_epoch(wanted) && (!p->found || p->epoch < p->end.epoch)) {
		fail(why, EXIT_CONFIG, "%s: the mark of epoch %llu is missing", s->folder.path,
			(unsigned long long)p->end.epoch);
		fail_hint(why, "put the folder back from a copy, or begin anew with sk-state "
			"reset");
		return -1;
	}
	if (!p->found)
		return no_epoch(s, wanted, why);
	if (p->own_too)
		return 0;
	if (p->later_own || (p->own && !p->base)) {
		fail(why, EXIT_CONFIG, "%s: moved on by a run outside of the checkpointed job",
			s->folder.path);
		fail_hint(why, "put job and state back from a copy, or begin anew with sk-state "
			"reset");
		return -1;
	}
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
newest(struct state *s, struct plan *p, uint64_t *epoch, struct failure *why)
{
	uint64_t least = UINT64_MAX;
	bool any = false, own = true;
	size_t i;

	for (i = 0; i < s->ntasks; i++) {
		if (plan_task(s, &p[i], *epoch, why) < 0)
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
	return 0;
}

/* A task without files is new, unless it was there when the epoch ended. */
static int
check_new(struct state *s, struct plan *p, uint64_t epoch, struct failure *why)
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

/* ---- reading ----------------------------------------------------------------------------- */

static void
expect(struct state *s, struct task *t, uint64_t keys)
{
	s->tables -= t->parts.memory;
	parts_expect(&t->parts, keys);
	s->tables += t->parts.memory;
}

static int
read_snapshot(struct state *s, const struct plan *p, struct failure *why)
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
load(struct state *s, struct plan *p, struct failure *why)
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

/* ---- cutting ----------------------------------------------------------------------------- */

/* What is void goes first, the youngest first, so that a cut that is cut short is done again;
 * then what a snapshot made needless. */
static int
cut(struct state *s, struct plan *p, struct failure *why)
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
give_mark(struct state *s, const struct plan *p)
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
	struct plan *plan = mem_array(s->ntasks, sizeof(*plan));
	struct folder_file *list = NULL;
	uint64_t wanted = epoch;
	size_t n, i, j;
	int rc = -1;

	if (folder_list(&s->folder, !s->looking, &list, &n, why) < 0)
		goto out;
	for (i = 0; i < s->ntasks; i++) {
		plan[i].t = s->task[i];
		plan[i].own_too = any_epoch(epoch);
		for (j = 0; j < n && list[j].task != s->task[i]->id; j++)
			;
		plan[i].file = list + j;
		for (; j < n && list[j].task == s->task[i]->id; j++) {
			plan[i].nfiles++;
			plan[i].nlogs += !list[j].snapshot;
		}
	}
	if (any_epoch(epoch) && newest(s, plan, &wanted, why) < 0)
		goto out;
	for (i = 0; i < s->ntasks; i++)
		if ((!any_epoch(epoch) || (plan[i].found && plan[i].epoch != wanted)) &&
			plan_task(s, &plan[i], wanted, why) < 0)
			goto out;
	if (check_new(s, plan, wanted, why) < 0)
		goto out;
	for (i = 0; i < s->ntasks; i++) {
		log_stop(s, plan[i].t);
		snapshot_stop(plan[i].t);
		if (!plan[i].found)
			state_empty(s, plan[i].t);
		else if (load(s, &plan[i], why) < 0)
			goto out;
	}
	for (i = 0; i < s->ntasks && !s->looking; i++) {
		if (plan[i].found ? cut(s, &plan[i], why) < 0
			: log_begin(s, plan[i].t, 1, wanted, NULL, why) < 0)
			goto out;
		log_start(s, plan[i].t);
	}
	s->epoch = wanted;
	give_mark(s, plan);
	rc = 0;
out:
	for (i = 0; i < s->ntasks; i++)
		plan_release(&plan[i]);
	free(plan);
	free(list);
	return rc;
}

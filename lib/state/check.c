/* What is whole, and what a run would do. */
#include "state/check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "state/state.h"

/* "1-sk-dedup/0-1.log" */
static void
file_name(struct buf *b, const struct look *l, const struct folder_file *f)
{
	buf_reset(b);
	buf_addf(b, "%s/%u-%" PRIu64 ".%s", l->name, (unsigned)f->task, f->seq,
		f->snapshot ? "snap" : "log");
	buf_cstr(b);
}

static const struct look_task *
task_of(const struct look *l, uint32_t id)
{
	size_t i;

	for (i = 0; i < l->ntasks; i++)
		if (l->task[i].id == id)
			return &l->task[i];
	return NULL;
}

/* Of a file whose blocks are whole up to a byte, where a run can begin. */
static const char *
fate(const struct look_task *t, const struct folder_file *f)
{
	if (f->seq < t->first || (f->snapshot && f->seq == 1))
		return "a run removes it, for a snapshot holds what it says";
	if (f->seq > (f->snapshot ? t->first : t->seq))
		return "a run removes it, for it belongs to an epoch that was not committed";
	return NULL;
}

static void
check_file(struct grid *g, const struct look *l, const struct folder_file *f, bool begins)
{
	const struct look_task *t = begins ? task_of(l, f->task) : NULL;
	uint64_t whole = 0, blocks = 0;
	int64_t bytes = (int64_t)f->bytes;
	struct buf name = {0};
	struct failure why;
	bool good;

	file_name(&name, l, f);
	if (look_file(l, f, &whole, &blocks, &why) < 0) {
		show_file(g, name.p, bytes, false, "%s", why.text);
		goto out;
	}
	good = whole == f->bytes;
	if (t && fate(t, f))
		show_file(g, name.p, bytes, good, "%s", fate(t, f));
	else if (t && !f->snapshot && f->seq == t->seq && t->at < f->bytes)
		show_file(g, name.p, bytes, true, "whole up to byte %" PRIu64 "; a run cuts off "
			"what comes behind it and was not committed", t->at);
	else if (good)
		show_file(g, name.p, bytes, true, "whole: %" PRIu64 " blocks", blocks);
	else
		show_file(g, name.p, bytes, false, "damaged at byte %" PRIu64, whole);
out:
	buf_release(&name);
}

int
check_stage(struct grid *g, struct look *l, const struct ledger *ledger, struct failure *why)
{
	uint64_t epoch = look_epoch(l, ledger), at = 0, runs;
	struct failure broken;
	int rc = look_read(l, epoch, false, why);
	struct buf name = {0};
	size_t i;

	buf_addf(&name, "%s/config", l->name);
	show_file(g, buf_cstr(&name), (int64_t)l->config.text.n, true, "whole");
	buf_reset(&name);
	buf_addf(&name, "%s/runs", l->name);
	if (runs_read(&l->folder, l->config.sum, &runs, &broken) < 0)
		show_file(g, buf_cstr(&name), -1, false, "%s", broken.text);
	else if (runs)
		show_file(g, buf_cstr(&name), -1, true, "whole: runs by themselves came to "
			"epoch %" PRIu64, runs);
	else
		show_file(g, buf_cstr(&name), -1, true, "whole");
	buf_release(&name);
	for (i = 0; i < l->nfiles; i++)
		check_file(g, l, &l->file[i], rc == 0);
	for (i = 0; i < l->ntasks; i++)
		at = i == 0 || l->task[i].epoch < at ? l->task[i].epoch : at;
	if (rc < 0)
		show_file(g, l->name, -1, false, "a run refuses it");
	else
		show_file(g, l->name, -1, true, "%s epoch %" PRIu64 ", with %" PRIu64 " keys",
			epoch == LOOK_LAST ? "its last mark is that of" : "a run goes on from",
			at, state_keys(l->state));
	return rc;
}

void
check_ledger(struct grid *g, const struct ledger *l)
{
	static const char *const says[] = {
		"the job goes on from epoch",
		"the job is at its end, and a run gives its outputs their names; epoch",
		"the job is done, and a run takes what is new; epoch",
	};
	size_t i;

	if (!l->there)
		return;
	show_file(g, "commit", -1, true, "%s %" PRIu64, says[l->state], l->epoch);
	for (i = 0; i < l->noutputs; i++)
		show_file(g, l->output[i].name, (int64_t)l->output[i].bytes, true,
			"committed; a run cuts off what comes behind");
}

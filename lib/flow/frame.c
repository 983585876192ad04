/*
 * Plain streams under sk-run: where every stage is a tool of ours, a stream without checkpoints
 * stands between a start and an end all the same, so that a stage that was killed never looks
 * like one that is done. Records stay what they are, and all else that control records carry
 * stays where it was: side outputs are written by who makes them, time is made by who needs it.
 *
 * sk-run says so in $SK_RUN: DEVICE:INODE of its stdin, and of its stdout.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "flow/run.h"

/* Is this descriptor the one that sk-run has there? */
static bool
is_outer(const struct flow *f, int fd)
{
	unsigned long long id[4];
	struct stat st;

	if (sscanf(f->opt->supervised, "%llu:%llu,%llu:%llu", &id[0], &id[1], &id[2], &id[3]) != 4)
		return true;
	return fstat(fd, &st) < 0 || (st.st_dev == id[2 * fd] && st.st_ino == id[2 * fd + 1]);
}

static bool
to_pipe(const struct flow *f)
{
	return f->carry && strcmp(f->outlet[0].uri, "-") == 0 && !is_outer(f, 1);
}

bool
frame_begins(const struct flow *f)
{
	return f->opt->supervised && !f->controlled && !f->owner && to_pipe(f) &&
		(!f->source->stdin_pipe || is_outer(f, 0));
}

bool
frame_goes_on(const struct flow *f)
{
	return f->opt->supervised && f->controlled && to_pipe(f);
}

bool
frame_is_missing(const struct flow *f)
{
	return f->opt->supervised && f->source->stdin_pipe && !f->opt->plain && !is_outer(f, 0);
}

void
frame_say_start(struct worker *w)
{
	struct flow *f = w->flow;
	struct control c = {.plainly = true, .envelope = f->envelope_out,
		.app = slice_str(f->opt->app)};

	epoch_name_run(f);
	control_add_first(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run), &c, NULL, 0);
	emit_raw_end(&w->emit);
}

int
frame_say_end(struct worker *w, bool complete, struct failure *why)
{
	struct flow *f = w->flow;

	emit_batch_begin(&w->emit);
	emit_record_begin(&w->emit);
	control_add_end(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run), complete);
	emit_raw_end(&w->emit);
	w->flush = true;
	return worker_deliver_output(w, why);
}

/* Records that are taken many in one call: as long as no time comes between them
 * (operator.run), or by what was noted of them when they were scanned (operator.noted). */
#include "flow/run.h"

/* ---- by time ----------------------------------------------------------------------- */

bool
worker_has_runs(const struct worker *w)
{
	const struct flow *f = w->flow;

	return f->op->run && f->clock.on && !f->opt->time.idle_us && !f->opt->counts &&
		!f->carries && !f->envelope_in && !w->where && !w->looks && !w->check_start &&
		!f->skip && !f->ended && !w->block.meta && !w->block.origin;
}

/* False: the block ends here. Out of the way of those that ask in vain, once a record. */
static __attribute__((noinline)) bool
take_run(struct worker *w, size_t i, const struct op_run *run)
{
	struct flow *f = w->flow;
	const struct operator *op = f->op;
	struct input *in = w->block.input;
	struct failure why;
	int rc;

	emit_record_begin(&w->emit);
	/* What is due before the first of them happens before all. */
	rc = worker_pass_time(w, in, run->first_us, 0, &why);
	if (rc == 0)
		rc = op->take_run(w->op, &w->block, i, clock_foresee(&f->clock, &f->opt->time, in,
			run->newest_us, w->taken.unread), &why);
	if (rc > 0 && worker_pass_time(w, in, run->newest_us, 0, &why) < 0)
		rc = -1;
	if (rc < 0)
		worker_halt(w, &why);
	if (rc <= 0)
		return false;
	w->balance.in += run->n;
	w->balance.held += run->held;
	w->balance.dropped += run->n - run->held;
	return true;
}

size_t
worker_take_runs(struct worker *w, size_t i)
{
	const struct operator *op = w->flow->op;
	struct op_run run;

	while (i < w->scan.nlines && op->run(w->op, &w->block, i, &run) && take_run(w, i, &run))
		i += run.n;
	return i;
}

/* ---- by their notes ---------------------------------------------------------------- */

bool
worker_is_noted(const struct worker *w)
{
	const struct flow *f = w->flow;

	return f->op->noted && w->block.notes.n && !w->looks && !f->carries && !f->owner &&
		!f->clock.on && !f->coming && !w->where && !w->enough && !w->check_start &&
		!w->emit.envelope && !w->block.meta && !w->block.origin;
}

struct record
noted_record(const struct noted *n)
{
	const struct json_line *l = &n->scan->line[n->i];
	struct slice line = json_line_text(n->scan, n->i);

	return (struct record){.line = line, .bytes = line, .block = n->block,
		.index = (uint32_t)n->i, .offset = n->block->offset + l->start,
		.time_us = TIME_NONE};
}

size_t
worker_take_noted(struct worker *w, size_t i)
{
	struct noted n = {.block = &w->block, .scan = &w->scan, .i = i};
	struct balance *b = &w->balance;
	struct failure why;

	if (w->flow->op->noted(w->op, &n, &w->emit, &why) < 0) {
		emit_record_undo(&w->emit);
		b->in++;
		worker_halt(w, &why);
	}
	w->emit.hand = NULL;
	b->in += n.held + n.output;
	b->held += n.held;
	b->output += n.output;
	return n.i;
}

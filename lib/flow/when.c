/* When the records of a block are, and what is due before they are taken. */
#include "flow/run.h"

void
worker_pass_watermark(struct worker *w, int64_t us)
{
	struct flow *f = w->flow;

	if (!f->carries)
		return;
	control_add_watermark(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run), us);
	emit_raw_end(&w->emit);
	w->emit.control_lines++;
}

int
worker_move_time(struct worker *w, uint32_t task, struct failure *why)
{
	struct flow *f = w->flow;
	int64_t us = f->clock.watermark_us;

	if (f->op->watermark && f->op->watermark(w->op, task, us, &w->emit, why) < 0)
		return -1;
	worker_pass_watermark(w, us);
	emit_record_begin(&w->emit);
	return 0;
}

int
worker_pass_time(struct worker *w, struct input *in, int64_t us, uint32_t task,
	struct failure *why)
{
	struct flow *f = w->flow;

	return clock_tell(&f->clock, &f->opt->time, in, us, &w->taken.unread) ?
		worker_move_time(w, task, why) : 0;
}

int
worker_tell_time(struct worker *w, struct record *r, struct failure *why)
{
	struct flow *f = w->flow;

	if (!(f->op->when && !r->meta && f->op->when(w->op, r, &r->time_us)) &&
		clock_time(&f->opt->time, w->time, &w->time_memo, f->opt->stage, r, &r->time_us,
			why) < 0)
		return why->status == EXIT_DATA ? 0 : -1;
	if (worker_pass_time(w, record_input(r), r->time_us, r->task, why) < 0)
		return -1;
	w->emit.hand = r;
	return 1;
}

int
worker_rest(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;

	if (!clock_rest(&f->clock, &f->opt->time, time_monotonic_ns(), w->taken.unread))
		return 0;
	emit_record_begin(&w->emit);
	w->flush = true;
	return worker_move_time(w, 0, why);
}

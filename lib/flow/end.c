/* How a run ends: its operators, its sinks, its last word. */
#include "base/mem.h"
#include "flow/run.h"

/* ---- operators --------------------------------------------------------------------- */

/* Bounded input was read to its end, or the operator had enough. */
bool
run_is_complete(const struct flow *f)
{
	if (f->controlled)
		return f->ended && f->end_complete && !f->failed_status;
	if (f->enough)
		return true;
	return f->source->stdin_pipe || !flow_draining();
}

int
run_end_operator(struct worker *w, bool complete, struct failure *why)
{
	struct flow *f = w->flow;

	if (!f->op->end || f->op->end(w->op, complete, &w->emit, why) == 0)
		return 0;
	if (why->status != EXIT_SOME_BAD)
		return -1;
	say(f->opt->program, NULL, why->text, why->hint);
	f->some_bad = true;
	return 0;
}

/* The owner of a stream ends its last epoch; where the job was done before and there is
 * nothing new, it says just that. */
static int
end_stream(struct worker *w, bool complete, struct failure *why)
{
	struct flow *f = w->flow;

	if (complete && f->again && !f->balance.in) {
		f->unchanged = true;
		if (!f->carries)
			return 0;
		control_add_unchanged(emit_raw(&w->emit, f->outlet[0].port),
			buf_slice(&f->run));
		emit_raw_end(&w->emit);
		w->flush = true;
		return worker_deliver_output(w, why);
	}
	if (run_end_operator(w, complete, why) < 0)
		return -1;
	return epoch_end(w, true, complete, why);
}

int
run_end_time(struct worker *w, bool complete, struct failure *why)
{
	struct flow *f = w->flow;

	if (!complete || (f->controlled && !f->framed) || f->enough || !f->clock.on ||
		!clock_end(&f->clock, &f->opt->time))
		return 0;
	return worker_move_time(w, 0, why);
}

/* Let the operators say what the end of a plain stream makes of what they hold. */
void
run_end_operators(struct flow *f, bool complete)
{
	struct worker *w = f->worker;
	struct failure why;
	size_t i;

	for (i = 0; i < f->nworkers && !f->status; i++) {
		emit_batch_begin(&w[i].emit);
		emit_record_begin(&w[i].emit);
		if (!f->controlled && run_end_time(&w[i], complete, &why) < 0) {
			run_failed(f, &why);
			return;
		}
		if (f->owner) {
			if (end_stream(&w[i], complete, &why) < 0)
				run_failed(f, &why);
			continue;
		}
		if (!f->controlled && run_end_operator(&w[i], complete, &why) < 0) {
			run_failed(f, &why);
			return;
		}
		w[i].flush = false;
		if (worker_deliver_output(&w[i], &why) < 0)
			run_failed(f, &why);
	}
	if (f->frames && !f->controlled && !f->status && frame_say_end(w, complete, &why) < 0)
		run_failed(f, &why);
}

/* ---- sinks ------------------------------------------------------------------------- */

/* What was delivered is kept, unless it is that of a stream that is to begin anew. */
static int
keep(struct flow *f, bool complete, struct failure *why)
{
	if ((complete || !ports_appear_later(f)) && f->source->commit && ports_sync(f, why) < 0)
		return -1;
	if (f->skip)
		return fail(why, EXIT_TRY_AGAIN, "the last epochs were not committed: the group was "
			"shared out anew");
	return commit_wait(f, why);
}

/* A run that came to the end of its input. */
static int
finish(struct flow *f, struct failure *why)
{
	if (epoch_finish(f, why) < 0)
		return -1;
	return f->own_state ? epoch_mark(f->worker, EPOCH_OWN, why) : 0;
}

/* One that was ended before that. */
static int
break_off(struct flow *f, struct failure *why)
{
	if (f->failed_status) {
		f->status = f->failed_status;
		return 0;
	}
	if (f->controlled && !f->ended)
		return fail(why, EXIT_TRY_AGAIN, "stdin ended without 'end': a stage before this one "
			"stopped early, and nothing more is committed");
	if (f->due)
		return epoch_commit(f, LEDGER_RUNNING, why);
	if (!ports_appear_later(f))
		return 0;
	fail(why, EXIT_TRY_AGAIN, "interrupted before the end of the input: no output "
		"file was made");
	if (f->ledger_kept)
		fail_hint(why, "the same command goes on from here");
	return -1;
}

void
run_end_sinks(struct flow *f, bool complete)
{
	struct failure why;

	/* Outputs that nothing was added to are left alone; a pipe takes the end. */
	if (!f->status && f->unchanged && !f->carries)
		return;
	if (ports_flush(f, complete && !f->status, &why) < 0) {
		run_failed(f, &why);
		return;
	}
	if (f->status) {
		/* What came before the failure is delivered all the same. */
		ports_sync(f, &why);
		return;
	}
	if (f->unchanged)
		return;
	if (keep(f, complete, &why) < 0)
		run_failed(f, &why);
	if (!f->status && (complete ? finish : break_off)(f, &why) < 0)
		run_failed(f, &why);
	if (!f->status && f->source->commit && f->source->commit(f->source, &why) < 0)
		run_failed(f, &why);
}

/* ---- the last word ----------------------------------------------------------------- */

static void
say_balance(struct flow *f)
{
	struct buf b = {0};

	if (f->opt->verbose) {
		balance_text(&f->balance, &b);
		say(f->opt->program, NULL, buf_cstr(&b), NULL);
	} else if (f->balance.skipped && !f->opt->quiet) {
		buf_addf(&b, "%llu bad record%s skipped", (unsigned long long)f->balance.skipped,
			f->balance.skipped == 1 ? "" : "s");
		say(f->opt->program, NULL, buf_cstr(&b), NULL);
	}
	buf_release(&b);
}

int
run_last_word(struct flow *f)
{
	struct failure why;
	struct buf b = {0};

	if (f->opt->metrics && metrics_write(&f->metrics, f->opt->metrics, f->opt->stage,
			&f->balance, &why) < 0)
		run_failed(f, &why);
	say_balance(f);
	if (!f->status && !balance_holds(&f->balance)) {
		balance_text(&f->balance, &b);
		fail(&why, EXIT_INTERNAL, "the balance is off: %s", buf_cstr(&b));
		run_failed(f, &why);
		buf_release(&b);
	}
	if (f->status)
		return f->status;
	return f->balance.dead || f->balance.skipped || f->some_bad ? EXIT_SOME_BAD : EXIT_OK;
}

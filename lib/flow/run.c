/*
 * The driver. A worker takes a block, works on it (work.c), and delivers it in its turn
 * (deliver.c); with one job the main thread has the only worker and there is nobody to wait for.
 *
 * With more, there are more workers than threads, and a worker is what a thread picks up for a
 * block: the operator, the memory, what the block led to. A thread whose block is not next to
 * be delivered leaves it and takes another one; whoever delivers the block before goes on with
 * it. So a thread that the machine keeps waiting holds up nobody before all workers are full.
 */
#include "flow/ahead.h"
#include "flow/coming.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SPARE_WORKERS 2        /* more than threads, where there are several */
#define LEFT_BLOCKS 2          /* at once, of what a source leaves: threads meet less often */
#define EPOCH_LOOK_NS 10000000 /* an epoch that may not end yet is asked again after this */

/* ---- workers ------------------------------------------------------------------------------- */

/* When a read that waits is to give up, for the sake of an epoch that is due, or of inputs that
 * rest; 0: never. */
static int64_t
wake_ns(const struct flow *f)
{
	int64_t now = time_monotonic_ns(), at = 0, epoch;

	if (f->clock.on && f->opt->time.idle_us)
		at = clock_look_ns(&f->opt->time, now);
	if (f->owner && epoch_has_news(f)) {
		epoch = f->barrier_ns + f->every_us * 1000;
		if (epoch < now + EPOCH_LOOK_NS)
			epoch = now + EPOCH_LOOK_NS;
		if (!at || epoch < at)
			at = epoch;
	}
	return at;
}

/* Read what was left of a block, beside those who read other ones. */
static int
fetch(struct flow *f, struct block *b, struct failure *why)
{
	if (f->source->fetch(f->source, b, why) == 0)
		return 0;
	pthread_mutex_lock(&f->read_lock);
	f->at_end = true;
	pthread_mutex_unlock(&f->read_lock);
	return -1;
}

/* The next block: 1, or 0 if there is none. A failure to read takes its turn like a block,
 * so that what was read before it is delivered before. */
int
flow_read_next(struct flow *f, struct block *b, struct taken *t, int64_t wake,
	struct failure *why)
{
	int rc = 0;

	pthread_mutex_lock(&f->read_lock);
	/* What follows the end of a stream would be nobody's. */
	if (!f->at_end && !f->ended && !atomic_load(&f->stop)) {
		b->too_long = 0;
		b->origin = NULL;
		b->meta = NULL;
		f->source->reads++;
		f->source->wake_ns = wake;
		rc = f->source->read(f->source, b, why);
		*t = (struct taken){f->next, f->source->reads, f->source->unread,
			f->source->place};
		b->number = f->next;
		if (rc)
			f->next++;
		if (rc <= 0)
			f->at_end = true;
	}
	pthread_mutex_unlock(&f->read_lock);
	return rc;
}

int
flow_read_rest(struct flow *f, struct block *b, struct failure *why)
{
	if (b->file && fetch(f, b, why) < 0)
		return -1;
	if (f->opt->metrics)
		b->read_ns = time_monotonic_ns();
	return 1;
}

int
flow_read(struct flow *f, struct block *b, struct taken *t, int64_t wake, struct failure *why)
{
	int rc = flow_read_next(f, b, t, wake, why);

	return rc > 0 ? flow_read_rest(f, b, why) : rc;
}

static int
take(struct worker *w)
{
	struct flow *f = w->flow;
	int64_t wake = f->clock.on || f->owner ? wake_ns(f) : 0;
	int rc;

	w->scanned = f->ahead;
	if (!f->ahead && !coming_reads(f->coming))
		rc = flow_read(f, &w->block, &w->taken, wake, &w->why);
	else if (atomic_load(&f->stop) || f->ended)
		rc = 0;
	else
		rc = f->ahead ? ahead_take(f->ahead, w, wake) : coming_take(f->coming, w, wake);
	/* Blocks without a read count too, and each has its turn when it comes. */
	if (f->ahead || coming_reads(f->coming))
		w->taken.number = f->turn;
	if (f->clock.on)
		f->clock.reads = w->taken.reads;
	return rc;
}

static void
take_failed(struct worker *w)
{
	emit_batch_begin(&w->emit);
	w->balance = (struct balance){0};
	w->scan.nlines = w->scan.feeds = 0;
	w->nbad = w->told_bad = 0;
	w->block.input = NULL;
	w->block.too_long = 0;
	w->halted = w->fatal = true;
	w->enough = w->flush = false;
	w->check_start = false;
}

static void
work_on(struct worker *w)
{
	struct flow *f = w->flow;

	if (f->source->anew) {
		f->source->anew = false;
		if (commit_anew(w, &w->why) < 0) {
			take_failed(w);
			return;
		}
	}
	w->check_start = !f->controlled && !f->owner && !f->frames && f->carry && !f->main_begun;
	w->emit.envelope = f->envelope_out;
	worker_work(w);
}

/* The worker that has the block to be delivered, if that is ready. */
static struct worker *
next_ready(struct flow *f)
{
	size_t i;

	for (i = 0; i < f->nworkers; i++)
		if (f->worker[i].state == WORKER_READY && f->worker[i].taken.number == f->turn)
			return &f->worker[i];
	return NULL;
}

/* The block is ready: deliver it and those behind it that wait for it, or leave that to who has
 * the one before. */
static void
hand_over(struct worker *w)
{
	struct flow *f = w->flow;

	pthread_mutex_lock(&f->turn_lock);
	w->state = WORKER_READY;
	while (!f->delivering && (w = next_ready(f))) {
		f->delivering = true;
		pthread_mutex_unlock(&f->turn_lock);
		worker_deliver(w);
		pthread_mutex_lock(&f->turn_lock);
		f->delivering = false;
		w->state = WORKER_FREE;
		f->turn++;
		pthread_cond_broadcast(&f->turn_cond);
	}
	pthread_mutex_unlock(&f->turn_lock);
}

/* Rather one whose memory is in the cache of this thread's core. */
static struct worker *
next_free(struct flow *f)
{
	struct worker *w = NULL;
	size_t i;

	for (i = 0; i < f->nworkers; i++) {
		if (f->worker[i].state != WORKER_FREE)
			continue;
		if (pthread_equal(f->worker[i].thread, pthread_self()))
			return &f->worker[i];
		if (!w)
			w = &f->worker[i];
	}
	return w;
}

/* A worker that has nothing to do; waits until there is one. */
static struct worker *
pick_up(struct flow *f)
{
	struct worker *w;

	pthread_mutex_lock(&f->turn_lock);
	while (!(w = next_free(f)))
		pthread_cond_wait(&f->turn_cond, &f->turn_lock);
	w->state = WORKER_BUSY;
	w->thread = pthread_self();
	pthread_mutex_unlock(&f->turn_lock);
	return w;
}

static void
put_down(struct worker *w)
{
	pthread_mutex_lock(&w->flow->turn_lock);
	w->state = WORKER_FREE;
	pthread_cond_broadcast(&w->flow->turn_cond);
	pthread_mutex_unlock(&w->flow->turn_lock);
}

static void *
worker_loop(void *flow)
{
	struct flow *f = flow;
	struct worker *w;
	bool first;
	int rc;

	do {
		w = pick_up(f);
		rc = take(w);
		if (rc > 0)
			work_on(w);
		if (rc < 0)
			take_failed(w);
		first = rc > 0 && w->taken.number == 1;
		if (rc)
			hand_over(w);
		else
			put_down(w);
		/* Where there is only little, no thread is worth it. */
		if (first && !f->ahead && ahead_is_fit(f))
			f->ahead = ahead_start(w);
	} while (rc > 0);
	return NULL;
}

static int
worker_open(struct worker *w, struct flow *f, unsigned index, const void *config,
	struct failure *why)
{
	struct op_context ctx = {config, f->opt->app, f->opt->stage, index, &f->place,
		&f->opt->time};

	w->flow = f;
	w->index = index;
	emit_init(&w->emit, f);
	w->emit.side_envelope = f->opt->envelope_out;
	w->op = f->op->open(&ctx, why);
	if (!w->op)
		return -1;
	if (f->opt->where)
		w->where = expr_run_new(f->opt->where);
	if (f->opt->time.expr)
		w->time = expr_run_new(f->opt->time.expr);
	return 0;
}

static void
worker_close(struct worker *w)
{
	if (w->op && w->flow->op->close)
		w->flow->op->close(w->op);
	expr_run_free(w->where);
	expr_run_free(w->time);
	emit_release(&w->emit);
	envelope_reader_release(&w->envelope);
	json_scan_release(&w->scan);
	json_scan_release(&w->scratch);
	block_release(&w->block);
	free(w->bad);
	free(w->to);
}

/* ---- a run --------------------------------------------------------------------------------- */

/* Look at the first record of the stream: does a checkpointed one begin? */
static void
look_at_start(struct worker *w)
{
	struct flow *f = w->flow;
	struct slice line;

	if (f->opt->plain || !f->source->stdin_pipe || w->block.too_long)
		return;
	json_scan_block(&w->scan, w->block.p, w->block.n, true);
	if (!w->scan.nlines)
		return;
	line = json_line_text(&w->scan, 0);
	if (!control_begins(line, &w->scratch))
		return;
	f->controlled = true;
	buf_add_slice(&f->run, control_run(line));
}

/* A run that no start begins. Operators with several workers keep no state. */
static int
begin(struct worker *w, size_t n, bool begun)
{
	struct flow *f = w->flow;
	struct failure why;
	size_t i;

	if (epoch_begin(&w[0], begun, &why) < 0)
		goto failed;
	for (i = 1; i < n; i++)
		if ((f->op->assign && f->op->assign(w[i].op, 0, &why) < 0) ||
			(f->op->rollback && f->op->rollback(w[i].op, 0, &why) < 0))
			goto failed;
	return 0;
failed:
	run_failed(f, &why);
	return -1;
}

static void
run_workers(struct flow *f, size_t nthreads)
{
	struct worker *w = f->worker;
	pthread_t *thread = NULL;
	struct failure why;
	size_t i, n = f->nworkers, started;
	bool peek;
	int rc;

	/* Where a stream may come in, the first block tells what kind it is. */
	peek = f->source->stdin_pipe && !f->opt->plain;
	if (!peek && begin(w, n, false) < 0)
		return;
	rc = take(&w[0]);
	if (rc > 0 && peek)
		look_at_start(&w[0]);
	if (peek && rc == 0 && epoch_check_empty(f, &why) < 0) {
		run_failed(f, &why);
		return;
	}
	f->empty = peek && rc == 0;
	if (peek && !f->controlled && rc >= 0 && begin(w, n, rc > 0) < 0)
		return;
	if (rc == 0)
		return;
	w[0].state = WORKER_BUSY;
	if (rc < 0) {
		take_failed(&w[0]);
		hand_over(&w[0]);
		return;
	}
	if (f->controlled)
		nthreads = f->nworkers = 1;
	thread = mem_array(nthreads, sizeof(*thread));
	for (started = 1; started < nthreads; started++) {
		rc = pthread_create(&thread[started], NULL, worker_loop, f);
		if (rc) {
			fail(&why, EXIT_OS, "cannot start a thread: %s", strerror(rc));
			run_failed(f, &why);
			break;
		}
	}
	if (nthreads == 1 && f->op->coming)
		f->coming = coming_start(&w[0], f->coming_blocks);
	work_on(&w[0]);
	hand_over(&w[0]);
	worker_loop(f);
	for (i = 1; i < started; i++)
		pthread_join(thread[i], NULL);
	free(thread);
	f->nworkers = n;
	coming_stop(f->coming);
	f->coming = NULL;
	ahead_stop(f->ahead);
	f->ahead = NULL;
}

/* Bounded input was read to its end, or the operator had enough. */
static bool
is_complete(const struct flow *f)
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
static void
end_operators(struct worker *w, size_t n, bool complete)
{
	struct flow *f = w->flow;
	struct failure why;
	size_t i;

	for (i = 0; i < n && !f->status; i++) {
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

static void
end_sinks(struct flow *f, struct worker *w, bool complete)
{
	struct failure why;

	/* Outputs that nothing was added to are left alone; a pipe takes the end. */
	if (!f->status && f->unchanged && !f->carries)
		return;
	if (ports_flush(f, complete && !f->status, &why) < 0) {
		run_failed(f, &why);
		return;
	}
	if (!f->status && f->unchanged)
		return;
	if (f->status) {
		/* What came before the failure is delivered all the same. */
		ports_sync(f, &why);
		return;
	}
	if (complete || !ports_appear_later(f)) {
		if (f->source->commit && (ports_sync(f, &why) < 0))
			run_failed(f, &why);
	}
	if (!f->status && f->skip) {
		fail(&why, EXIT_TRY_AGAIN, "the last epochs were not committed: the group was "
			"shared out anew");
		run_failed(f, &why);
	}
	if (!f->status && commit_wait(f, &why) < 0)
		run_failed(f, &why);
	if (f->status)
		return;
	if (complete) {
		if (epoch_finish(f, &why) < 0 ||
			(f->own_state && epoch_mark(w, EPOCH_OWN, &why) < 0))
			run_failed(f, &why);
	} else if (f->failed_status) {
		f->status = f->failed_status;
	} else if (f->controlled && !f->ended) {
		fail(&why, EXIT_TRY_AGAIN, "stdin ended without 'end': a stage before this one "
			"stopped early, and nothing more is committed");
		run_failed(f, &why);
	} else if (f->due && epoch_commit(f, LEDGER_RUNNING, &why) < 0) {
		run_failed(f, &why);
	} else if (ports_appear_later(f)) {
		fail(&why, EXIT_TRY_AGAIN, "interrupted before the end of the input: no output "
			"file was made");
		if (f->ledger_kept)
			fail_hint(&why, "the same command goes on from here");
		run_failed(f, &why);
	}
	if (f->status || !f->source->commit)
		return;
	if (f->source->commit(f->source, &why) < 0)
		run_failed(f, &why);
}

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

static int
last_word(struct flow *f)
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

/* SIGUSR1 and progress read counters that a worker changes; a glance may be one block old. */
static void
report(void *arg)
{
	struct flow *f = arg;
	struct buf b = {0};

	balance_text(&f->balance, &b);
	say(f->opt->program, NULL, buf_cstr(&b), NULL);
	buf_release(&b);
}

static void
progress(void *arg)
{
	struct flow *f = arg;
	double s = (double)(time_monotonic_ns() - f->began_ns) / 1e9;
	struct buf b = {0};

	if (s < 2)
		return;
	buf_addf(&b, "\r\033[K%s: %llu records, %.1f MB", f->opt->program,
		(unsigned long long)f->balance.in, (double)f->source->done_bytes / 1e6);
	if (f->source->total_bytes)
		buf_addf(&b, ", %.0f %%", 100 * (double)f->source->done_bytes /
			(double)f->source->total_bytes);
	buf_addf(&b, ", %.0f MB/s", (double)f->source->done_bytes / 1e6 / s);
	f->progress_shown = write(STDERR_FILENO, b.p, b.n) > 0;
	buf_release(&b);
}

static void
run_tell(void *flow, const char *text)
{
	const struct flow *f = flow;

	say(f->opt->program, NULL, text, NULL);
}

static void
clear_progress(struct flow *f)
{
	if (f->progress_shown && write(STDERR_FILENO, "\r\033[K", 4) < 0)
		f->progress_shown = false;
}

/* Who writes into a pipe cannot know what became of it: no place is kept on that ground. */
static int
check_pipes(const struct flow *f, struct failure *why)
{
	size_t i;

	for (i = 0; i < f->nports; i++) {
		if (!f->port[i]->sink || !f->port[i]->sink->pipe || f->opt->commit_written)
			continue;
		fail(why, EXIT_USAGE, "a consumer group whose records go into a pipe: nobody here "
			"can know what was delivered");
		fail_hint(why, "--commit written counts as delivered what is in the pipe; without "
			"group= nothing is committed");
		return -1;
	}
	return 0;
}

/* What must be known before the first byte is read. */
static int
prepare(struct flow *f, struct failure *why)
{
	const struct flow_options *opt = f->opt;
	struct sink *main_sink;
	struct buf uri = {0};
	size_t i;
	int side;

	f->dead_port = PORT_NONE;
	if (opt->dead_letter) {
		/* Dead letters add to what is there, whatever the sink's name says. */
		if (strchr(opt->dead_letter, ':') == NULL && strcmp(opt->dead_letter, "-") != 0)
			buf_adds(&uri, "append:");
		buf_adds(&uri, opt->dead_letter);
		side = flow_outlet(f, buf_cstr(&uri), true, why);
		buf_release(&uri);
		if (side < 0)
			return -1;
		f->dead_port = f->outlet[side].port;
		f->port[f->dead_port]->declared = false;
		if (f->dead_port == PORT_NONE)
			return fail(why, EXIT_USAGE, "--dead-letter takes no template");
		if (port_open(f, f->dead_port, why) < 0)
			return -1;
	}
	f->all_envelopes = true;
	for (i = 0; i < f->noutlets; i++)
		f->all_envelopes &= f->rooms->sink_envelopes(f->outlet[i].uri);
	/* Opening makes nothing yet, but tells what cannot be. */
	for (i = 0; i < f->nports; i++)
		if (f->port[i]->declared && port_open(f, (unsigned)i, why) < 0)
			return -1;
	if (f->source->commit && check_pipes(f, why) < 0)
		return -1;
	if (f->outlet[0].port == PORT_NONE)
		return 0;
	main_sink = f->port[f->outlet[0].port]->sink;
	f->carry = main_sink->pipe;
	return 0;
}

int
flow_run(struct flow *f, const struct flow_options *opt, const struct operator *op,
	const void *config, struct source *source)
{
	struct signals_config sig = {
		.stdin_stage = source->stdin_pipe,
		.tick = progress, .report = report, .arg = f,
	};
	struct flow_options own = *opt;
	struct failure why;
	size_t i;
	bool complete;

	f->ahead_threads = own.jobs > 1 ? (size_t)own.jobs - 1 : 1;
	if (own.serial || source->one_block || own.timed || own.time.expr ||
		own.checkpoint_us || (own.state_given && source->position))
		own.jobs = 1;
	if (coming_is_fit(op, opt, source)) {
		f->coming_blocks = (size_t)opt->jobs;
		own.jobs = 1;
	}
	if (op->coming && opt->jobs > 1)
		source->at_once = (size_t)opt->jobs;
	f->envelope_in = own.envelope_in || source->envelopes;
	f->envelope_out = own.envelope_out;
	f->place.max_memory = own.max_memory;
	f->place.max_keys = own.max_keys;
	f->place.evict = own.evict;
	source->align_us = own.time.align_us;
	source->settle = run_settle;
	source->tell = run_tell;
	source->flow = f;
	source->leaves = own.jobs > 1 && source->fetch ? LEFT_BLOCKS : 0;
	f->committed_ns = time_monotonic_ns();
	f->opt = &own;
	f->op = op;
	f->source = source;
	f->began_ns = time_monotonic_ns();
	f->nworkers = (size_t)own.jobs + (own.jobs > 1 ? SPARE_WORKERS : 0);
	f->worker = mem_array(f->nworkers, sizeof(*f->worker));
	sig.progress = own.progress < 0 ? isatty(STDERR_FILENO) && !own.quiet : own.progress;
	if (prepare(f, &why) < 0 || signals_start(&sig, &why) < 0) {
		run_failed(f, &why);
		goto out;
	}
	for (i = 0; i < f->nworkers; i++) {
		if (worker_open(&f->worker[i], f, (unsigned)i, config, &why) < 0) {
			run_failed(f, &why);
			goto out;
		}
	}
	run_workers(f, (size_t)own.jobs);
	complete = is_complete(f);
	end_operators(f->worker, f->nworkers, complete);
	signals_stop();
	clear_progress(f);
	end_sinks(f, f->worker, complete);
out:
	signals_stop();
	for (i = 0; i < f->nworkers; i++)
		if (f->worker[i].flow)
			worker_close(&f->worker[i]);
	free(f->worker);
	return last_word(f);
}

/*
 * The workers. One takes a block, works on it (work.c), and delivers it in its turn
 * (deliver.c); with one job the main thread has the only worker and there is nobody to wait for.
 *
 * With more, there are more workers than threads, and a worker is what a thread picks up for a
 * block: the operator, the memory, what the block led to. A thread whose block is not next to
 * be delivered leaves it and takes another one; whoever delivers the block before goes on with
 * it. So a thread that the machine keeps waiting holds up nobody before all workers are full.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "flow/ahead.h"
#include "flow/coming.h"

#define EPOCH_LOOK_NS 10000000 /* an epoch that may not end yet is asked again after this */

/* ---- reading ----------------------------------------------------------------------- */

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

/* ---- a block ----------------------------------------------------------------------- */

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

/* ---- turns ------------------------------------------------------------------------- */

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

/* ---- all of them ------------------------------------------------------------------- */

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

int
workers_open(struct flow *f, const void *config, struct failure *why)
{
	size_t i;

	for (i = 0; i < f->nworkers; i++)
		if (worker_open(&f->worker[i], f, (unsigned)i, config, why) < 0)
			return -1;
	return 0;
}

void
workers_close(struct flow *f)
{
	size_t i;

	for (i = 0; i < f->nworkers; i++)
		if (f->worker[i].flow)
			worker_close(&f->worker[i]);
	free(f->worker);
}

/* ---- from the first block on ------------------------------------------------------- */

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

/* The first block, which tells, where a stream may come in, of what kind that is: 1; 0: there is
 * nothing to work on. */
static int
take_first(struct flow *f)
{
	struct worker *w = f->worker;
	bool peek = f->source->stdin_pipe && !f->opt->plain;
	struct failure why;
	int rc;

	if (!peek && begin(w, f->nworkers, false) < 0)
		return 0;
	rc = take(w);
	if (rc > 0 && peek)
		look_at_start(w);
	if (peek && rc == 0 && epoch_check_empty(f, &why) < 0) {
		run_failed(f, &why);
		return 0;
	}
	f->empty = peek && rc == 0;
	if (peek && !f->controlled && rc >= 0 && begin(w, f->nworkers, rc > 0) < 0)
		return 0;
	if (rc == 0)
		return 0;
	w->state = WORKER_BUSY;
	if (rc > 0)
		return 1;
	take_failed(w);
	hand_over(w);
	return 0;
}

/* Start threads, but the one that is there: how many there are. */
static size_t
start_threads(struct flow *f, pthread_t *thread, size_t n)
{
	struct failure why;
	size_t i;
	int rc;

	for (i = 1; i < n; i++) {
		rc = pthread_create(&thread[i], NULL, worker_loop, f);
		if (!rc)
			continue;
		fail(&why, EXIT_OS, "cannot start a thread: %s", strerror(rc));
		run_failed(f, &why);
		break;
	}
	return i;
}

void
workers_run(struct flow *f, size_t nthreads)
{
	size_t n = f->nworkers, started, i;
	pthread_t *thread;

	if (!take_first(f))
		return;
	if (f->controlled)
		nthreads = f->nworkers = 1;
	thread = mem_array(nthreads, sizeof(*thread));
	started = start_threads(f, thread, nthreads);
	if (nthreads == 1 && f->op->coming)
		f->coming = coming_start(&f->worker[0], f->coming_blocks);
	work_on(&f->worker[0]);
	hand_over(&f->worker[0]);
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

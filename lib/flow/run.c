/* A run, from its options to its last word: the driver's frame around the workers. */
#include "flow/coming.h"

#include <unistd.h>

#include "base/mem.h"

#define SPARE_WORKERS 2        /* more than threads, where there are several */
#define LEFT_BLOCKS 2          /* at once, of what a source leaves: threads meet less often */

/* ---- what is said on the way ------------------------------------------------------- */

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

/* ---- before the first byte --------------------------------------------------------- */

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

/* How many threads work, and what each of them does. */
static void
share_out(struct flow *f, struct flow_options *own)
{
	const struct operator *op = f->op;
	struct source *source = f->source;
	int64_t jobs = own->jobs;

	f->ahead_threads = jobs > 1 ? (size_t)jobs - 1 : 1;
	if (coming_is_fit(op, own, source)) {
		f->coming_blocks = (size_t)jobs;
		own->jobs = 1;
	}
	if (own->serial || source->one_block || own->timed || own->time.expr ||
		own->checkpoint_us || (own->state_given && source->position))
		own->jobs = 1;
	if (op->coming && jobs > 1)
		source->at_once = (size_t)jobs;
	source->leaves = own->jobs > 1 && source->fetch ? LEFT_BLOCKS : 0;
	f->nworkers = (size_t)own->jobs + (own->jobs > 1 ? SPARE_WORKERS : 0);
	f->worker = mem_array(f->nworkers, sizeof(*f->worker));
}

/* The flow, its options and its source come to know one another. */
static void
bind(struct flow *f, struct flow_options *own)
{
	struct source *source = f->source;

	f->opt = own;
	f->envelope_in = own->envelope_in || source->envelopes;
	f->envelope_out = own->envelope_out;
	f->place.max_memory = own->max_memory;
	f->place.max_keys = own->max_keys;
	f->place.evict = own->evict;
	source->align_us = own->time.align_us;
	source->settle = run_settle;
	source->tell = run_tell;
	source->flow = f;
	f->began_ns = f->committed_ns = time_monotonic_ns();
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
	bool complete;

	f->op = op;
	f->source = source;
	share_out(f, &own);
	bind(f, &own);
	sig.progress = own.progress < 0 ? isatty(STDERR_FILENO) && !own.quiet : own.progress;
	if (prepare(f, &why) < 0 || signals_start(&sig, &why) < 0 ||
		workers_open(f, config, &why) < 0) {
		run_failed(f, &why);
	} else {
		workers_run(f, (size_t)own.jobs);
		complete = run_is_complete(f);
		run_end_operators(f, complete);
		signals_stop();
		clear_progress(f);
		run_end_sinks(f, complete);
	}
	signals_stop();
	workers_close(f);
	return run_last_word(f);
}

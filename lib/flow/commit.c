/*
 * Commits for a consumer group.
 *
 * The owner of a stream of topics is told by the group what is committed, and so where to
 * begin. The last process commits: where its outputs are topics, the source's position in one
 * transaction with what it wrote; where they are files, the ledger knows both, and the group is
 * not asked. When the group is shared out anew the owner goes back to what is committed, and
 * says start again.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "flow/run.h"

#define SETTLE_NS 10000000000LL /* so long partitions are held for a commit */
#define STALL_NS 30000000000LL  /* so long without one: it is said why that may be */
#define LOOK_NS 5000000         /* between looks at what is committed */
#define STAY_MS 10000           /* so long a stage that is done waits for the last process */
#define ANSWER_NS 3000000000LL  /* so long the last look waits for an answer */

/* ---- the last process -------------------------------------------------------------- */

static bool
has_topic(const struct flow *f)
{
	size_t i;

	for (i = 0; i < f->nports; i++)
		if (f->port[i]->sink && f->port[i]->sink->transacts)
			return true;
	return false;
}

int
commit_choose(struct flow *f, struct failure *why)
{
	const struct flow_options *opt = f->opt;

	f->transacts = f->grouped && f->last && !opt->no_commit && has_topic(f);
	f->ledger_kept = f->last && opt->state && !opt->no_commit && !f->transacts;
	if (!f->grouped || !f->last || opt->no_commit)
		return 0;
	if (!*opt->app) {
		fail(why, EXIT_USAGE, "the source's place is to be committed, and this process "
			"doesn't know for which job");
		fail_hint(why, "--app NAME, or export SK_APP=NAME for the whole pipeline; "
			"--no-commit where another branch commits");
		return -1;
	}
	if (f->transacts || f->ledger_kept)
		return 0;
	fail(why, EXIT_USAGE, "the outputs are no topics, and there is no folder that remembers "
		"what was committed");
	fail_hint(why, "--state DIR, or export SK_STATE=DIR for the whole pipeline");
	return -1;
}

static int
open_committer(struct flow *f, int64_t every_us, struct failure *why)
{
	f->committer = f->rooms->committer(f->rooms->arg, why);
	return !f->committer ? -1 : f->committer->begin(f->committer, f->opt->app, every_us,
		f->opt->at_least_once, why);
}

static bool
is_app(const struct flow *f, struct slice quoted)
{
	struct slice app = slice_str(f->opt->app);

	return quoted.n == app.n + 2 && memcmp(quoted.p + 1, app.p, app.n) == 0;
}

/* Has this process written something that is not committed? */
static bool
has_uncommitted(const struct flow *f)
{
	size_t i;

	for (i = 0; i < f->nports; i++)
		if (f->port[i]->unsynced)
			return true;
	return f->due;
}

int
commit_on_start(struct flow *f, const struct control *c, struct failure *why)
{
	f->skip = false;
	if (c->app.p && c->app.n > 2 && f->last && !f->opt->no_commit && *f->opt->app &&
		!is_app(f, c->app)) {
		fail(why, EXIT_USAGE, "the stream is of the app %.*s, and this process commits for "
			"'%s'", (int)c->app.n, c->app.p, f->opt->app);
		fail_hint(why, "--no-commit where another branch of the pipeline commits");
		return -1;
	}
	if (f->transacts && c->ledger) {
		fail(why, EXIT_CONFIG, "%s/commit says that the job writes to files, and it writes "
			"to topics now", f->opt->state ? f->opt->state : "the state");
		fail_hint(why, "another job takes another --app and another --state folder");
		return -1;
	}
	if (!f->begun)
		return f->transacts ? open_committer(f, c->every_us, why) : 0;
	if (f->transacts)
		return f->committer->abort(f->committer, why);
	if (!f->carries && !f->opt->no_commit && has_uncommitted(f))
		return fail(why, EXIT_TRY_AGAIN, "the group was shared out anew, and what was "
			"written since the last commit has to be taken back");
	return 0;
}

int
commit_epoch(struct flow *f, bool done, struct failure *why)
{
	struct source_commit c = {.epoch = f->epoch, .done = done, .clock = f->due_clock};
	int rc;

	f->due = false;
	if (f->skip)
		return 0;
	/* Files may be among the outputs where it is at least once. */
	if (ports_sync(f, why) < 0)
		return -1;
	snprintf(c.run, sizeof(c.run), "%.*s", (int)f->run.n, f->run.p);
	rc = f->committer->commit(f->committer, buf_slice(&f->due_positions), &c, why);
	if (rc == 0) {
		f->committed = f->epoch;
		return 0;
	}
	if (!f->committer->refused || f->ended || done)
		return -1;
	/* Nothing of it is to be seen; the owner hears of it, and says start. */
	f->skip = true;
	return 0;
}

/* ---- the owner --------------------------------------------------------------------- */

/* Is there anybody who reads what goes down the pipe? */
static bool
pipe_is_gone(void)
{
	struct pollfd p = {.fd = STDOUT_FILENO};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLNVAL);
}

/* False if the group gave no answer. */
static bool
look(struct flow *f)
{
	struct ledger l = {.lock = -1};
	struct failure ignored;
	uint64_t newest = 0;
	bool answered = true;

	if (f->opt->state && ledger_load(&l, f->opt->state, "", &ignored) == 0)
		newest = l.epoch;
	ledger_release(&l);
	if (newest < f->epoch) {
		answered = f->source->committed(f->source, &f->group, &ignored) == 0;
		if (answered && f->group.epoch > newest)
			newest = f->group.epoch;
	}
	if (newest > f->committed && newest <= f->epoch)
		f->committed = newest;
	return answered;
}

void
commit_look(struct flow *f)
{
	int64_t now = time_monotonic_ns();

	look(f);
	if (f->committed + 1 >= f->epoch) {
		f->stall_ns = 0;
		return;
	}
	if (!f->stall_ns)
		f->stall_ns = now;
	if (f->stall_told || now - f->stall_ns < STALL_NS)
		return;
	f->stall_told = true;
	say(f->opt->program, NULL, "no epoch was committed for 30 s: a stage keeps back what it "
		"reads", "jq needs --unbuffered, grep --line-buffered, others stdbuf -oL");
}

static void
nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

/* The pipe is gone: nothing more will be committed. What was committed a moment ago may not be
 * readable yet, while its markers are being written. */
static bool
last_look(struct flow *f)
{
	int64_t until = time_monotonic_ns() + ANSWER_NS;

	while (!look(f) && time_monotonic_ns() < until)
		nap();
	return f->committed >= f->epoch;
}

/* A stage before us takes our end for that of the last process: we stay until that one is gone,
 * or whoever writes to us; but not for ever, for the end of the pipe may commit nothing. */
static void
stay(void)
{
	struct pollfd p[2] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}};

	while (poll(p, 2, STAY_MS) < 0 && errno == EINTR)
		;
}

int
commit_wait(struct flow *f, struct failure *why)
{
	if (f->grouped && f->controlled && f->carries && f->ended)
		stay();
	if (!f->owner || !f->grouped || f->last || f->unchanged)
		return 0;
	for (look(f); f->committed < f->epoch; look(f)) {
		if (pipe_is_gone())
			return last_look(f) ? 0 : fail(why, EXIT_TRY_AGAIN,
				"the pipe broke before epoch %" PRIu64 " was committed", f->epoch);
		commit_look(f);
		nap();
	}
	return 0;
}

int
commit_settle(struct flow *f, struct failure *why)
{
	int64_t until = time_monotonic_ns() + SETTLE_NS;
	struct worker *w = &f->worker[0];

	if (!f->begun || f->skip || f->ended)
		return 0;
	emit_batch_begin(&w->emit);
	emit_record_begin(&w->emit);
	if (epoch_has_news(f) && epoch_end(w, false, false, why) < 0)
		return -1;
	if (f->last)
		return f->due ? epoch_commit(f, LEDGER_RUNNING, why) : 0;
	if (ports_flush(f, false, why) < 0)
		return -1;
	for (look(f); f->committed < f->epoch && time_monotonic_ns() < until; look(f)) {
		if (pipe_is_gone())
			break;
		nap();
	}
	/* What was not committed is void: the next start goes back. */
	return 0;
}

static void
enter_inputs(struct flow *f)
{
	struct input *in;
	size_t i;

	for (i = 0; f->source->input && (in = f->source->input(f->source, i)); i++)
		clock_enter(&f->clock, in);
}

int
commit_begin(struct flow *f, struct slice at, struct failure *why)
{
	f->source->fence = !f->last;
	if (f->transacts && !f->committer && open_committer(f, f->every_us, why) < 0)
		return -1;
	if (f->source->begin(f->source, at, &f->group, why) < 0)
		return -1;
	if (at.n)
		return 0;
	f->epoch = f->committed = f->group.epoch;
	f->again = f->group.done;
	if (clock_restore(&f->clock, buf_slice(&f->group.clock), why) < 0)
		return -1;
	enter_inputs(f);
	return 0;
}

int
commit_anew(struct worker *w, struct failure *why)
{
	const struct operator *op = w->flow->op;
	struct ledger l = {.lock = -1};
	struct flow *f = w->flow;
	int rc;

	f->skip = false;
	if (f->transacts && f->committer->abort(f->committer, why) < 0)
		return -1;
	if (f->last && !f->transacts && has_uncommitted(f))
		return fail(why, EXIT_TRY_AGAIN, "the group was shared out anew, and what was "
			"written since the last commit has to be taken back");
	clock_reset(&f->clock);
	rc = epoch_look(f, &l, why);
	if (rc >= 0)
		rc = commit_begin(f, buf_slice(&l.positions), why);
	if (rc == 0 && l.positions.n) {
		f->epoch = f->committed = l.epoch;
		rc = clock_restore(&f->clock, buf_slice(&l.clock), why);
		enter_inputs(f);
	}
	ledger_release(&l);
	if (rc < 0)
		return -1;
	emit_batch_begin(&w->emit);
	emit_record_begin(&w->emit);
	if (f->carries)
		epoch_say_start(w);
	f->place.committed = f->committed;
	if (op->rollback && op->rollback(w->op, f->epoch, why) < 0)
		return -1;
	f->again = false;
	f->barrier_ns = time_monotonic_ns();
	f->barrier_in = f->balance.in;
	f->barrier_us = f->clock.watermark_us;
	if (epoch_tell_time(w, why) < 0)
		return -1;
	w->flush = true;
	return worker_deliver_output(w, why);
}

/* ---- whose epochs ------------------------------------------------------------------ */

int
commit_check_mark(struct slice mark, struct slice run, struct failure *why)
{
	struct json_scan scan = {0};
	struct slice its = {0};
	struct json_doc d;
	uint32_t t;
	int rc = 0;

	if (!mark.n || !run.n || json_doc_of(&scan, mark, &d, why) < 0)
		goto out;
	t = json_get(&d, 0, SLICE("run"));
	if (t != JSON_NONE && json_type_at(&d, t) == JSON_STRING)
		its = json_string_raw(&d, t);
	if (its.p && !slice_eq(its, run)) {
		rc = fail(why, EXIT_CONFIG, "the state is that of another copy of the job: its "
			"epoch was not committed by the stream that the group knows of");
		fail_hint(why, "put the folder back that belongs to it, or begin anew with "
			"sk-state reset and an offset reset of the group");
	}
out:
	json_scan_release(&scan);
	return rc;
}

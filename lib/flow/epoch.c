/*
 * Epochs: where a run begins, and what makes an epoch durable.
 *
 * Three parts are played. The owner, who has --checkpoint and the source, looks into the
 * ledger where to begin, says start, and ends an epoch by a barrier every so often. A stage
 * makes its state durable at the barrier, before it passes it on (checkpoint.c). The last,
 * whose output is no pipe, makes that durable and then writes the ledger: then, and only
 * then, the epoch is committed. One process may be owner and last.
 *
 * Where something outlives a run without checkpoints, a state folder and stdout, the state
 * commits by itself at the complete end.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/keyed.h"
#include "base/mem.h"
#include "flow/run.h"

#define IMPLIED_CHECKPOINT_US 5000000
#define IN_FLIGHT 2

/* ---- what part this process plays -------------------------------------------------- */

static bool
to_stdout(const struct flow *f)
{
	const char *uri = f->outlet[0].uri;

	return strcmp(uri, "-") == 0 || strcmp(uri, "/dev/stdout") == 0;
}

static int
check_owner(const struct flow *f, struct failure *why)
{
	const struct flow_options *opt = f->opt;

	if (!f->source->position)
		return fail(why, EXIT_USAGE, "--checkpoint needs a source that a run can go on "
			"with: files read one after the other, or stdin");
	if (opt->counts)
		return fail(why, EXIT_USAGE, "a run that is resumed would count its records "
			"anew: --checkpoint, --limit and --skip exclude each other");
	if (!f->carry && to_stdout(f))
		return fail(why, EXIT_USAGE, "--checkpoint writes to a pipe or to a sink of its "
			"own (-o), and stdout is neither");
	if (!f->carry && !opt->state && !f->grouped) {
		fail(why, EXIT_USAGE, "--checkpoint needs a folder that remembers what was "
			"committed");
		fail_hint(why, "--state DIR, or $SK_STATE");
		return -1;
	}
	return 0;
}

/* Outlets other than the main one travel through the pipe to the last process: it alone makes
 * their files, and an empty one from here could take the place of its. What is routed to the
 * pipe itself goes on there; dead letters are no records of the stream, and travel. */
static int
carry_outlets(struct flow *f, struct failure *why)
{
	struct outlet *o;
	struct port *p;
	size_t i;

	for (i = 1; i < f->noutlets; i++) {
		o = &f->outlet[i];
		if (o->template)
			return fail(why, EXIT_USAGE, "%s: a template can't be written from the "
				"middle of a checkpointed pipe, only by its last process", o->uri);
		o->side = o->port != f->outlet[0].port ||
			(f->opt->dead_letter && i == f->noutlets - 1);
		if (o->port == f->outlet[0].port)
			continue;
		p = f->port[o->port];
		p->declared = false;
		if (p->sink)
			p->sink->close(p->sink);
		p->sink = NULL;
	}
	return 0;
}

int
epoch_take_part(struct flow *f, struct failure *why)
{
	const struct flow_options *opt = f->opt;

	f->every_us = opt->checkpoint_us;
	if (!f->controlled)
		f->grouped = f->source->begin != NULL;
	if (f->controlled && opt->checkpoint_us) {
		fail(why, EXIT_USAGE, "the stream that comes in has checkpoints already");
		fail_hint(why, "--checkpoint belongs to the process that owns the source");
		return -1;
	}
	if (!f->controlled && !f->every_us && opt->state && opt->state_given && !to_stdout(f) &&
		f->source->position && !opt->counts)
		f->every_us = IMPLIED_CHECKPOINT_US;
	f->owner = !f->controlled && f->every_us;
	if (!f->controlled)
		f->framed = frame_begins(f);
	f->frames = f->framed && (!f->controlled || frame_goes_on(f));
	if (f->owner && check_owner(f, why) < 0)
		return -1;
	if (!f->owner && (!f->controlled || f->framed) && opt->time.expr && !opt->timed &&
		!opt->envelope_out && !f->all_envelopes) {
		fail(why, EXIT_USAGE, "--time: nothing here uses an event time, and plain lines "
			"don't carry it");
		fail_hint(why, "-e, --checkpoint, or a tool that uses it");
		return -1;
	}
	f->carries = (f->owner || f->controlled) && f->carry && !f->framed;
	f->last = (f->owner || f->controlled) && !f->carry && !f->framed;
	if (f->carries && carry_outlets(f, why) < 0)
		return -1;
	if (f->controlled && !f->framed && f->opt->time.expr && !(f->op->flags & OP_STATE))
		return fail(why, EXIT_USAGE, "in a checkpointed pipe --time belongs to the process "
			"that owns the source, or to one that keeps state");
	if (commit_choose(f, why) < 0)
		return -1;
	/* A pipe that gave nothing changes no state; it may be what a stage that was killed before
	 * it could say start has left. */
	f->own_state = !f->owner && (!f->controlled || f->framed) && !f->empty && opt->state &&
		(f->op->flags & OP_STATE);
	f->timed = opt->time.expr || (opt->timed && (!f->controlled || f->framed));
	f->clock.on = f->timed;
	/* Where a record came from, and its time, go along. */
	if (f->owner && f->carry)
		f->envelope_out = true;
	return 0;
}

/* "2-sk-window", or what the user said. */
static void
name_place(struct flow *f)
{
	const struct flow_options *opt = f->opt;
	struct buf name = {0};

	if (opt->name)
		buf_adds(&name, opt->name);
	else
		buf_addf(&name, "%llu-%s", (unsigned long long)f->stage, opt->program);
	free(f->place_name);
	buf_cstr(&name);
	f->place_name = name.p;
	f->place.name = f->place_name;
	f->place.app = opt->app;
	f->place.state = f->op->flags & OP_STATE && !f->empty ? opt->state : NULL;
}

/* ---- the ledger, at the beginning -------------------------------------------------- */

/* True if this run has taken over an output that the ledger knows. */
static bool
taken_over(const struct flow *f, const char *name)
{
	const struct port *p;
	size_t i;

	for (i = 0; i < f->nports; i++) {
		p = f->port[i];
		if (p->logged && strcmp(port_logged_as(p), name) == 0)
			return true;
	}
	return false;
}

/* The end is committed: what a killed run wrote, and this one had nothing to add to, gets its
 * name. Such files have no port here, or they would be made anew. */
static int
finish_outputs(struct flow *f, struct failure *why)
{
	const struct ledger_output *o;
	struct sink *s;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < f->ledger.noutputs; i++) {
		o = &f->ledger.output[i];
		if (strncmp(o->name, "stdout:", 7) == 0 || taken_over(f, o->name))
			continue;
		s = f->rooms->sink_open(f->rooms->arg, o->name, why);
		if (!s)
			return -1;
		if (s->finish)
			rc = s->finish(s, o->bytes, why);
		s->close(s);
	}
	if (rc < 0)
		return -1;
	f->ledger.state = LEDGER_DONE;
	ledger_clear_outputs(&f->ledger);
	return ledger_store(&f->ledger, why);
}

/* The last process takes the ledger over; its epoch is the one that start named. */
int
epoch_open_ledger(struct flow *f, const uint64_t *epoch, struct failure *why)
{
	/* With a second start it is ours already. */
	if (f->ledger.lock < 0 && (ledger_lock(&f->ledger, f->opt->state, why) < 0 ||
			ledger_load(&f->ledger, f->opt->state, f->opt->app, why) < 0))
		return -1;
	if (epoch && *epoch != f->ledger.epoch)
		return fail(why, EXIT_TRY_AGAIN, "%s: epoch %" PRIu64 " is committed, and the stream "
			"goes on from %" PRIu64, f->opt->state, f->ledger.epoch, *epoch);
	if (f->ledger.state == LEDGER_ENDING)
		return finish_outputs(f, why);
	return 0;
}

/* Who wrote to files goes by the ledger, and who writes to topics by the group. */
static int
other_sinks(const struct flow *f, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s/commit says that the job writes to files, and it writes to "
		"topics now", f->opt->state);
	fail_hint(why, "another job takes another --app and another --state folder");
	return -1;
}

int
epoch_look(struct flow *f, struct ledger *l, struct failure *why)
{
	if (!f->opt->state || f->transacts)
		return 0;
	return ledger_load(l, f->opt->state, f->opt->app, why) < 0 ? -1 : l->there;
}

/* The owner looks where to go on. Where another process is the last, that one keeps the
 * ledger; waiting for its lock lets a run that was just killed go first. */
static int
look_into_ledger(struct flow *f, bool begun, struct failure *why)
{
	struct ledger *l = &f->ledger;

	if (!f->opt->state)
		return f->grouped ? commit_begin(f, (struct slice){0}, why) : 0;
	if (f->last && f->ledger_kept ? epoch_open_ledger(f, NULL, why) < 0 :
		ledger_lock(l, f->opt->state, why) < 0 ||
		ledger_load(l, f->opt->state, f->opt->app, why) < 0)
		return -1;
	if (!f->ledger_kept)
		ledger_unlock(l);
	if (f->transacts && l->there)
		return other_sinks(f, why);
	if (f->grouped && commit_begin(f, buf_slice(&l->positions), why) < 0)
		return -1;
	if (f->grouped && !l->there)
		return 0;
	f->epoch = f->committed = l->epoch;
	f->again = l->there && l->state != LEDGER_RUNNING;
	if (clock_restore(&f->clock, buf_slice(&l->clock), why) < 0)
		return -1;
	if (!l->positions.n || f->grouped)
		return 0;
	if (begun && !f->again) {
		fail(why, EXIT_CONFIG, "%s: the job was in the middle of its input, and that was "
			"a pipe", f->opt->state);
		fail_hint(why, "with --plain the same input may be fed to it again from its "
			"beginning: what was done is passed over");
		return -1;
	}
	return begun ? 0 : f->source->seek(f->source, buf_slice(&l->positions), f->again, why);
}

/* ---- beginning --------------------------------------------------------------------- */

void
epoch_name_run(struct flow *f)
{
	struct keyed id = keyed_draw();

	buf_reset(&f->run);
	buf_addf(&f->run, "%016" PRIx64 "%016" PRIx64, id.k0, id.k1);
}

void
epoch_say_start(struct worker *w)
{
	struct flow *f = w->flow;
	struct control c = {.epoch = f->epoch, .envelope = f->envelope_out, .timed = f->timed,
		.app = slice_str(f->opt->app), .done = f->again && !f->begun};
	struct slice *ours = mem_array(f->noutlets + 1, sizeof(*ours));
	size_t i, n = 0;

	c.ledger = f->grouped ? f->ledger.there : f->opt->state != NULL;
	if (f->grouped) {
		c.group = slice_str(f->opt->app);
		c.every_us = f->every_us;
		if (f->epoch && !f->ledger.there)
			c.of = slice_str(f->group.run);
	}
	for (i = 0; i < f->noutlets; i++)
		if (f->outlet[i].side)
			ours[n++] = slice_str(f->outlet[i].uri);
	w->emit.carry_run = buf_slice(&f->run);
	w->emit.carry_base = 0;
	control_add_first(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run), &c, ours, n);
	emit_raw_end(&w->emit);
	w->emit.control_lines = 0;
	free(ours);
}

/* The operator, and who comes after, learn what time it was. */
int
epoch_tell_time(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;

	if (f->clock.watermark_us == TIME_NONE)
		return 0;
	if (f->op->watermark &&
		f->op->watermark(w->op, 0, f->clock.watermark_us, &w->emit, why) < 0)
		return -1;
	worker_pass_watermark(w, f->clock.watermark_us);
	return 0;
}

/* Where a ledger is kept, a pipe that ended before its first byte is a stream that was cut: its
 * owner was killed before it could say start, and what was written before must stay. */
int
epoch_check_empty(const struct flow *f, struct failure *why)
{
	struct buf path = {0};
	bool kept;

	if (frame_is_missing(f))
		return fail(why, EXIT_TRY_AGAIN, "stdin ended before it began: a stage before "
			"this one stopped early");
	if (!f->opt->state || f->opt->checkpoint_us)
		return 0;
	buf_addf(&path, "%s/commit.lock", f->opt->state);
	kept = access(buf_cstr(&path), F_OK) == 0;
	buf_release(&path);
	if (!kept)
		return 0;
	return fail(why, EXIT_TRY_AGAIN, "stdin ended before it began, in a job with "
		"checkpoints (%s): a stage before this one stopped early", f->opt->state);
}

/* A run that no start begins: the owner's, or a plain one. */
int
epoch_begin(struct worker *w, bool begun, struct failure *why)
{
	const struct operator *op = w->flow->op;
	struct flow *f = w->flow;
	uint64_t epoch = 0;

	f->stage = 1;
	if (epoch_take_part(f, why) < 0)
		return -1;
	name_place(f);
	if (f->owner && look_into_ledger(f, begun, why) < 0)
		return -1;
	if (f->owner)
		epoch = f->place.committed = f->epoch;
	else if (f->place.state)
		epoch = EPOCH_NEWEST;
	emit_batch_begin(&w->emit);
	emit_record_begin(&w->emit);
	w->emit.envelope = f->envelope_out;
	if (f->owner)
		epoch_name_run(f);
	if (f->owner && f->carries)
		epoch_say_start(w);
	if (f->frames)
		frame_say_start(w);
	f->begun = true;
	if (op->assign && op->assign(w->op, 0, why) < 0)
		return -1;
	if (op->rollback && op->rollback(w->op, epoch, why) < 0)
		return -1;
	if (f->owner && f->grouped && commit_check_mark(buf_slice(&f->place.mark),
			slice_str(f->group.run), why) < 0)
		return -1;
	if (f->own_state && clock_restore(&f->clock, buf_slice(&f->place.mark), why) < 0)
		return -1;
	f->barrier_ns = time_monotonic_ns();
	f->barrier_us = f->clock.watermark_us;
	if (epoch_tell_time(w, why) < 0)
		return -1;
	w->flush = true;
	return f->owner || f->own_state || f->frames ? worker_deliver_output(w, why) : 0;
}

/* A start has come: what goes before the operator's assign and rollback. */
int
epoch_on_start(struct worker *w, const struct control *c, struct failure *why)
{
	struct flow *f = w->flow;

	f->stage = c->stage + 1;
	f->grouped = c->group.p != NULL;
	f->framed = c->plainly;
	f->due = false;
	if (epoch_take_part(f, why) < 0)
		return -1;
	if (f->grouped && commit_on_start(f, c, why) < 0)
		return -1;
	if (f->framed) {
		f->envelope_in |= c->envelope;
		f->envelope_out = f->opt->envelope_out;
		w->emit.envelope = f->envelope_out;
		name_place(f);
		return 0;
	}
	if (c->timed && f->opt->time.expr && !f->opt->time.restamp) {
		fail(why, EXIT_USAGE, "the records of the stream carry an event time already");
		fail_hint(why, "leave out --time");
		return -1;
	}
	if (f->opt->timed && !c->timed && !f->opt->time.expr) {
		fail(why, EXIT_USAGE, "the records of the stream carry no event time");
		fail_hint(why, "--time EXPR, best on the process that owns the source");
		return -1;
	}
	f->timed |= c->timed;
	f->envelope_in |= c->envelope;
	f->envelope_out = f->carries ? c->envelope || f->timed || f->opt->envelope_out :
		f->opt->envelope_out;
	w->emit.envelope = f->envelope_out;
	name_place(f);
	f->epoch = f->committed = f->place.committed = c->epoch;
	if (c->epoch && f->opt->counts)
		return fail(why, EXIT_USAGE, "the stream goes on from epoch %" PRIu64 ": --limit "
			"and --skip would count anew", c->epoch);
	if (!f->grouped)
		f->ledger_kept &= c->ledger;
	if (f->ledger_kept)
		return epoch_open_ledger(f, &c->epoch, why);
	if (f->last && c->ledger && !f->opt->no_commit) {
		fail(why, EXIT_CONFIG, "the stream's owner goes by what is committed, and this "
			"process, which commits, has no --state");
		fail_hint(why, "export SK_STATE=DIR for the whole pipeline");
		return -1;
	}
	return 0;
}

/* ---- the end of an epoch ----------------------------------------------------------- */

/* The operator makes its state durable, with what the clock knows in its mark. */
int
epoch_mark(struct worker *w, uint64_t epoch, struct failure *why)
{
	struct flow *f = w->flow;

	buf_reset(&f->place.mark);
	clock_save(&f->clock, &f->place.mark);
	if (f->grouped) {
		f->place.mark.n--;
		buf_addf(&f->place.mark, ",\"run\":\"%.*s\"}", (int)f->run.n, f->run.p);
	}
	f->place.committed = f->committed;
	return f->op->barrier ? f->op->barrier(w->op, epoch, &w->emit, why) : 0;
}

/* What the last process is to commit, kept until its output is out. */
void
epoch_due(struct flow *f, uint64_t epoch, struct slice positions, struct slice clock)
{
	f->due = true;
	f->epoch = epoch;
	buf_reset(&f->due_positions);
	buf_add_slice(&f->due_positions, positions);
	buf_reset(&f->due_clock);
	buf_add_slice(&f->due_clock, clock);
}

/* All output so far is durable; then the ledger says so. */
int
epoch_commit(struct flow *f, enum ledger_state state, struct failure *why)
{
	struct ledger *l = &f->ledger;
	uint64_t bytes;
	size_t i;

	if (f->transacts)
		return commit_epoch(f, state == LEDGER_ENDING, why);
	f->due = false;
	if (!f->ledger_kept)
		return 0;
	for (i = 0; state == LEDGER_ENDING && i < f->nports; i++)
		if (f->port[i]->declared && (port_open(f, (unsigned)i, why) < 0 ||
				port_ready(f, f->port[i], why) < 0))
			return -1;
	if (ports_sync(f, why) < 0)
		return -1;
	for (i = 0; i < f->nports; i++) {
		if (!f->port[i]->logged)
			continue;
		if (f->port[i]->sink->length(f->port[i]->sink, &bytes, why) < 0)
			return -1;
		ledger_put_output(l, port_logged_as(f->port[i]), bytes);
	}
	l->epoch = f->epoch;
	l->state = state;
	buf_reset(&l->positions);
	buf_add_slice(&l->positions, buf_slice(&f->due_positions));
	buf_reset(&l->clock);
	buf_add_slice(&l->clock, buf_slice(&f->due_clock));
	if (ledger_store(l, why) < 0)
		return -1;
	f->committed = f->epoch;
	return 0;
}

/* The complete end of a job: all is durable, then it is visible, then it is done. */
int
epoch_finish(struct flow *f, struct failure *why)
{
	if (f->unchanged)
		return 0;
	if (f->transacts && f->due && epoch_commit(f, LEDGER_ENDING, why) < 0)
		return -1;
	if (!f->ledger_kept || !f->due)
		return ports_commit(f, why);
	if (epoch_commit(f, LEDGER_ENDING, why) < 0 || ports_commit(f, why) < 0)
		return -1;
	return finish_outputs(f, why);
}

bool
epoch_has_news(const struct flow *f)
{
	return f->balance.in != f->barrier_in || f->clock.watermark_us != f->barrier_us;
}

/* At most two epochs are in flight: is the one before the last committed? */
static bool
may_end_epoch(struct flow *f)
{
	struct ledger l = {.lock = -1};
	struct failure ignored;

	if (f->skip)
		return false; /* the partitions are about to be shared out anew */
	if (f->last || f->epoch + 1 <= f->committed + IN_FLIGHT - 1)
		return true;
	if (f->grouped) {
		commit_look(f);
		return f->epoch + 1 <= f->committed + IN_FLIGHT;
	}
	if (!f->opt->state)
		return true;
	if (ledger_load(&l, f->opt->state, "", &ignored) == 0 && l.epoch > f->committed &&
		l.epoch <= f->epoch)
		f->committed = l.epoch;
	ledger_release(&l);
	return f->epoch + 1 <= f->committed + IN_FLIGHT;
}

/* The owner ends an epoch. complete: the operator's end stands before it. */
int
epoch_end(struct worker *w, bool at_end, bool complete, struct failure *why)
{
	struct flow *f = w->flow;
	struct buf positions = {0};
	struct control c = {.epoch = f->epoch + 1, .complete = complete};
	int rc;

	f->source->position(f->source, &w->taken.place, &positions);
	if (!positions.n) {
		/* A group that gives us nothing: the epoch ends when it does. */
		buf_release(&positions);
		return !at_end ? 0 : fail(why, EXIT_TRY_AGAIN, "the run ends while the group gives "
			"it no partitions: its last epoch can't be committed");
	}
	rc = epoch_mark(w, c.epoch, why);
	c.committed = f->committed;
	c.positions = buf_slice(&positions);
	c.clock = buf_slice(&f->place.mark);
	if (rc == 0 && f->carries) {
		c.lines = w->emit.control_lines;
		c.kind = at_end && complete ? CONTROL_END : CONTROL_BARRIER;
		control_add_epoch(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run), &c);
		emit_raw_end(&w->emit);
		w->emit.control_lines = 0;
		if (at_end && !complete) {
			control_add_end(emit_raw(&w->emit, f->outlet[0].port),
				buf_slice(&f->run), false);
			emit_raw_end(&w->emit);
		}
	}
	w->flush = true;
	epoch_due(f, c.epoch, c.positions, c.clock);
	buf_release(&positions);
	f->barrier_ns = time_monotonic_ns();
	f->barrier_in = f->balance.in;
	f->barrier_us = f->clock.watermark_us;
	return rc < 0 ? -1 : worker_deliver_output(w, why);
}

/* After a block: is it time? */
int
epoch_pass(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;

	if (time_monotonic_ns() - f->barrier_ns < f->every_us * 1000 || !epoch_has_news(f) ||
		!may_end_epoch(f))
		return 0;
	emit_batch_begin(&w->emit);
	emit_record_begin(&w->emit);
	if (epoch_end(w, false, false, why) < 0)
		return -1;
	return f->last && f->due ? epoch_commit(f, LEDGER_RUNNING, why) : 0;
}

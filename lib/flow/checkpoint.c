/*
 * The control records of a checkpointed stream, as one stage deals with them: each is read,
 * checked, acted on and passed on in its place. Whoever is last, whose main sink is no pipe,
 * passes nothing on, and writes what travels for side sinks.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "flow/run.h"

bool
control_begins(struct slice line, struct json_scan *scratch)
{
	struct failure ignored;
	struct control c;

	return control_is(line, (struct slice){0}) &&
		control_parse(line, scratch, &c, &ignored) == 0 && c.kind == CONTROL_START;
}

static void
pass_on(struct worker *w, struct slice line)
{
	struct flow *f = w->flow;

	if (!f->carries && !f->frames)
		return;
	buf_add_slice(emit_raw(&w->emit, f->outlet[0].port), line);
	buf_addc(&w->emit.now->own, '\n');
	emit_raw_end(&w->emit);
	w->emit.control_lines++;
}

/* ---- start ------------------------------------------------------------------------- */

static bool
listed(const uint32_t *v, size_t n, uint32_t x)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i] == x)
			return true;
	return false;
}

static int
read_tasks(struct slice text, struct json_scan *scratch, uint32_t **to, size_t *n,
	struct failure *why)
{
	struct json_iter it;
	struct json_doc d;
	size_t cap = 0;
	uint32_t *v = NULL;
	double task;

	*n = 0;
	if (!text.p)
		text = SLICE("[0]");
	if (json_doc_of(scratch, text, &d, why) < 0)
		return -1;
	for (json_enter(&d, 0, &it); json_step(&d, &it);) {
		task = json_type_at(&d, it.value) == JSON_NUMBER ?
			json_number_double(json_text(&d, it.value)) : -1;
		if (task < 0 || task > 1e6) {
			free(v);
			return fail(why, EXIT_DATA, "control record 'start' with a task that is "
				"no partition");
		}
		v = mem_grow(v, &cap, *n + 1, sizeof(*v));
		v[(*n)++] = (uint32_t)task;
	}
	*to = v;
	return 0;
}

/* State goes back to the committed epoch; the tasks that are gone are let go, new ones taken. */
static int
reassign(struct worker *w, const struct control *c, struct failure *why)
{
	const struct operator *op = w->flow->op;
	struct flow *f = w->flow;
	uint64_t epoch = !f->framed ? c->epoch : f->place.state ? EPOCH_NEWEST : 0;
	uint32_t *tasks = NULL;
	size_t n, i;

	if (read_tasks(c->tasks, &w->scratch, &tasks, &n, why) < 0)
		return -1;
	for (i = 0; i < f->ntasks && op->revoke; i++)
		if (!listed(tasks, n, f->tasks[i]) &&
			op->revoke(w->op, f->tasks[i], why) < 0)
			goto fail;
	for (i = 0; i < n && op->assign; i++)
		if (!listed(f->tasks, f->ntasks, tasks[i]) &&
			op->assign(w->op, tasks[i], why) < 0)
			goto fail;
	free(f->tasks);
	f->tasks = tasks;
	f->ntasks = n;
	if (op->rollback && op->rollback(w->op, epoch, why) < 0)
		return -1;
	return 0;
fail:
	free(tasks);
	return -1;
}

/* One of the sinks that a stage before us declared. Opening makes nothing yet, but tells what
 * cannot be; a file that nothing came for is there all the same, as it is without a pipe. */
static int
open_carried(struct flow *f, const char *uri, struct failure *why)
{
	unsigned port = flow_port_of_uri(f, uri);

	f->carried = mem_grow(f->carried, &f->cap_carried, f->ncarried + 1, sizeof(*f->carried));
	f->carried[f->ncarried++] = port;
	if (port_open(f, port, why) < 0)
		return -1;
	f->port[port]->declared |= f->port[port]->sink->whole;
	return 0;
}

/* The sinks that stages before us declared; whoever is last opens them. */
static int
read_sinks(struct worker *w, const struct control *c, uint64_t *n, struct failure *why)
{
	struct flow *f = w->flow;
	struct json_iter it;
	struct json_doc d;
	struct slice uri;
	struct value v;
	char *name;
	int rc;

	*n = 0;
	f->ncarried = 0;
	if (!c->sinks.p)
		return 0;
	if (json_doc_of(&w->scratch, c->sinks, &d, why) < 0)
		return -1;
	for (json_enter(&d, 0, &it); json_step(&d, &it); (*n)++) {
		v = value_token(&d, it.value);
		uri = value_string_bytes(&v, &w->envelope.arena);
		if (!uri.p || !uri.n || memchr(uri.p, '\0', uri.n))
			return fail(why, EXIT_DATA, "control record 'start' with a sink that is "
				"no name");
		if (f->carries)
			continue;
		name = mem_dup(uri.p, uri.n);
		rc = open_carried(f, name, why);
		free(name);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static void
pass_start(struct worker *w, struct slice line, const struct control *c, bool changed,
	uint64_t before)
{
	struct flow *f = w->flow;
	struct slice *ours;
	size_t i, n = 0;

	ours = mem_array(f->noutlets + 1, sizeof(*ours));
	for (i = 0; i < f->noutlets && !f->framed; i++)
		if (f->outlet[i].side)
			ours[n++] = slice_str(f->outlet[i].uri);
	w->emit.carry_base = before;
	control_add_start(emit_raw(&w->emit, f->outlet[0].port), line, c, changed, ours, n);
	emit_raw_end(&w->emit);
	free(ours);
}

/* State that a start goes on from is of the stream that committed its epoch. */
static int
check_mark(const struct flow *f, const struct control *c, struct failure *why)
{
	struct slice of = c->of;

	if (!of.p || of.n < 2 || !f->place.state)
		return 0;
	return commit_check_mark(buf_slice(&f->place.mark), slice_of(of.p + 1, of.n - 2), why);
}

static int
on_start(struct worker *w, struct slice line, const struct control *c, struct failure *why)
{
	struct flow *f = w->flow;
	struct control on = *c;
	uint64_t before;

	if (epoch_on_start(w, c, why) < 0 || reassign(w, c, why) < 0 ||
		check_mark(f, c, why) < 0 || read_sinks(w, c, &before, why) < 0)
		return -1;
	if (f->carries || f->frames) {
		on.envelope = f->envelope_out;
		on.timed = f->carries && f->timed;
		if (f->carries)
			w->emit.carry_run = buf_slice(&f->run);
		pass_start(w, line, &on, on.envelope != c->envelope || on.timed != c->timed,
			before);
	}
	f->control_seen = 0;
	w->emit.control_lines = 0;
	clock_reset(&f->clock);
	f->begun = true;
	if (f->clock.on && clock_restore(&f->clock, buf_slice(&f->place.mark), why) < 0)
		return -1;
	return f->clock.on ? epoch_tell_time(w, why) : 0;
}

/* ---- the others -------------------------------------------------------------------- */

/* An epoch ends here: the state of this stage is durable before the next one hears of it. */
static int
on_epoch(struct worker *w, struct slice line, const struct control *c, struct failure *why)
{
	struct flow *f = w->flow;

	if (c->lines != f->control_seen)
		return fail(why, EXIT_TRY_AGAIN, "barrier %llu counts %llu control records "
			"since the last one, %llu came: the stream was altered on its way",
			(unsigned long long)c->epoch, (unsigned long long)c->lines,
			(unsigned long long)f->control_seen);
	if (c->epoch <= f->epoch)
		return fail(why, EXIT_TRY_AGAIN, "epoch %llu ends after epoch %llu: the stream "
			"was altered on its way", (unsigned long long)c->epoch,
			(unsigned long long)f->epoch);
	if (c->committed > f->committed && c->committed < c->epoch)
		f->committed = c->committed;
	if (epoch_mark(w, c->epoch, why) < 0)
		return -1;
	if (f->carries) {
		control_add_barrier(emit_raw(&w->emit, f->outlet[0].port), line, c,
			w->emit.control_lines);
		emit_raw_end(&w->emit);
	}
	f->control_seen = 0;
	w->emit.control_lines = 0;
	w->flush = true;
	if (f->last)
		epoch_due(f, c->epoch, c->positions, c->clock);
	f->epoch = c->epoch;
	return 0;
}

static int
on_to(struct worker *w, struct slice line, const struct control *c, struct failure *why)
{
	struct flow *f = w->flow;
	struct buf *b;

	if (f->carries) {
		pass_on(w, line);
		return 0;
	}
	if (c->sink >= f->ncarried)
		return fail(why, EXIT_DATA, "control record 'to' for sink %llu, and 'start' "
			"declared %zu", (unsigned long long)c->sink, f->ncarried);
	b = emit_raw(&w->emit, f->carried[c->sink]);
	buf_add_slice(b, c->value);
	buf_addc(b, '\n');
	emit_raw_end(&w->emit);
	return 0;
}

static int
on_end(struct worker *w, struct slice line, const struct control *c, struct failure *why)
{
	struct flow *f = w->flow;

	f->ended = true;
	f->end_complete = c->complete;
	f->unchanged = c->unchanged;
	if (f->framed && run_end_time(w, c->complete, why) < 0)
		return -1;
	if (!c->unchanged && run_end_operator(w, c->complete, why) < 0)
		return -1;
	if (c->last_epoch)
		return on_epoch(w, line, c, why);
	pass_on(w, line);
	return 0;
}

int
control_line(struct worker *w, struct slice line, struct failure *why)
{
	const struct operator *op = w->flow->op;
	struct flow *f = w->flow;
	struct control c = {.kind = CONTROL_WATERMARK};

	w->balance.control++;
	emit_record_begin(&w->emit);
	if (!control_is_watermark(line, buf_slice(&f->run), &c.us) &&
		control_parse(line, &w->scratch, &c, why) < 0)
		return -1;
	if (f->ended)
		return fail(why, EXIT_DATA, "a control record follows 'end'");
	if (f->skip && c.kind != CONTROL_START && c.kind != CONTROL_END && c.kind != CONTROL_FAIL)
		return 0;
	if (f->skip && c.kind == CONTROL_END)
		return fail(why, EXIT_TRY_AGAIN, "the last epochs of the stream were not committed");
	switch (c.kind) {
	case CONTROL_START:
		return on_start(w, line, &c, why);
	case CONTROL_BARRIER:
		return on_epoch(w, line, &c, why);
	case CONTROL_END:
		return on_end(w, line, &c, why);
	case CONTROL_WATERMARK:
		f->control_seen++;
		if (f->clock.on)
			return 0; /* made anew here (--restamp) */
		f->clock.watermark_us = c.us;
		if (op->watermark &&
			op->watermark(w->op, c.task, c.us, &w->emit, why) < 0)
			return -1;
		break;
	case CONTROL_TO:
		f->control_seen++;
		return on_to(w, line, &c, why);
	case CONTROL_FAIL:
		f->control_seen++;
		f->failed_status = c.status;
		break;
	case CONTROL_STATE:
		f->control_seen++;
		break;
	}
	pass_on(w, line);
	return 0;
}

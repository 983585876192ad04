/* A worker's block: lines that need no record or not each its own go a short way (glance.c,
 * runs.c); each other one is read, tested and handed to the operator, and what is wrong with
 * it is noted (bad.c). */
#include "flow/coming.h"

#define LARGE_BYTES ((size_t)1 << 20) /* of output that is held where much is made of little */
#define LONG_LINE 65536 /* bytes: its tokens cost no more alone */
#define EAGER_BLOCKS 64 /* that are not scanned lazily, once that has not paid */

/* ---- one record -------------------------------------------------------------------- */

void
worker_wait_turn(struct worker *w)
{
	struct flow *f = w->flow;

	pthread_mutex_lock(&f->turn_lock);
	while (f->turn != w->taken.number)
		pthread_cond_wait(&f->turn_cond, &f->turn_lock);
	pthread_mutex_unlock(&f->turn_lock);
}

/* The first line of a plain pipe must not look like the start of a checkpointed stream: its
 * reader would believe it. */
static int
check_start(struct worker *w, struct failure *why)
{
	unsigned port = w->flow->outlet[0].port;
	struct port_out *o;
	struct slice line;
	const char *feed;

	if (port == PORT_NONE || port >= w->emit.nout || !w->emit.out[port])
		return 0;
	o = w->emit.out[port];
	if (!o->records)
		return 0;
	w->check_start = false;
	if (!o->npieces)
		line = slice_of(o->run, o->run_n);
	else if (o->piece[0].p)
		line = slice_of(o->piece[0].p, o->piece[0].n);
	else
		line = slice_of(o->own.p + o->piece[0].at, o->piece[0].n);
	feed = memchr(line.p, '\n', line.n);
	if (feed)
		line.n = (size_t)(feed - line.p);
	if (!control_is(line, (struct slice){0}) || !control_begins(line, &w->scratch))
		return 0;
	worker_wait_turn(w);
	if (w->flow->main_begun)
		return 0;
	w->check_start = true;
	return fail_record(why, "control", "the record would begin a pipe, and its reader "
		"would take it for the start of a checkpointed stream");
}

static void
account(struct worker *w)
{
	switch (w->emit.fate) {
	case FATE_OUTPUT:
		w->balance.output++;
		break;
	case FATE_DROPPED:
		w->balance.dropped++;
		break;
	case FATE_HELD:
		w->balance.held++;
		break;
	case FATE_LATE:
		w->balance.late++;
		break;
	case FATE_NONE:
		break; /* the sum will be off, and the run says so */
	}
}

int
worker_test_where(struct worker *w, const struct record *r, struct failure *why)
{
	struct record_vars vars = {.record = r, .stage = w->flow->opt->stage};
	struct expr_env env = {record_var, &vars};
	struct value root;
	int rc = expr_ask(w->where, r->doc);

	if (rc >= 0)
		return rc;
	root = record_value(r);
	vars.arena = expr_run_arena(w->where);
	rc = expr_test(w->where, &root, &env, why);
	expr_run_reset(w->where);
	return rc;
}

int
worker_read_value(struct worker *w, struct record *r, struct failure *why)
{
	const struct flow_options *opt = w->flow->opt;

	if (json_line_doc(&w->scan, r->index, opt->trust, &w->doc, why) < 0) {
		r->doc = NULL;
		why->type = "malformed";
		if (!r->meta || !(w->flow->op->flags & OP_BYTES) || w->where)
			return -1;
		/* A message may be anything. */
		r->root = JSON_NONE;
		return 0;
	}
	if (r->meta && r->meta->odd.p)
		envelope_read_odd(&w->envelope, r);
	else if (w->flow->envelope_in && !r->meta &&
		envelope_read(&w->envelope, &w->doc, r, why) < 0)
		return -1;
	if (r->root != JSON_NONE)
		return 0;
	if (!(w->flow->op->flags & OP_BYTES) || w->where)
		return fail_record(why, "malformed", "the value is not JSON");
	if (!opt->envelope_out && !w->flow->all_envelopes && r->bytes.n &&
		memchr(r->bytes.p, '\n', r->bytes.n))
		return fail_record(why, "malformed",
			"the value is not JSON and holds a line feed: it needs -e to be carried");
	return 0;
}

void
worker_halt(struct worker *w, const struct failure *why)
{
	w->why = *why;
	w->halted = w->fatal = true;
}

static void
take_record(struct worker *w, struct record *r)
{
	const struct operator *op = w->flow->op;
	struct failure why;
	int rc;

	if (worker_read_value(w, r, &why) < 0) {
		worker_note_bad(w, r, "malformed", &why);
		return;
	}
	if (w->where) {
		rc = worker_test_where(w, r, &why);
		if (rc < 0) {
			worker_note_bad(w, r, "expression", &why);
			return;
		}
		if (rc == 0) {
			w->balance.dropped++;
			return;
		}
	}
	if (w->flow->clock.on) {
		rc = worker_tell_time(w, r, &why);
		if (rc == 0) {
			worker_note_bad(w, r, "time", &why);
			return;
		}
		if (rc < 0) {
			worker_halt(w, &why);
			return;
		}
	}
	rc = op->record(w->op, r, &w->emit, &why);
	w->emit.hand = NULL;
	if (__builtin_expect(rc == OP_OK && w->check_start, 0))
		rc = check_start(w, &why);
	if (__builtin_expect(rc < 0, 0)) {
		if (why.status == EXIT_DATA) {
			worker_note_bad(w, r, "expression", &why);
			return;
		}
		emit_record_undo(&w->emit);
		worker_halt(w, &why);
		return;
	}
	account(w);
	if (rc == OP_ENOUGH)
		w->enough = true;
}

/* In hand for its own turn and no longer, whatever becomes of it. */
static inline void
one_record(struct worker *w, struct record *r)
{
	w->balance.in++;
	emit_record_begin(&w->emit);
	w->emit.hand = r;
	take_record(w, r);
	w->emit.hand = NULL;
}

/* ---- one block --------------------------------------------------------------------- */

static void
too_long(struct worker *w)
{
	struct record r = {
		.line = slice_of(w->block.p, w->block.n),
		.bytes = slice_of(w->block.p, w->block.n),
		.block = &w->block,
		.offset = w->block.origin ? w->block.origin[0].offset : w->block.offset,
		.root = JSON_NONE,
		.time_us = TIME_NONE,
	};
	struct failure why;

	w->balance.in++;
	emit_record_begin(&w->emit);
	fail_record(&why, "too-long", "a line of %llu bytes is longer than --max-record",
		(unsigned long long)w->block.too_long);
	worker_note_bad(w, &r, "too-long", &why);
}

/* Written where it lies: a copy of what was just written in words would have to wait for them. */
static inline void
take_line(struct worker *w, size_t i, struct record *r)
{
	const struct json_line *l = &w->scan.line[i];

	r->line.p = r->bytes.p = w->scan.p + l->start;
	r->line.n = r->bytes.n = l->end - l->start;
	r->doc = &w->doc;
	r->root = 0;
	r->meta = w->block.meta ? &w->block.meta[i] : NULL;
	r->block = &w->block;
	r->index = (uint32_t)i;
	r->offset = w->block.origin ? w->block.origin[i].offset : w->block.offset + l->start;
	r->task = 0;
	r->time_us = TIME_NONE;
}

struct record
worker_record(struct worker *w, size_t i)
{
	struct record r;

	take_line(w, i, &r);
	return r;
}

/* The last process commits an epoch where it ends: what stands before the barrier in the
 * block goes out first. */
static int
commit_here(struct worker *w, struct failure *why)
{
	w->flush = true;
	if (worker_deliver_output(w, why) < 0)
		return -1;
	emit_batch_begin(&w->emit);
	return epoch_commit(w->flow, LEDGER_RUNNING, why);
}

/*
 * To make the tokens of a line alone costs more than to make them with all others, so if many
 * lines of a block are asked for theirs, the next blocks are not scanned lazily.
 */
bool
worker_is_lazy(struct worker *w)
{
	const struct json_scan *s = &w->scan;
	size_t much = w->flow->opt->trust ? s->nlines / 4 * 3 : s->nlines / 4;

	if (!(w->flow->op->flags & OP_LAZY) || w->flow->envelope_in || w->looks)
		return false;
	if (w->eager)
		w->eager--;
	else if (s->lazy && s->nlines && s->asked > much && s->n / s->nlines < LONG_LINE)
		w->eager = EAGER_BLOCKS;
	return !w->eager;
}

/* What has come together goes out, so that a block of little that much is made of doesn't
 * stay in memory whole. */
static int
deliver_large(struct worker *w, struct failure *why)
{
	size_t i, n = 0;

	for (i = 0; i < w->emit.ntouched; i++)
		n += w->emit.out[w->emit.touched[i]]->own.n;
	if (n < LARGE_BYTES)
		return 0;
	if (worker_deliver_output(w, why) < 0)
		return -1;
	emit_batch_begin(&w->emit);
	return 0;
}

int
emit_relieve(struct emit *e, struct failure *why)
{
	struct worker *w = (struct worker *)(void *)((char *)e - offsetof(struct worker, emit));

	/* It is asked of each line: it looks now and then. */
	if (e->made < LARGE_BYTES / 4 || (w->flow->opt->jobs != 1 && !w->flow->controlled))
		return 0;
	e->made = 0;
	if (deliver_large(w, why) < 0)
		return -1;
	if (!e->ntouched)
		emit_forget(e);
	return 0;
}

void
worker_scan(const struct flow *f, void *op, struct json_scan *s, struct block *b, bool lazy)
{
	if (lazy)
		json_scan_lazily(s, b->p, b->n, f->opt->trust);
	else
		json_scan_block(s, b->p, b->n, f->opt->trust);
	buf_reset(&b->notes);
	if (f->op->note && !f->envelope_in)
		f->op->note(op, s, &b->notes);
}

/* As memmem(3) that looks for the byte of {"$sk":" which is rare. */
static bool
has_control(const char *p, size_t n)
{
	static const char head[] = "{\"$sk\":\"";
	const char *end = p + n, *at = p;

	for (; (at = memchr(at, '$', (size_t)(end - at))); at++)
		if (at - p >= 2 && end - at >= (ptrdiff_t)sizeof(head) - 3 &&
			memcmp(at - 2, head, sizeof(head) - 1) == 0)
			return true;
	return false;
}

/* Of a stream with control records, most blocks have none, and are like those of any other. */
static bool
may_control(const struct worker *w)
{
	const struct flow *f = w->flow;
	const struct block *b = &w->block;

	return f->controlled && b->n && (f->skip || f->ended || b->p[b->n - 1] != '\n' ||
		has_control(b->p, b->n));
}

static void
work_on_lines(struct worker *w)
{
	struct flow *f = w->flow;
	struct slice line;
	struct record r;
	struct failure why;
	const uint8_t *to = worker_glance(w);
	bool looks, peeked = worker_is_peeked(w), alone = f->opt->jobs == 1 || f->controlled;
	bool runs = worker_has_runs(w), noted = worker_is_noted(w);
	bool large = alone && f->op->flags & OP_LARGE;
	size_t i;

	looks = w->looks;
	for (i = 0; i < w->scan.nlines && !w->halted; i++) {
		if (to && (i = worker_pass_lines(w, to, i)) == w->scan.nlines)
			break;
		if (peeked && (i = worker_peek(w, i)) == w->scan.nlines)
			break;
		if (runs && ((i = worker_take_runs(w, i)) == w->scan.nlines || w->halted))
			break;
		if (noted && ((i = worker_take_noted(w, i)) == w->scan.nlines || w->halted))
			break;
		line = json_line_text(&w->scan, i);
		if (looks && w->scan.line[i].flags & JSON_LINE_UNENDED) {
			fail(&why, EXIT_TRY_AGAIN, "stdin ended within a line: a stage before this "
				"one was killed, and nothing more is committed");
			worker_halt(w, &why);
			break;
		}
		if (looks && control_is(line, buf_slice(&f->run))) {
			if (control_line(w, line, &why) < 0 ||
				(f->due && !f->ended && commit_here(w, &why) < 0))
				worker_halt(w, &why);
			continue;
		}
		if (w->enough || (f->skip && f->controlled)) {
			if (!f->controlled)
				break;
			w->balance.in++;
			w->balance.dropped++;
			continue;
		}
		if (f->ended) {
			fail(&why, EXIT_DATA, "a record follows the 'end' of the stream");
			worker_halt(w, &why);
			break;
		}
		if (f->coming)
			coming_show(f->coming, i);
		take_line(w, i, &r);
		one_record(w, &r);
		if (large && !w->halted && deliver_large(w, &why) < 0)
			worker_halt(w, &why);
	}
	w->block.used = i;
	if (f->coming)
		coming_block_ends(f->coming);
}

void
worker_work(struct worker *w)
{
	struct flow *f = w->flow;
	struct failure why;

	emit_batch_begin(&w->emit);
	w->balance = (struct balance){0};
	w->nbad = w->told_bad = 0;
	w->block.used = 0;
	w->halted = w->fatal = w->enough = w->flush = false;
	if (f->clock.on && f->opt->time.idle_us && worker_rest(w, &why) < 0) {
		w->scan.nlines = 0;
		worker_halt(w, &why);
		return;
	}
	if (w->block.too_long) {
		w->scan.nlines = 0;
		too_long(w);
		return;
	}
	w->looks = may_control(w);
	if (!w->scanned)
		worker_scan(f, w->op, &w->scan, &w->block, worker_is_lazy(w));
	work_on_lines(w);
}

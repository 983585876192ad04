/*
 * The driver. A worker takes a block, works on it, and delivers it in its turn; with one job
 * the main thread is the only worker and there is nobody to wait for.
 */
#include "flow/run.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Bad records that are said one by one; further ones are counted. */
#define BAD_SAID_MAX 10
#define UNMATCHED_MAX 100
#define IOV_STEP 512
#define METRICS_EVERY_NS 5000000000LL
#define COMMIT_EVERY_NS 5000000000LL

/* ---- bad records ------------------------------------------------------------------------- */

static void
fill_origin(const struct worker *w, const struct record *r, struct bad *b)
{
	const struct block *block = &w->block;

	if (block->origin) {
		b->input = block->origin[r->index].input;
		b->line = block->origin[r->index].line;
	} else {
		b->input = block->input;
		b->line = block->too_long ? 0 : w->scan.line[r->index].number;
		b->relative = true;
	}
	b->offset = r->offset;
}

/* On a checkpointed stream one thread works, and in order: the line number is known, and the
 * dead letter travels in its place. */
static void
carry_letter(struct worker *w, struct bad *b)
{
	struct flow *f = w->flow;
	struct buf text = {0};
	size_t i, n = 0;

	b->line += b->relative ? b->input->lines + 1 : 0;
	b->relative = false;
	bad_add_dead_letter(b, &text);
	/* The dead letter sink is the last side outlet that was declared. */
	for (i = 0; i + 1 < f->noutlets; i++)
		n += f->outlet[i].side;
	control_add_to(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run),
		w->emit.carry_base + n, buf_slice(&text));
	emit_raw_end(&w->emit);
	w->emit.control_lines++;
	buf_release(&text);
}

/* Note a bad record. Its emissions are undone. */
static void
note_bad(struct worker *w, const struct record *r, const char *type,
	const struct failure *why)
{
	const struct flow_options *opt = w->flow->opt;
	struct slice bytes = r->meta ? r->bytes : r->line;
	struct bad *b;

	emit_record_undo(&w->emit);
	w->bad = mem_grow(w->bad, &w->cap_bad, w->nbad + 1, sizeof(*w->bad));
	b = &w->bad[w->nbad++];
	*b = (struct bad){
		.column = why->column,
		.type = why->type ? why->type : type,
		.status = why->status,
		.record = w->block.too_long ? NO_RECORD : r->index,
		.text = mem_strdup(why->text),
		.hint = *why->hint ? mem_strdup(why->hint) : NULL,
	};
	fill_origin(w, r, b);
	switch (opt->on_error) {
	case ON_ERROR_FAIL:
		w->halted = true;
		break;
	case ON_ERROR_SKIP:
		w->balance.skipped++;
		break;
	case ON_ERROR_DEAD_LETTER:
		bad_render(b, r->meta, bytes, r->doc && r->root != JSON_NONE,
			w->block.too_long, &w->scratch);
		w->balance.dead++;
		if (w->flow->carry && w->flow->controlled) {
			emit_record_begin(&w->emit);
			carry_letter(w, b);
		}
		break;
	}
}

/* ---- one record --------------------------------------------------------------------------- */

static void
wait_turn(struct worker *w)
{
	struct flow *f = w->flow;

	if (f->opt->jobs == 1)
		return;
	pthread_mutex_lock(&f->turn_lock);
	while (f->turn != w->number)
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
	wait_turn(w);
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

static int
test_where(struct worker *w, const struct record *r, struct failure *why)
{
	struct value root = record_value(r);
	struct record_vars vars = {.record = r, .stage = w->flow->opt->stage};
	struct expr_env env = {record_var, &vars};
	int rc;

	vars.arena = expr_run_arena(w->where);
	rc = expr_test(w->where, &root, &env, why);
	expr_run_reset(w->where);
	return rc;
}

static int
read_value(struct worker *w, struct record *r, struct failure *why)
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

static void
one_record(struct worker *w, struct record *r)
{
	const struct operator *op = w->flow->op;
	struct failure why;
	int rc;

	w->balance.in++;
	emit_record_begin(&w->emit);
	w->emit.record = r->index;
	if (read_value(w, r, &why) < 0) {
		note_bad(w, r, "malformed", &why);
		return;
	}
	if (w->where) {
		rc = test_where(w, r, &why);
		if (rc < 0) {
			note_bad(w, r, "expression", &why);
			return;
		}
		if (rc == 0) {
			w->balance.dropped++;
			return;
		}
	}
	rc = op->record(w->op, r, &w->emit, &why);
	if (__builtin_expect(rc == OP_OK && w->check_start, 0))
		rc = check_start(w, &why);
	if (__builtin_expect(rc < 0, 0)) {
		if (why.status == EXIT_DATA) {
			note_bad(w, r, "expression", &why);
			return;
		}
		emit_record_undo(&w->emit);
		w->why = why;
		w->halted = w->fatal = true;
		return;
	}
	account(w);
	if (rc == OP_ENOUGH)
		w->enough = true;
}

/* ---- one block ---------------------------------------------------------------------------- */

static void
halt(struct worker *w, const struct failure *why)
{
	w->why = *why;
	w->halted = w->fatal = true;
}

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
	note_bad(w, &r, "too-long", &why);
}

static struct record
record_at(struct worker *w, size_t i)
{
	return (struct record){
		.line = json_line_text(&w->scan, i),
		.bytes = json_line_text(&w->scan, i),
		.doc = &w->doc,
		.meta = w->block.meta ? &w->block.meta[i] : NULL,
		.block = &w->block,
		.index = (uint32_t)i,
		.offset = w->block.origin ? w->block.origin[i].offset :
			w->block.offset + w->scan.line[i].start,
		.time_us = TIME_NONE,
	};
}

static void
work(struct worker *w)
{
	struct flow *f = w->flow;
	struct slice line;
	struct record r;
	struct failure why;
	size_t i;

	emit_batch_begin(&w->emit);
	w->balance = (struct balance){0};
	w->nbad = w->told_bad = 0;
	w->block.used = 0;
	w->halted = w->fatal = w->enough = w->flush = false;
	if (w->block.too_long) {
		w->scan.nlines = 0;
		too_long(w);
		return;
	}
	json_scan_block(&w->scan, w->block.p, w->block.n, f->opt->trust);
	for (i = 0; i < w->scan.nlines && !w->halted; i++) {
		line = json_line_text(&w->scan, i);
		if (f->controlled && control_is(line, buf_slice(&f->run))) {
			if (control_line(w, line, &why) < 0)
				halt(w, &why);
			continue;
		}
		if (w->enough) {
			if (!f->controlled)
				break;
			w->balance.in++;
			w->balance.dropped++;
			continue;
		}
		if (f->ended) {
			fail(&why, EXIT_DATA, "a record follows the 'end' of the stream");
			halt(w, &why);
			break;
		}
		r = record_at(w, i);
		one_record(w, &r);
	}
	w->block.used = i;
}

/* ---- delivery ------------------------------------------------------------------------------ */

static void
end_run(struct flow *f, const struct failure *why)
{
	if (!f->status) {
		f->status = why->status ? why->status : EXIT_INTERNAL;
		if (why->status != EXIT_SIGPIPE)
			say(f->opt->program, NULL, why->text, why->hint);
	}
	atomic_store(&f->stop, true);
}

/* What no route takes is named once per distinct value, the first hundred. */
static bool
said_before(struct flow *f, const struct bad *b)
{
	struct slice text = slice_str(b->text);
	bool made;

	if (strcmp(b->type, "unmatched") != 0)
		return false;
	if (f->unmatched.n >= UNMATCHED_MAX)
		return true;
	table_put(&f->unmatched, text, &made);
	return !made;
}

static void
say_bad(struct flow *f, const struct bad *b)
{
	struct buf where = {0};

	if (f->opt->quiet && f->opt->on_error != ON_ERROR_FAIL)
		return;
	if (said_before(f, b))
		return;
	if (f->bad_said++ < BAD_SAID_MAX || f->opt->on_error == ON_ERROR_FAIL) {
		bad_where(b, &where);
		say(f->opt->program, buf_cstr(&where), b->text, b->hint);
		buf_release(&where);
	} else if (f->bad_said == BAD_SAID_MAX + 1) {
		say(f->opt->program, NULL, "further bad records are counted, not shown", NULL);
	}
}

/* Say the block's bad records, and make their dead letters durable. */
static int
deliver_bad(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;
	struct iovec v;
	struct bad *b;
	bool wrapped = f->dead_port != PORT_NONE && f->port[f->dead_port]->envelopes;
	size_t i;

	buf_reset(&f->letters);
	for (i = w->told_bad; i < w->nbad; i++) {
		b = &w->bad[i];
		if (b->relative)
			b->line += b->input->lines + 1;
		say_bad(f, b);
		if (f->opt->metrics)
			metrics_failed(&f->metrics, b->input, b->type);
		if (b->head.n && !(f->carry && f->controlled)) {
			buf_adds(&f->letters, wrapped ? "{\"value\":" : "");
			bad_add_dead_letter(b, &f->letters);
			buf_adds(&f->letters, wrapped ? "}\n" : "\n");
		}
	}
	w->told_bad = w->nbad;
	if (!f->letters.n)
		return 0;
	v = (struct iovec){f->letters.p, f->letters.n};
	if (port_write(f, f->dead_port, &v, 1, why) < 0)
		return -1;
	return f->port[f->dead_port]->sink->sync(f->port[f->dead_port]->sink, why);
}

/* ---- refused records ------------------------------------------------------------------------ */

/* A sink refuses what came of this record: it is a bad one after all, though something else of
 * it may be in other sinks. */
static int
refused(struct worker *w, uint32_t index, struct failure *why)
{
	struct failure ignored;
	struct record r;
	size_t i;

	if (index == NO_RECORD)
		return -1;
	for (i = w->nbad; i > 0; i--)
		if (w->bad[i - 1].record == index)
			return 0;
	if (w->balance.output)
		w->balance.output--;
	else if (w->balance.late)
		w->balance.late--;
	else
		w->balance.held--;
	r = record_at(w, index);
	if (read_value(w, &r, &ignored) < 0)
		r.root = JSON_NONE;
	emit_record_begin(&w->emit);
	note_bad(w, &r, "refused", why);
	return 0;
}

/* The port's bytes in one piece. */
static struct slice
gather(struct flow *f, const struct port_out *o)
{
	const struct piece *p = o->piece;
	size_t i;

	if (o->npieces == 1)
		return slice_of(p->p ? p->p : o->own.p + p->at, p->n);
	buf_reset(&f->gathered);
	for (i = 0; i < o->npieces; i++, p++)
		buf_add(&f->gathered, p->p ? p->p : o->own.p + p->at, p->n);
	return buf_slice(&f->gathered);
}

/* Write to a sink that may refuse records: it is asked again behind each of them. */
static int
write_told(struct worker *w, unsigned port, struct failure *why)
{
	struct port_out *o = w->emit.out[port];
	struct slice left = gather(w->flow, o);
	const struct sink *sink;
	const char *feed;
	struct iovec v;
	size_t line = 0, i;

	while (left.n && !w->halted) {
		v = (struct iovec){(void *)(uintptr_t)left.p, left.n};
		if (port_write(w->flow, port, &v, 1, why) == 0)
			break;
		sink = w->flow->port[port]->sink;
		if (!sink || !sink->refused)
			return -1;
		line += sink->taken;
		if (refused(w, line < o->nlines ? o->of[line] : NO_RECORD, why) < 0)
			return -1;
		line++;
		for (i = 0; i <= sink->taken; i++) {
			feed = memchr(left.p, '\n', left.n);
			left.n -= (size_t)(feed + 1 - left.p);
			left.p = feed + 1;
		}
	}
	w->flow->port[port]->records += o->records;
	return 0;
}

static int
write_port(struct worker *w, unsigned port, struct failure *why)
{
	struct port_out *o = w->emit.out[port];
	struct iovec v[IOV_STEP];
	size_t i;
	int n = 0;

	emit_settle(o);
	if (o->told)
		return write_told(w, port, why);
	for (i = 0; i < o->npieces; i++) {
		v[n].iov_base = (void *)(uintptr_t)(o->piece[i].p ? o->piece[i].p :
			o->own.p + o->piece[i].at);
		v[n++].iov_len = o->piece[i].n;
		if (n == IOV_STEP) {
			if (port_write(w->flow, port, v, n, why) < 0)
				return -1;
			n = 0;
		}
	}
	if (n && port_write(w->flow, port, v, n, why) < 0)
		return -1;
	w->flow->port[port]->records += o->records;
	return 0;
}

/* True if the source would wait for more: then nobody may wait for us. */
static bool
source_waits(struct flow *f)
{
	if (f->opt->jobs > 1)
		return !f->source->total_bytes || f->source->endless || f->source->stdin_pipe;
	return f->source->would_wait(f->source);
}

static int
deliver_output(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;
	size_t i;

	for (i = 0; i < w->emit.ntouched; i++)
		if (write_port(w, w->emit.touched[i], why) < 0)
			return -1;
	if (deliver_bad(w, why) < 0)
		return -1;
	if (w->emit.ntouched && !f->main_begun && f->outlet[0].port < w->emit.nout &&
		w->emit.out[f->outlet[0].port] && w->emit.out[f->outlet[0].port]->npieces)
		f->main_begun = true;
	if (w->flush || source_waits(f))
		return ports_flush(f, false, why);
	return 0;
}

/* Everything that was read so far is delivered and durable: the source may keep its place. */
static int
settle(void *flow, struct failure *why)
{
	struct flow *f = flow;

	if (ports_sync(f, why) < 0)
		return -1;
	return f->status || ports_appear_later(f);
}

/* Keep the source's place every so often, once what came of the records is safe. */
static int
keep_place(struct flow *f, struct failure *why)
{
	int64_t now;

	if (!f->source->commit)
		return 0;
	now = time_monotonic_ns();
	if (now - f->committed_ns < COMMIT_EVERY_NS || ports_appear_later(f))
		return 0;
	f->committed_ns = now;
	if (ports_sync(f, why) < 0)
		return -1;
	/* A group that is being shared anew, brokers that are away: there will be a next time. */
	if (f->source->commit(f->source, why) < 0 && why->status != EXIT_TRY_AGAIN &&
		why->status != EXIT_UNAVAILABLE)
		return -1;
	return 0;
}

static void
count_lines(struct worker *w)
{
	struct block *b = &w->block;

	if (!b->input)
		return;
	if (b->too_long)
		b->input->lines++;
	else
		b->input->lines += w->scan.feeds;
}

static void
tell_fail(struct worker *w, int status, const char *text)
{
	struct flow *f = w->flow;
	struct failure why;
	struct buf b = {0};
	struct iovec v;

	if (!f->controlled || !f->carry || status == EXIT_SIGPIPE)
		return;
	control_add_fail(&b, buf_slice(&f->run), f->stage, status, text);
	v = (struct iovec){b.p, b.n};
	/* Whether it arrives or not, this run has failed already. */
	if (port_write(f, f->outlet[0].port, &v, 1, &why) == 0)
		ports_flush(f, false, &why);
	buf_release(&b);
}

static void
keep_metrics(struct worker *w)
{
	struct flow *f = w->flow;
	int64_t now = time_monotonic_ns();
	const struct input *in = w->block.origin ? w->block.origin[0].input : w->block.input;
	struct failure why;

	metrics_count(&f->metrics, in, w->balance.in - w->balance.dead - w->balance.skipped,
		now - w->block.read_ns);
	if (now - f->metrics.written_ns > METRICS_EVERY_NS &&
		metrics_write(&f->metrics, f->opt->metrics, f->opt->stage, &f->balance,
			&why) < 0)
		end_run(f, &why);
}

/* What a block that ends the run leaves to say. A bad record was said by deliver_bad. */
static void
deliver_halt(struct worker *w)
{
	struct flow *f = w->flow;
	const struct bad *b = w->nbad ? &w->bad[w->nbad - 1] : NULL;

	if (w->fatal) {
		tell_fail(w, w->why.status, w->why.text);
		end_run(f, &w->why);
	} else {
		tell_fail(w, b->status, b->text);
		f->status = b->status;
		atomic_store(&f->stop, true);
	}
}

static void
deliver(struct worker *w)
{
	struct flow *f = w->flow;
	struct failure why;
	size_t i;

	wait_turn(w);
	if (!atomic_load(&f->stop)) {
		if (deliver_bad(w, &why) < 0 || deliver_output(w, &why) < 0) {
			tell_fail(w, why.status, why.text);
			end_run(f, &why);
		} else {
			count_lines(w);
			balance_add(&f->balance, &w->balance);
			if (f->opt->metrics)
				keep_metrics(w);
			if (!w->halted && f->source->done)
				f->source->done(f->source, &w->block);
			if (!w->halted && keep_place(f, &why) < 0)
				end_run(f, &why);
			if (w->halted)
				deliver_halt(w);
			else if (w->enough && !f->controlled) {
				f->enough = true;
				atomic_store(&f->stop, true);
			}
		}
	}
	for (i = 0; i < w->nbad; i++)
		bad_release(&w->bad[i]);
	w->nbad = 0;
	if (f->opt->jobs == 1)
		return;
	pthread_mutex_lock(&f->turn_lock);
	f->turn++;
	pthread_cond_broadcast(&f->turn_cond);
	pthread_mutex_unlock(&f->turn_lock);
}

/* ---- workers ------------------------------------------------------------------------------- */

/* The next block: 1, or 0 if there is none. A failure to read takes its turn like a block,
 * so that what was read before it is delivered before. */
static int
take(struct worker *w)
{
	struct flow *f = w->flow;
	int rc = 0;

	pthread_mutex_lock(&f->read_lock);
	if (!f->at_end && !atomic_load(&f->stop)) {
		w->block.too_long = 0;
		w->block.origin = NULL;
		w->block.meta = NULL;
		rc = f->source->read(f->source, &w->block, &w->why);
		w->number = f->next;
		if (rc)
			f->next++;
		if (rc <= 0)
			f->at_end = true;
	}
	pthread_mutex_unlock(&f->read_lock);
	if (rc > 0 && f->opt->metrics)
		w->block.read_ns = time_monotonic_ns();
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
	deliver(w);
}

static void
work_on(struct worker *w)
{
	struct flow *f = w->flow;

	w->check_start = !f->controlled && f->carry && !f->main_begun;
	w->emit.envelope = f->opt->envelope_out;
	work(w);
	deliver(w);
}

static void *
worker_loop(void *arg)
{
	struct worker *w = arg;
	int rc;

	while ((rc = take(w)) > 0)
		work_on(w);
	if (rc < 0)
		take_failed(w);
	return NULL;
}

static int
worker_open(struct worker *w, struct flow *f, unsigned index, const void *config,
	struct failure *why)
{
	struct op_context ctx = {config, "", f->opt->stage, index};

	w->flow = f;
	w->index = index;
	emit_init(&w->emit, f);
	w->op = f->op->open(&ctx, why);
	if (!w->op)
		return -1;
	if (f->opt->where)
		w->where = expr_run_new(f->opt->where);
	return 0;
}

static void
worker_close(struct worker *w)
{
	if (w->op && w->flow->op->close)
		w->flow->op->close(w->op);
	expr_run_free(w->where);
	emit_release(&w->emit);
	envelope_reader_release(&w->envelope);
	json_scan_release(&w->scan);
	json_scan_release(&w->scratch);
	block_release(&w->block);
	free(w->bad);
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

static void
run_workers(struct worker *w, size_t n)
{
	struct flow *f = w->flow;
	struct failure why;
	size_t i, started;
	int rc;

	/* The first block tells what kind of stream it is. */
	rc = take(&w[0]);
	if (rc < 0)
		take_failed(&w[0]);
	if (rc <= 0)
		return;
	look_at_start(&w[0]);
	if (f->controlled)
		n = 1;
	for (started = 1; started < n; started++) {
		rc = pthread_create(&w[started].thread, NULL, worker_loop, &w[started]);
		if (rc) {
			fail(&why, EXIT_OS, "cannot start a thread: %s", strerror(rc));
			end_run(f, &why);
			break;
		}
	}
	work_on(&w[0]);
	worker_loop(&w[0]);
	for (i = 1; i < started; i++)
		pthread_join(w[i].thread, NULL);
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
		if (f->op->end && !f->controlled &&
			f->op->end(w[i].op, complete, &w[i].emit, &why) < 0) {
			end_run(f, &why);
			return;
		}
		w[i].flush = false;
		if (deliver_output(&w[i], &why) < 0)
			end_run(f, &why);
	}
}

static void
end_sinks(struct flow *f, bool complete)
{
	struct failure why;

	if (ports_flush(f, complete && !f->status, &why) < 0) {
		end_run(f, &why);
		return;
	}
	if (f->status) {
		/* What came before the failure is delivered all the same. */
		ports_sync(f, &why);
		return;
	}
	if (complete || !ports_appear_later(f)) {
		if (f->source->commit && (ports_sync(f, &why) < 0))
			end_run(f, &why);
	}
	if (f->status)
		return;
	if (complete) {
		if (ports_commit(f, &why) < 0)
			end_run(f, &why);
	} else if (f->failed_status) {
		f->status = f->failed_status;
	} else if (f->controlled && !f->ended) {
		fail(&why, EXIT_TRY_AGAIN, "stdin ended without 'end': a stage before this one "
			"stopped early, and nothing more is committed");
		end_run(f, &why);
	} else if (ports_appear_later(f)) {
		fail(&why, EXIT_TRY_AGAIN, "interrupted before the end of the input: no output "
			"file was made");
		end_run(f, &why);
	}
	if (f->status || !f->source->commit)
		return;
	if (f->source->commit(f->source, &why) < 0)
		end_run(f, &why);
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
		end_run(f, &why);
	say_balance(f);
	if (!f->status && !balance_holds(&f->balance)) {
		balance_text(&f->balance, &b);
		fail(&why, EXIT_INTERNAL, "the balance is off: %s", buf_cstr(&b));
		end_run(f, &why);
		buf_release(&b);
	}
	if (f->status)
		return f->status;
	return f->balance.dead || f->balance.skipped ? EXIT_SOME_BAD : EXIT_OK;
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
	struct worker *w = NULL;
	struct failure why;
	size_t n, i;
	bool complete;

	if (own.serial || source->one_block)
		own.jobs = 1;
	f->envelope_in = own.envelope_in || source->envelopes;
	source->settle = settle;
	source->flow = f;
	f->committed_ns = time_monotonic_ns();
	n = (size_t)own.jobs;
	f->opt = &own;
	f->op = op;
	f->source = source;
	f->began_ns = time_monotonic_ns();
	w = mem_array(n, sizeof(*w));
	sig.progress = own.progress < 0 ? isatty(STDERR_FILENO) && !own.quiet : own.progress;
	if (prepare(f, &why) < 0 || signals_start(&sig, &why) < 0) {
		end_run(f, &why);
		goto out;
	}
	for (i = 0; i < n; i++) {
		if (worker_open(&w[i], f, (unsigned)i, config, &why) < 0) {
			end_run(f, &why);
			goto out;
		}
	}
	run_workers(w, n);
	complete = is_complete(f);
	end_operators(w, n, complete);
	signals_stop();
	clear_progress(f);
	end_sinks(f, complete);
out:
	signals_stop();
	for (i = 0; i < n; i++)
		if (w[i].flow)
			worker_close(&w[i]);
	free(w);
	return last_word(f);
}

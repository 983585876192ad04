/* What a block led to goes to the sinks, in the order in which the blocks were read. */
#include "flow/ahead.h"
#include "flow/coming.h"

#include <stdlib.h>

#include "base/mem.h"

/* Bad records that are said one by one; further ones are counted. */
#define BAD_SAID_MAX 10
#define UNMATCHED_MAX 100
#define IOV_STEP 512
#define PUT_STEP 256 /* lines for a sink that may refuse one */
#define METRICS_EVERY_NS 5000000000LL
#define COMMIT_EVERY_NS 5000000000LL

/* ---- delivery ---------------------------------------------------------------------- */

void
run_failed(struct flow *f, const struct failure *why)
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

static int
sync_letters(struct flow *f, struct failure *why)
{
	return f->port[f->dead_port]->sink->sync(f->port[f->dead_port]->sink, why);
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
		if (b->head.n && !f->carries) {
			buf_adds(&f->letters, wrapped ? "{\"value\":" : "");
			bad_add_dead_letter(b, &f->letters);
			buf_adds(&f->letters, wrapped ? "}\n" : "\n");
		}
	}
	w->told_bad = w->nbad;
	if (!f->letters.n)
		return 0;
	v = (struct iovec){f->letters.p, f->letters.n};
	return port_write(f, f->dead_port, &v, 1, why) < 0 ? -1 : sync_letters(f, why);
}

/* ---- refused records --------------------------------------------------------------- */

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
	r = worker_record(w, index);
	if (worker_read_value(w, &r, &ignored) < 0)
		r.root = JSON_NONE;
	emit_record_begin(&w->emit);
	w->refuses = true;
	worker_note_bad(w, &r, "refused", why);
	w->refuses = false;
	return 0;
}

/* Where the next line of a port's output lies. A piece holds whole lines. */
struct cursor {
	size_t piece, at;
};

static struct slice
next_line(const struct port_out *o, struct cursor *c, size_t n)
{
	const struct piece *p = &o->piece[c->piece];
	struct slice line;

	if (c->at == p->n) {
		c->at = 0;
		p = &o->piece[++c->piece];
	}
	line = slice_of((p->p ? p->p : o->own.p + p->at) + c->at, n);
	c->at += n;
	return line;
}

static bool
is_null(struct slice json)
{
	size_t i = 0;

	while (i < json.n && strchr(" \t\r", json.p[i]))
		i++;
	return json.n - i >= 4 && memcmp(json.p + i, "null", 4) == 0;
}

/* The document of a line that is in the block as it came, or NULL. */
static struct json_doc *
told_doc(struct worker *w, const struct told *t, struct slice line, struct json_doc *doc)
{
	const struct json_line *l = &w->scan.line[t->record];
	struct failure ignored;

	if (t->as == TOLD_BYTES || line.p != w->scan.p + l->start || line.n != l->end - l->start ||
		json_line_doc(&w->scan, t->record, true, doc, &ignored) < 0)
		return NULL;
	return doc;
}

/* The record that a line is of, with the line for its value. */
static struct record
told_record(struct worker *w, const struct told *t, struct slice line, struct json_doc *doc)
{
	struct record r = worker_record(w, t->record);

	line.n--;
	r.line = r.bytes = line;
	r.doc = told_doc(w, t, line, doc);
	r.root = t->as == TOLD_BYTES ? JSON_NONE : 0;
	r.time_us = t->time_us;
	if (t->as == TOLD_VALUE && is_null(line)) {
		r.bytes = (struct slice){0};
		r.root = JSON_NONE;
	}
	return r;
}

/* The record of an envelope line that is in the block as it came. */
static struct record
told_line(struct worker *w, const struct told *t, const struct meta *m, struct json_doc *doc)
{
	struct record r = worker_record(w, t->record);
	struct failure ignored;

	json_line_doc(&w->scan, t->record, true, doc, &ignored);
	r.doc = doc;
	r.root = t->root;
	r.bytes = json_text(doc, t->root);
	r.meta = m;
	r.time_us = t->time_us;
	if (m->tombstone) {
		r.bytes = (struct slice){0};
		r.root = JSON_NONE;
	}
	return r;
}

/* Gather lines from i on that go to the sink in the same way; returns how many. */
static size_t
gather(struct worker *w, const struct port_out *o, size_t i, struct cursor *c)
{
	struct flow *f = w->flow;
	bool envelopes = o->told[i].as == TOLD_ENVELOPE;
	struct slice line;
	size_t n;

	if (!f->put) {
		f->put = mem_array(PUT_STEP, sizeof(*f->put));
		f->put_doc = mem_array(PUT_STEP, sizeof(*f->put_doc));
	}
	buf_reset(&f->gathered);
	for (n = 0; n < PUT_STEP && i + n < o->nlines; n++) {
		if ((o->told[i + n].as == TOLD_ENVELOPE) != envelopes)
			break;
		line = next_line(o, c, o->told[i + n].n);
		if (envelopes)
			buf_add_slice(&f->gathered, line);
		else if (o->told[i + n].as == TOLD_LINE)
			f->put[n] = told_line(w, &o->told[i + n], &o->meta[i + n],
				&f->put_doc[n]);
		else
			f->put[n] = told_record(w, &o->told[i + n], line, &f->put_doc[n]);
	}
	return n;
}

/* Write n lines to a sink that may refuse records: it is asked again behind each of them. */
static int
put_told(struct worker *w, unsigned port, const struct told *t, size_t n,
	struct failure *why)
{
	struct flow *f = w->flow;
	struct slice left = buf_slice(&f->gathered);
	const struct sink *sink;
	struct iovec v;
	size_t done = 0, i;
	int rc;

	while (done < n && !w->halted) {
		v = (struct iovec){(void *)(uintptr_t)left.p, left.n};
		if (t->as == TOLD_ENVELOPE)
			rc = port_write(f, port, &v, 1, why);
		else
			rc = port_put(f, port, f->put + done, n - done, why);
		if (rc == 0)
			break;
		sink = f->port[port]->sink;
		if (!sink || !sink->refused ||
			refused(w, t[done + sink->taken].record, why) < 0)
			return -1;
		for (i = 0; left.n && i <= sink->taken; i++) {
			left.p += t[done + i].n;
			left.n -= t[done + i].n;
		}
		done += sink->taken + 1;
	}
	return 0;
}

static int
write_told(struct worker *w, unsigned port, struct failure *why)
{
	struct port_out *o = w->emit.out[port];
	struct cursor c = {0};
	size_t i, n;

	for (i = 0; i < o->nlines && !w->halted; i += n) {
		n = gather(w, o, i, &c);
		if (put_told(w, port, &o->told[i], n, why) < 0)
			return -1;
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
	if (o->tells)
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
	const struct source *s = f->source;
	bool may_wait = !s->total_bytes || s->endless || s->stdin_pipe;

	if (f->opt->jobs > 1)
		return may_wait;
	if (f->ahead)
		return may_wait && ahead_waits(f->ahead);
	if (coming_reads(f->coming))
		return may_wait && coming_waits(f->coming);
	return f->source->would_wait(f->source);
}

int
worker_deliver_output(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;
	size_t i;

	for (i = 0; i < w->emit.ntouched; i++)
		if (write_port(w, w->emit.touched[i], why) < 0)
			return -1;
	if ((w->letters && sync_letters(f, why) < 0) || deliver_bad(w, why) < 0)
		return -1;
	w->letters = false;
	if (w->emit.ntouched && !f->main_begun && f->outlet[0].port < w->emit.nout &&
		w->emit.out[f->outlet[0].port] && w->emit.out[f->outlet[0].port]->npieces)
		f->main_begun = true;
	if (w->flush || source_waits(f))
		return ports_flush(f, false, why);
	return 0;
}

/* Everything that was read so far is delivered and durable: the source may keep its place. */
int
run_settle(void *flow, struct failure *why)
{
	struct flow *f = flow;

	if (f->grouped)
		return f->status ? 1 : commit_settle(f, why);
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

	/* Before its start a stream has no control records: this would be data. */
	if ((!f->carries && !f->frames) || !f->begun || status == EXIT_SIGPIPE)
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

	if (w->block.n)
		metrics_count(&f->metrics, in, w->balance.in - w->balance.dead - w->balance.skipped,
		now - w->block.read_ns);
	if (now - f->metrics.written_ns > METRICS_EVERY_NS &&
		metrics_write(&f->metrics, f->opt->metrics, f->opt->stage, &f->balance,
			&why) < 0)
		run_failed(f, &why);
}

/* What a block that ends the run leaves to say. A bad record was said by deliver_bad. */
static void
deliver_halt(struct worker *w)
{
	struct flow *f = w->flow;
	const struct bad *b = w->nbad ? &w->bad[w->nbad - 1] : NULL;

	if (w->fatal) {
		tell_fail(w, w->why.status, w->why.text);
		run_failed(f, &w->why);
	} else {
		tell_fail(w, b->status, b->text);
		f->status = b->status;
		atomic_store(&f->stop, true);
	}
}

void
worker_deliver(struct worker *w)
{
	struct flow *f = w->flow;
	struct failure why;
	size_t i;

	if (!atomic_load(&f->stop)) {
		if (deliver_bad(w, &why) < 0 || worker_deliver_output(w, &why) < 0) {
			tell_fail(w, why.status, why.text);
			run_failed(f, &why);
		} else {
			count_lines(w);
			balance_add(&f->balance, &w->balance);
			if (f->opt->metrics)
				keep_metrics(w);
			if (!w->halted && f->source->done)
				f->source->done(f->source, &w->block);
			if (!w->halted && keep_place(f, &why) < 0)
				run_failed(f, &why);
			if (!w->halted && f->owner && !w->enough && epoch_pass(w, &why) < 0) {
				tell_fail(w, why.status, why.text);
				run_failed(f, &why);
			}
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
}

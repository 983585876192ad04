/*
 * What a record becomes. Each worker collects a batch's output by port: runs of input bytes
 * that stayed contiguous are kept as references if they are long, everything else is copied
 * into the port's own buffer. Before a record first touches a port, the port's state is
 * saved, so that a record that turns out bad takes its emissions back.
 */
#include "flow/emit.h"

#include <stdlib.h>

#include "base/mem.h"
#include "flow/internal.h"

/* Below this a copy is cheaper than one more element in writev(2). */
#define RUN_MIN ((size_t)16 << 10)

/* Names seen through templates that a worker remembers. */
#define NAMES_MAX 65536

void
emit_init(struct emit *e, struct flow *flow)
{
	*e = (struct emit){.flow = flow};
}

void
emit_release(struct emit *e)
{
	size_t i;

	for (i = 0; i < e->nout; i++) {
		if (!e->out[i])
			continue;
		buf_release(&e->out[i]->own);
		free(e->out[i]->told);
		free(e->out[i]->meta);
		free(e->out[i]->piece);
		free(e->out[i]);
	}
	free(e->out);
	free(e->touched);
	free(e->saved);
	table_release(&e->names);
	buf_release(&e->scratch);
	envelope_writer_release(&e->writer);
}

void
emit_batch_begin(struct emit *e)
{
	struct port_out *o;
	size_t i;

	for (i = 0; i < e->ntouched; i++) {
		o = e->out[e->touched[i]];
		/* Thousands of ports of one batch each must not keep a burst's memory. */
		if (o->own.cap > 4 << 20 || e->ntouched > 64)
			buf_release(&o->own);
		o->own.n = 0;
		o->npieces = 0;
		o->run_n = 0;
		o->records = 0;
		o->nlines = 0;
		o->touched = false;
	}
	e->ntouched = 0;
}

void
emit_record_begin(struct emit *e)
{
	e->stamp++;
	e->nsaved = 0;
	e->fate = FATE_NONE;
	e->hand = NULL;
}

void
emit_forget(struct emit *e)
{
	e->stamp++;
	e->nsaved = 0;
}

void
emit_record(struct emit *e, const struct record *r)
{
	emit_record_begin(e);
	e->hand = r;
}

static struct port_out *
new_port_out(struct emit *e, unsigned port)
{
	size_t n = e->nout;

	if (port >= n) {
		n = n ? n : 8;
		while (n <= port)
			n *= 2;
		e->out = mem_realloc(e->out, n * sizeof(*e->out));
		memset(e->out + e->nout, 0, (n - e->nout) * sizeof(*e->out));
		e->nout = n;
	}
	e->out[port] = mem_zalloc(sizeof(*e->out[port]));
	flow_port_takes(e->flow, port, &e->out[port]->tells,
		&e->out[port]->takes_records);
	e->out[port]->envelope = e->envelope || e->out[port]->tells;
	return e->out[port];
}

static struct port_out *
touch(struct emit *e, unsigned port)
{
	struct port_out *o = port < e->nout ? e->out[port] : NULL;
	struct saved *s;

	if (__builtin_expect(!o, 0))
		o = new_port_out(e, port);
	if (o->stamp == e->stamp)
		return o;
	o->stamp = e->stamp;
	if (!o->touched) {
		o->touched = true;
		e->touched = mem_grow(e->touched, &e->cap_touched, e->ntouched + 1,
			sizeof(*e->touched));
		e->touched[e->ntouched++] = port;
	}
	if (__builtin_expect(e->nsaved == e->cap_saved, 0))
		e->saved = mem_grow(e->saved, &e->cap_saved, e->nsaved + 1,
			sizeof(*e->saved));
	s = &e->saved[e->nsaved++];
	s->port = port;
	s->own_n = o->own.n;
	s->npieces = o->npieces;
	s->last_n = o->npieces ? o->piece[o->npieces - 1].n : 0;
	s->run = o->run;
	s->run_n = o->run_n;
	s->records = o->records;
	s->nlines = o->nlines;
	return o;
}

void
emit_record_undo(struct emit *e)
{
	struct port_out *o;
	struct saved *s;

	while (e->nsaved) {
		s = &e->saved[--e->nsaved];
		o = e->out[s->port];
		o->own.n = s->own_n;
		o->npieces = s->npieces;
		if (s->npieces)
			o->piece[s->npieces - 1].n = s->last_n;
		o->run = s->run;
		o->run_n = s->run_n;
		o->records = s->records;
		o->nlines = s->nlines;
	}
	e->fate = FATE_NONE;
}

static void
add_piece(struct port_out *o, const char *p, size_t at, size_t n)
{
	struct piece *last = o->npieces ? &o->piece[o->npieces - 1] : NULL;

	if (last && !p && !last->p && last->at + last->n == at) {
		last->n += n;
		return;
	}
	o->piece = mem_grow(o->piece, &o->cap, o->npieces + 1, sizeof(*o->piece));
	o->piece[o->npieces++] = (struct piece){p, at, n};
}

/* Tell of a line of n bytes. */
static inline void
tell(struct emit *e, struct port_out *o, enum told_as as, size_t n)
{
	if (!o->tells)
		return;
	o->told = mem_grow(o->told, &o->cap_told, o->nlines + 1, sizeof(*o->told));
	o->told[o->nlines++] = (struct told){
		.record = e->hand ? e->hand->index : NO_RECORD,
		.as = as,
		.n = n,
		.time_us = e->hand ? e->hand->time_us : TIME_NONE,
	};
}

/* The same of the record in hand, which is an envelope line. */
static void
tell_line(struct emit *e, struct port_out *o, const struct record *r)
{
	o->meta = mem_grow(o->meta, &o->cap_meta, o->nlines + 1, sizeof(*o->meta));
	o->meta[o->nlines] = *r->meta;
	tell(e, o, TOLD_LINE, r->line.n + 1);
	o->told[o->nlines - 1].root = r->root;
}

/* What comes of this record needs no envelope: its block is still there when the sink gets
 * it. What came in one has its text at hand. */
static inline bool
goes_without(const struct emit *e, const struct port_out *o, const struct record *r)
{
	return o->takes_records && r && r == e->hand && !(r->meta && r->meta->prefix.p);
}

/* End the pending run of input bytes. */
static inline void
end_run(struct port_out *o)
{
	size_t at;

	if (!o->run_n)
		return;
	if (o->run_n >= RUN_MIN) {
		add_piece(o, o->run, 0, o->run_n);
	} else {
		at = o->own.n;
		buf_add(&o->own, o->run, o->run_n);
		add_piece(o, NULL, at, o->run_n);
	}
	o->run_n = 0;
}

/* A run of input bytes of whole lines. */
static inline void
add_run(struct port_out *o, const char *p, size_t n)
{
	if (o->run_n && o->run + o->run_n == p) {
		o->run_n += n;
		return;
	}
	end_run(o);
	o->run = p;
	o->run_n = n;
}

void
emit_settle(struct port_out *o)
{
	end_run(o);
}

/* ---- where it goes ----------------------------------------------------------------- */

static unsigned
named_port(struct emit *e, unsigned outlet, struct slice name)
{
	struct table_entry *t;
	bool made;

	buf_reset(&e->scratch);
	buf_add(&e->scratch, &outlet, sizeof(outlet));
	buf_add_slice(&e->scratch, name);
	if (e->names.n >= NAMES_MAX && !table_get(&e->names, buf_slice(&e->scratch)))
		table_release(&e->names);
	t = table_put(&e->names, buf_slice(&e->scratch), &made);
	if (made)
		t->v.u = flow_port(e->flow, outlet, name);
	return (unsigned)t->v.u;
}

static inline struct port_out *
target(struct emit *e, unsigned outlet, struct slice name, bool *to)
{
	const struct outlet *o = flow_outlet_at(e->flow, outlet);

	e->fate = FATE_OUTPUT;
	if (__builtin_expect(o->side && e->carry_run.p, 0)) {
		*to = true;
		return touch(e, flow_outlet_at(e->flow, 0)->port);
	}
	*to = false;
	return touch(e, o->template ? named_port(e, outlet, name) : o->port);
}

/* What travels has the form of the sink that it is for. */
static bool
side_form(const struct emit *e, unsigned outlet)
{
	bool envelopes, records;

	flow_port_takes(e->flow, flow_outlet_at(e->flow, outlet)->port, &envelopes, &records);
	return e->side_envelope || envelopes;
}

bool
emit_as_envelope(const struct emit *e, unsigned outlet)
{
	const struct outlet *o = flow_outlet_at(e->flow, outlet);
	bool envelopes, records;

	if (o->side && e->carry_run.p)
		return side_form(e, outlet);
	flow_port_takes(e->flow, o->port, &envelopes, &records);
	return e->envelope || envelopes;
}

/* ---- lines ------------------------------------------------------------------------- */

/* The index of a side outlet among the side outlets, which is its place in start's list. */
static uint64_t
side_index(struct emit *e, unsigned outlet)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < outlet; i++)
		n += flow_outlet_at(e->flow, i)->side;
	return e->carry_base + n;
}

static void
begin_line(struct emit *e, struct port_out *o, unsigned outlet, bool to,
	enum told_as as, const struct record *parent)
{
	struct buf *b = &o->own;

	end_run(o);
	e->now = o;
	e->now_at = b->n;
	e->now_to = to;
	e->now_envelope = to ? side_form(e, outlet) : o->envelope && as == TOLD_ENVELOPE;
	if (to)
		buf_addf(b, "{\"$sk\":\"to\",\"run\":\"%.*s\",\"sink\":%llu,\"value\":",
			(int)e->carry_run.n, e->carry_run.p,
			(unsigned long long)side_index(e, outlet));
	e->now_as = as;
	e->now_outlet = outlet;
	e->again = to || o->envelope || o->tells || flow_outlet_at(e->flow, outlet)->template ?
		NULL : o;
	if (e->now_envelope)
		envelope_add_prefix(&e->writer, b, parent);
}

void
emit_end(struct emit *e)
{
	struct port_out *o = e->now;
	struct buf *b = &o->own;

	if (e->now_envelope)
		buf_addc(b, '}');
	if (e->now_to) {
		buf_addc(b, '}');
		e->control_lines++;
	}
	buf_addc(b, '\n');
	add_piece(o, NULL, e->now_at, b->n - e->now_at);
	e->made += b->n - e->now_at;
	o->records++;
	tell(e, o, e->now_as, b->n - e->now_at);
	e->now = NULL;
}

struct buf *
emit_begin_named(struct emit *e, unsigned outlet, struct slice name,
	const struct record *parent)
{
	struct port_out *o;
	bool to;

	o = target(e, outlet, name, &to);
	begin_line(e, o, outlet, to,
		!to && goes_without(e, o, parent) ? TOLD_VALUE : TOLD_ENVELOPE, parent);
	return &o->own;
}

struct buf *
emit_begin(struct emit *e, unsigned outlet, const struct record *parent)
{
	struct port_out *o = e->again;

	/* As the one before, of the same record. */
	if (o && e->now_outlet == outlet && o->stamp == e->stamp && !o->run_n) {
		e->fate = FATE_OUTPUT;
		e->now = o;
		e->now_at = o->own.n;
		e->now_to = e->now_envelope = false;
		return &o->own;
	}
	return emit_begin_named(e, outlet, (struct slice){0}, parent);
}

struct buf *
emit_many_begin(struct emit *e, unsigned outlet)
{
	const struct outlet *to = flow_outlet_at(e->flow, outlet);
	struct port_out *o;

	if (to->template || to->side)
		return NULL;
	emit_record_begin(e);
	o = touch(e, to->port);
	if (o->envelope || o->tells)
		return NULL;
	end_run(o);
	e->now = o;
	e->now_at = o->own.n;
	return &o->own;
}

void
emit_many_end(struct emit *e, size_t lines)
{
	struct port_out *o = e->now;

	if (o->own.n > e->now_at)
		add_piece(o, NULL, e->now_at, o->own.n - e->now_at);
	o->records += lines;
	e->now = NULL;
	emit_record_begin(e);
}

struct buf *
emit_begin_made(struct emit *e, unsigned outlet, int64_t time_us)
{
	static const struct meta none = {.offset = -1, .ts_ms = TIME_NONE,
		.time_us = TIME_NONE};
	const struct record made = {.meta = &none, .time_us = time_us};

	return emit_begin(e, outlet, &made);
}

/* An envelope line that need not be read again: what it says of the record, and its tokens, are
 * still there when the sink gets it. */
static inline bool
goes_in_line(const struct emit *e, const struct port_out *o, const struct record *r)
{
	return o->tells && o->takes_records && r == e->hand && r->meta && r->meta->in_place &&
		r->root != JSON_NONE && !r->doc->scan->lazy;
}

/* A record as it came: what was a message stays what it was, null included. */
static inline enum told_as
same_as(const struct emit *e, const struct port_out *o, const struct record *r)
{
	const struct meta *m = r->meta;

	if (goes_in_line(e, o, r))
		return TOLD_LINE;
	if (!goes_without(e, o, r) || (m && m->odd.p))
		return TOLD_ENVELOPE;
	if (r->root == JSON_NONE)
		return TOLD_BYTES;
	return m && !m->tombstone ? TOLD_TEXT : TOLD_VALUE;
}

void
emit_same_named(struct emit *e, unsigned outlet, struct slice name, const struct record *r)
{
	bool to, enveloped = r->meta && r->meta->prefix.p;
	struct port_out *o = target(e, outlet, name, &to);
	enum told_as as = same_as(e, o, r);
	struct slice s = as == TOLD_LINE || (o->envelope && as == TOLD_ENVELOPE) ? r->line :
		r->bytes;
	const char *end = s.p + s.n;

	if (__builtin_expect(to || (o->envelope && as == TOLD_ENVELOPE && !enveloped), 0)) {
		begin_line(e, o, outlet, to, TOLD_ENVELOPE, r);
		if (e->now_envelope)
			envelope_add_value(&o->own, r);
		else if (r->root != JSON_NONE)
			buf_add_slice(&o->own, r->bytes);
		else
			json_add_string(&o->own, r->bytes);
		emit_end(e);
		return;
	}
	o->records++;
	if (as == TOLD_LINE)
		tell_line(e, o, r);
	else
		tell(e, o, as, s.n + 1);
	/* In the block, with its line feed: a reference will do. */
	if (__builtin_expect(s.p >= r->block->p && end < r->block->p + r->block->n &&
			*end == '\n', 1)) {
		add_run(o, s.p, s.n + 1);
		return;
	}
	end_run(o);
	e->now_at = o->own.n;
	buf_add_slice(&o->own, s);
	buf_addc(&o->own, '\n');
	add_piece(o, NULL, e->now_at, s.n + 1);
}

bool
emit_lines(struct emit *e, unsigned outlet, const struct json_scan *s, size_t i, size_t j)
{
	const struct outlet *to = flow_outlet_at(e->flow, outlet);
	const struct json_line *l = s->line;
	struct port_out *o;
	size_t k;

	if (to->template || to->port >= e->nout || (to->side && e->carry_run.p))
		return false;
	o = e->out[to->port];
	if (!o || !o->touched || (o->envelope && !o->takes_records))
		return false;
	o->records += j - i;
	for (k = i; k < j && o->tells; k++) {
		o->told = mem_grow(o->told, &o->cap_told, o->nlines + 1, sizeof(*o->told));
		o->told[o->nlines++] = (struct told){.record = (uint32_t)k, .as = TOLD_VALUE,
			.n = l[k].end + 1 - l[k].start, .time_us = TIME_NONE};
	}
	if (l[j - 1].number - l[i].number == j - 1 - i) {
		add_run(o, s->p + l[i].start, l[j - 1].end + 1 - l[i].start);
		return true;
	}
	/* There are lines of white space between them. */
	for (; i < j; i++)
		add_run(o, s->p + l[i].start, l[i].end + 1 - l[i].start);
	return true;
}

void
emit_same(struct emit *e, unsigned outlet, const struct record *r)
{
	emit_same_named(e, outlet, (struct slice){0}, r);
}

int
emit_bytes(struct emit *e, unsigned outlet, const struct record *parent, struct slice s,
	bool json)
{
	bool to, feeds = s.n && memchr(s.p, '\n', s.n);
	struct port_out *o = target(e, outlet, (struct slice){0}, &to);
	bool bare = !to && goes_without(e, o, parent);
	bool enveloped = to ? side_form(e, outlet) : o->envelope && !bare;
	struct buf *b = &o->own;
	size_t at;

	if (!json && !bare && !enveloped)
		return -1;
	begin_line(e, o, outlet, to, !bare ? TOLD_ENVELOPE : json && !feeds ? TOLD_TEXT :
		TOLD_BYTES, parent);
	at = b->n;
	if (enveloped && (!json || feeds || slice_eq(s, SLICE("null")))) {
		envelope_add_b64(b, s);
	} else {
		buf_add_slice(b, s);
		for (; !bare && feeds && at < b->n; at++)
			if (b->p[at] == '\n')
				b->p[at] = ' ';
	}
	emit_end(e);
	return 0;
}

struct buf *
emit_raw(struct emit *e, unsigned port)
{
	struct port_out *o = touch(e, port);

	end_run(o);
	e->now = o;
	e->now_at = o->own.n;
	return &o->own;
}

void
emit_raw_end(struct emit *e)
{
	struct port_out *o = e->now;

	e->made += o->own.n - e->now_at;
	add_piece(o, NULL, e->now_at, o->own.n - e->now_at);
	tell(e, o, TOLD_ENVELOPE, o->own.n - e->now_at);
	e->now = NULL;
}

void
emit_drop(struct emit *e)
{
	if (e->fate == FATE_NONE)
		e->fate = FATE_DROPPED;
}

void
emit_hold(struct emit *e)
{
	if (e->fate == FATE_NONE)
		e->fate = FATE_HELD;
}

void
emit_late(struct emit *e)
{
	e->fate = FATE_LATE;
}

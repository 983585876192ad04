/* A worker's block: each record is read, tested and handed to the operator; what is wrong with
 * one is noted. */
#include "flow/coming.h"

#include <stdlib.h>

#include "base/mem.h"

#define LARGE_BYTES ((size_t)1 << 20) /* of output that an OP_LARGE operator holds */
#define LONG_LINE 65536 /* bytes: its tokens cost no more alone */
#define EAGER_BLOCKS 64 /* that are not scanned lazily, once that has not paid */

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

/* A dead letter as a "to" record. The sink is the last side outlet that was declared. */
static void
carry(struct flow *f, struct emit *e, struct slice letter)
{
	bool wrapped = f->port[f->outlet[f->noutlets - 1].port]->envelopes;
	struct buf text = {0};
	size_t i, n = 0;

	for (i = 0; i + 1 < f->noutlets; i++)
		n += f->outlet[i].side;
	if (wrapped) {
		buf_addf(&text, "{\"value\":%.*s}", (int)letter.n, letter.p);
		letter = buf_slice(&text);
	}
	control_add_to(emit_raw(e, f->outlet[0].port), buf_slice(&f->run), e->carry_base + n,
		letter);
	emit_raw_end(e);
	e->control_lines++;
	buf_release(&text);
}

/* On a checkpointed stream one thread works, and in order: the line number is known, and the
 * dead letter travels in its place. */
static void
carry_letter(struct worker *w, struct bad *b)
{
	struct buf text = {0};

	b->line += b->relative ? b->input->lines + 1 : 0;
	b->relative = false;
	bad_add_dead_letter(b, &text);
	carry(w->flow, &w->emit, buf_slice(&text));
	buf_release(&text);
}

void
emit_dead(struct emit *e, const char *type, const char *message, struct slice key,
	struct slice value)
{
	struct flow *f = e->flow;
	bool wrapped = f->port[f->dead_port]->envelopes;
	struct buf text = {0};

	buf_adds(&text, "{\"error\":{\"type\":");
	json_add_string(&text, slice_str(type));
	buf_adds(&text, ",\"message\":");
	json_add_string(&text, slice_str(message));
	buf_adds(&text, "},\"origin\":null,\"key\":");
	buf_add_slice(&text, key);
	buf_adds(&text, ",\"headers\":[],\"value\":");
	buf_add_slice(&text, value);
	buf_addc(&text, '}');
	if (f->carries)
		carry(f, e, buf_slice(&text));
	else {
		buf_addf(emit_raw(e, f->dead_port), "%s%.*s%s\n", wrapped ? "{\"value\":" : "",
			(int)text.n, text.p, wrapped ? "}" : "");
		emit_raw_end(e);
	}
	f->some_bad = true;
	buf_release(&text);
}

static char *
place_of(const struct meta *m)
{
	struct buf b = {0};

	buf_add_slice(&b, m->topic);
	buf_addf(&b, "[%d]@%lld", m->partition, (long long)m->offset);
	buf_cstr(&b);
	return b.p;
}

/* Note a bad record. Its emissions are undone. */
void
worker_note_bad(struct worker *w, const struct record *r, const char *type,
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
	if (w->flow->controlled && r->meta && r->meta->topic.p)
		b->place = place_of(r->meta);
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
		if (w->flow->carries) {
			emit_record_begin(&w->emit);
			carry_letter(w, b);
		}
		break;
	}
}

/* ---- one record --------------------------------------------------------------------------- */

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

static void
halt(struct worker *w, const struct failure *why)
{
	w->why = *why;
	w->halted = w->fatal = true;
}

void
worker_pass_watermark(struct worker *w, int64_t us)
{
	struct flow *f = w->flow;

	if (!f->carries)
		return;
	control_add_watermark(emit_raw(&w->emit, f->outlet[0].port), buf_slice(&f->run), us);
	emit_raw_end(&w->emit);
	w->emit.control_lines++;
}

/* Time has moved: what is due happens, and who comes after hears of it. */
int
worker_move_time(struct worker *w, uint32_t task, struct failure *why)
{
	struct flow *f = w->flow;
	int64_t us = f->clock.watermark_us;

	if (f->op->watermark && f->op->watermark(w->op, task, us, &w->emit, why) < 0)
		return -1;
	worker_pass_watermark(w, us);
	emit_record_begin(&w->emit);
	return 0;
}

/* An input tells a time; where that moves the watermark, what is due happens. */
static int
pass_time(struct worker *w, struct input *in, int64_t us, uint32_t task, struct failure *why)
{
	struct flow *f = w->flow;

	return clock_tell(&f->clock, &f->opt->time, in, us, w->taken.unread) ?
		worker_move_time(w, task, why) : 0;
}

/* Give the record its event time. Where that moves the watermark, what is due happens before
 * the record does. 1; 0: it is a bad record; -1: the run ends. */
static int
tell_time(struct worker *w, struct record *r, struct failure *why)
{
	struct flow *f = w->flow;

	if (!(f->op->when && !r->meta && f->op->when(w->op, r, &r->time_us)) &&
		clock_time(&f->opt->time, w->time, &w->time_memo, f->opt->stage, r, &r->time_us,
			why) < 0)
		return why->status == EXIT_DATA ? 0 : -1;
	if (pass_time(w, record_input(r), r->time_us, r->task, why) < 0)
		return -1;
	w->emit.hand = r;
	return 1;
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
		rc = tell_time(w, r, &why);
		if (rc == 0) {
			worker_note_bad(w, r, "time", &why);
			return;
		}
		if (rc < 0) {
			halt(w, &why);
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
		halt(w, &why);
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

/* ---- one block ---------------------------------------------------------------------------- */

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

/* A line in which something was noticed may be valid all the same, and end with a line feed
 * alone. */
static bool
is_plain(struct worker *w, size_t i)
{
	struct failure ignored;

	return !(w->scan.line[i].flags & (JSON_LINE_UNENDED | JSON_LINE_CR)) &&
		json_line_doc(&w->scan, i, w->flow->opt->trust, &w->doc, &ignored) == 0;
}

/* One byte, or eight at once: ones is 1 in each, and stays all ones where a line stays. An
 * answer is 0, 1 or, if it isn't sure, all ones. */
static inline uint64_t
by_answers(uint64_t to, uint64_t is, uint64_t ones, const uint64_t goes[2],
	const uint64_t stays[2])
{
	uint64_t unsure = is >> 1 & ones, yes = (is & ones) ^ unsure, no;

	unsure *= 255;
	yes *= 255;
	no = ones * 255 & ~(unsure | yes);
	return unsure | (yes & (goes[1] | (stays[1] & to))) | (no & (goes[0] | (stays[0] & to)));
}

void
glance_by(uint8_t *to, const int8_t *is, size_t n, int yes, int no)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t goes[2] = {no < 0 ? 0 : (uint64_t)no * ones,
		yes < 0 ? 0 : (uint64_t)yes * ones};
	const uint64_t stays[2] = {no < 0 ? ~UINT64_C(0) : 0, yes < 0 ? ~UINT64_C(0) : 0};
	uint64_t t, a;
	size_t i;

	for (i = 0; i + sizeof(t) <= n; i += sizeof(t)) {
		memcpy(&t, to + i, sizeof(t));
		memcpy(&a, is + i, sizeof(a));
		t = by_answers(t, a, ones, goes, stays);
		memcpy(to + i, &t, sizeof(t));
	}
	for (; i < n; i++)
		to[i] = (uint8_t)by_answers(to[i], (uint8_t)is[i], 1, goes, stays);
}

/*
 * Where the lines of the block in hand go that can be told at a glance, before anything is
 * made of them; NULL: each is a record. So is every line that may not pass as it is.
 */
static const uint8_t *
glance(struct worker *w)
{
	const struct flow *f = w->flow;
	struct json_scan *s = &w->scan;
	const int8_t *is = NULL;
	size_t i, n = s->nlines;

	if (!s->lazy || !f->op->glance || w->looks || f->carries || f->clock.on ||
		w->check_start || w->block.meta || w->block.origin)
		return NULL;
	if (w->where && (f->op->flags & OP_STATE || !(is = expr_answers(w->where, s))))
		return NULL;
	w->to = mem_grow(w->to, &w->cap_to, n + sizeof(uint64_t), 1);
	memset(w->to + n, GLANCE_RECORD, sizeof(uint64_t));
	if (!f->op->glance(w->op, s, &w->block.notes, w->to))
		return NULL;
	if (is)
		glance_by(w->to, is, n, GLANCE_STAYS, GLANCE_DROP);
	for (i = 0; s->flags && i < n; i++)
		if (s->line[i].flags && w->to[i] != GLANCE_RECORD && !is_plain(w, i))
			w->to[i] = GLANCE_RECORD;
	return w->to;
}

/* How many bytes from the first on are the same as it; sizeof(uint64_t) bytes behind the last
 * are readable. */
static inline size_t
same_bytes(const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		uint64_t all = p[0] * UINT64_C(0x0101010101010101), x;

		memcpy(&x, p + i, sizeof(x));
		x ^= all;
		if (x) {
			i += (size_t)__builtin_ctzll(x) / 8;
			break;
		}
		i += sizeof(x) - 1;
#else
		if (p[i] != p[0])
			break;
#endif
	}
	return i < n ? i : n;
}

/* Let lines from i on go where it was told. Returns the first that is a record. */
static size_t
pass_lines(struct worker *w, const uint8_t *to, size_t i)
{
	struct balance *b = &w->balance;
	size_t n = w->scan.nlines, run;

	for (; i < n; i += run) {
		run = same_bytes(to + i, n - i);
		if (to[i] == GLANCE_DROP)
			b->dropped += run;
		else if (to[i] != GLANCE_RECORD &&
			emit_lines(&w->emit, to[i], &w->scan, i, i + run))
			b->output += run;
		else
			break;
		b->in += run;
	}
	return i;
}

/* Whether lines of the block in hand may be asked about before anything is made of them. */
static bool
is_peeked(const struct worker *w)
{
	return w->scan.lazy && w->flow->op->peek && !w->looks && !w->flow->carries && !w->flow->owner &&
		!w->flow->clock.on && !w->check_start &&
		!w->block.meta && !w->block.origin;
}

/* A line that goes as it is, and not the short way. */
static void
emit_peeked(struct worker *w, size_t i, unsigned outlet)
{
	struct record r = worker_record(w, i);

	emit_record_begin(&w->emit);
	w->emit.hand = &r;
	emit_same(&w->emit, outlet, &r);
	w->emit.hand = NULL;
}

/* Take lines from i on as long as a look at them will do. Returns the first that needs more. */
static size_t
peek_at_lines(struct worker *w, size_t i)
{
	const struct operator *op = w->flow->op;
	uint32_t odd = w->flow->opt->trust ? (uint32_t)JSON_LINE_CR :
		~(uint32_t)JSON_LINE_UNENDED;
	struct json_doc d = {.base = w->scan.p, .scan = &w->scan};
	size_t dropped = 0, output = 0, n = w->scan.nlines;
	enum op_peek peek;
	unsigned outlet;
	int rc;

	for (; i < n; i++) {
		const struct json_line *l = &w->scan.line[i];

		if (__builtin_expect(l->flags & odd, 0))
			break;
		d.flags = l->flags;
		d.line = (uint32_t)i;
		rc = w->where ? expr_ask(w->where, &d) : 1;
		if (rc < 0)
			break;
		peek = rc ? op->peek(w->op, &d, &outlet) : PEEK_DROP;
		if (peek == PEEK_DROP) {
			dropped++;
			continue;
		}
		if (peek == PEEK_RECORD)
			break;
		output++;
		if (l->flags & JSON_LINE_UNENDED ||
			!emit_lines(&w->emit, outlet, &w->scan, i, i + 1))
			emit_peeked(w, i, outlet);
	}
	w->balance.in += dropped + output;
	w->balance.dropped += dropped;
	w->balance.output += output;
	return i;
}

/* Whether records of the block in hand may be taken together. */
static bool
has_runs(const struct worker *w)
{
	const struct flow *f = w->flow;

	return f->op->run && f->clock.on && !f->opt->time.idle_us && !f->opt->counts &&
		!f->carries && !f->envelope_in && !w->where && !w->looks && !w->check_start &&
		!f->skip && !f->ended && !w->block.meta && !w->block.origin;
}

/* Take records from i on, as long as they can be taken together. Returns the first that
 * can't. */
static size_t
take_runs(struct worker *w, size_t i)
{
	struct flow *f = w->flow;
	const struct operator *op = f->op;
	const struct flow_time *time = &f->opt->time;
	struct input *in = w->block.input;
	struct op_run run;
	struct failure why;
	int rc;

	while (i < w->scan.nlines && op->run(w->op, &w->block, i, &run)) {
		emit_record_begin(&w->emit);
		/* What is due before the first of them happens before all. */
		rc = pass_time(w, in, run.first_us, 0, &why);
		if (rc == 0)
			rc = op->take_run(w->op, &w->block, i, clock_foresee(&f->clock, time, in,
				run.newest_us, w->taken.unread), &why);
		if (rc > 0 && pass_time(w, in, run.newest_us, 0, &why) < 0)
			rc = -1;
		if (rc < 0)
			halt(w, &why);
		if (rc <= 0)
			break;
		w->balance.in += run.n;
		w->balance.held += run.held;
		w->balance.dropped += run.n - run.held;
		i += run.n;
	}
	return i;
}

/* Does any record of the block in hand need no more than its note? */
static bool
is_noted(const struct worker *w)
{
	const struct flow *f = w->flow;

	return f->op->noted && w->block.notes.n && !w->looks && !f->carries && !f->owner &&
		!f->clock.on && !f->coming && !w->where && !w->enough && !w->check_start &&
		!w->emit.envelope && !w->block.meta && !w->block.origin;
}

struct record
noted_record(const struct noted *n)
{
	const struct json_line *l = &n->scan->line[n->i];
	struct slice line = json_line_text(n->scan, n->i);

	return (struct record){.line = line, .bytes = line, .block = n->block,
		.index = (uint32_t)n->i, .offset = n->block->offset + l->start,
		.time_us = TIME_NONE};
}

/* Take records from i on by their notes. Returns the first that needs more. */
static size_t
take_noted(struct worker *w, size_t i)
{
	struct noted n = {.block = &w->block, .scan = &w->scan, .i = i};
	struct balance *b = &w->balance;
	struct failure why;

	if (w->flow->op->noted(w->op, &n, &w->emit, &why) < 0) {
		emit_record_undo(&w->emit);
		b->in++;
		halt(w, &why);
	}
	w->emit.hand = NULL;
	b->in += n.held + n.output;
	b->held += n.held;
	b->output += n.output;
	return n.i;
}

/* Inputs may have been at rest for so long that time goes on without them. */
static int
rest(struct worker *w, struct failure *why)
{
	struct flow *f = w->flow;

	if (!clock_rest(&f->clock, &f->opt->time, time_monotonic_ns(), w->taken.unread))
		return 0;
	emit_record_begin(&w->emit);
	w->flush = true;
	return worker_move_time(w, 0, why);
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
	const uint8_t *to = glance(w);
	bool looks, peeked = is_peeked(w), alone = f->opt->jobs == 1 || f->controlled;
	bool runs = has_runs(w), noted = is_noted(w);
	bool large = alone && f->op->flags & OP_LARGE;
	size_t i;

	looks = w->looks;
	for (i = 0; i < w->scan.nlines && !w->halted; i++) {
		if (to && (i = pass_lines(w, to, i)) == w->scan.nlines)
			break;
		if (peeked && (i = peek_at_lines(w, i)) == w->scan.nlines)
			break;
		if (runs && ((i = take_runs(w, i)) == w->scan.nlines || w->halted))
			break;
		if (noted && ((i = take_noted(w, i)) == w->scan.nlines || w->halted))
			break;
		line = json_line_text(&w->scan, i);
		if (looks && w->scan.line[i].flags & JSON_LINE_UNENDED) {
			fail(&why, EXIT_TRY_AGAIN, "stdin ended within a line: a stage before this "
				"one was killed, and nothing more is committed");
			halt(w, &why);
			break;
		}
		if (looks && control_is(line, buf_slice(&f->run))) {
			if (control_line(w, line, &why) < 0 ||
				(f->due && !f->ended && commit_here(w, &why) < 0))
				halt(w, &why);
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
			halt(w, &why);
			break;
		}
		if (f->coming)
			coming_show(f->coming, i);
		take_line(w, i, &r);
		one_record(w, &r);
		if (large && !w->halted && deliver_large(w, &why) < 0)
			halt(w, &why);
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
	if (f->clock.on && f->opt->time.idle_us && rest(w, &why) < 0) {
		w->scan.nlines = 0;
		halt(w, &why);
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

/* Lines whose way is told before anything is made of them: those of a block all at once
 * (operator.glance), or one by one (operator.peek). */
#include "flow/run.h"

#include "base/mem.h"

/* ---- all at once ------------------------------------------------------------------- */

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

const uint8_t *
worker_glance(struct worker *w)
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

size_t
worker_pass_lines(struct worker *w, const uint8_t *to, size_t i)
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

/* ---- one by one -------------------------------------------------------------------- */

bool
worker_is_peeked(const struct worker *w)
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

size_t
worker_peek(struct worker *w, size_t i)
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

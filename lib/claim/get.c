/* get: what references tell of takes their place again. verify: it is there, and right. */
#include <stdlib.h>

#include "base/mem.h"
#include "claim/crew.h"
#include "flow/emit.h"

#define STEAL_BYTES ((size_t)1 << 20)

struct get {
	const struct claim_options *opt;
	const char *stage;
	struct claim_at at;
	struct expr_run *ref;
	struct arena arena;       /* of the record in hand */
	struct porter *porter;
	struct crew *crew;        /* NULL before the first thing to come */
	struct fetched fetched;   /* of what no hand has fetched */
};

static void *
get_open(const struct op_context *ctx, struct failure *why)
{
	struct get *g = mem_zalloc(sizeof(*g));
	const struct claim_options *opt = ctx->config;

	g->opt = opt;
	g->stage = ctx->stage;
	g->porter = porter_new(opt, why);
	if (!g->porter) {
		free(g);
		return NULL;
	}
	claim_at_init(&g->at, opt->at);
	g->ref = opt->ref ? expr_run_new(opt->ref) : NULL;
	return g;
}

static void
get_close(void *self)
{
	struct get *g = self;

	crew_free(g->crew);
	porter_free(g->porter);
	claim_at_release(&g->at);
	expr_run_free(g->ref);
	arena_release(&g->arena);
	buf_release(&g->fetched.content);
	free(g);
}

static void
reset(struct get *g)
{
	claim_at_reset(&g->at);
	if (g->ref)
		expr_run_reset(g->ref);
	arena_reset(&g->arena);
}

/* What --ref finds in an event: nothing, null and false say that it has no reference. */
static int
find_shaped(struct get *g, const struct record *r, struct value *reference,
	struct failure *why)
{
	struct value root = record_value(r);
	struct record_vars vars = {.record = r, .stage = g->stage,
		.arena = expr_run_arena(g->ref)};
	struct expr_env env = {record_var, &vars};
	const struct value *v;
	ptrdiff_t n = expr_all(g->ref, &root, &env, &v, why);

	if (n < 0)
		return fail_within(why, "--ref: ");
	if (n > 1)
		return fail_record(why, "reference", "--ref gives %td values, not one", n);
	if (n == 0 || !value_truth(v))
		return 0;
	*reference = *v;
	return 1;
}

/* 1: the record has a reference, and it tells of that claim; 0: it has none; -1. */
static int
find(struct get *g, const struct record *r, struct place *place, struct claim *c,
	struct failure *why)
{
	struct value reference;
	uint32_t t;
	int rc = claim_place(place, r, &g->at, g->stage, why);

	if (rc > 0 && g->ref) {
		rc = find_shaped(g, r, &reference, why);
	} else if (rc > 0) {
		t = claim_check_of(place);
		rc = t != JSON_NONE;
		if (rc)
			reference = value_token(place->doc, t);
	}
	if (rc <= 0)
		return rc;
	return claim_read(c, &reference, g->opt, g->porter->store, &g->arena, why) < 0 ? -1 : 1;
}

static enum op_coming
get_coming(void *self, const struct record *r)
{
	struct get *g = self;
	struct transfer *t;
	struct failure why;
	struct place place;

	if (!g->crew)
		g->crew = crew_new(g->opt, (size_t)g->opt->jobs, false);
	if (!r || !r->line.p) {
		crew_forget(g->crew, r ? r->block : NULL);
		return COMING_NOTHING;
	}
	if (!r->doc && !g->ref && !claim_maybe(r))
		return COMING_NOTHING;
	t = crew_berth(g->crew);
	if (!t)
		return COMING_FULL;
	if (!r->doc)
		return COMING_VALUE;
	/* Without a thread record() does it. */
	if (find(g, r, &place, &t->claim, &why) > 0)
		(void)crew_begin(g->crew, t, r, &why);
	reset(g);
	return COMING_NOTHING;
}

/* Long content changes places with the memory that lines are made in, where that is empty. */
static void
add_content(struct buf *b, struct fetched *f)
{
	struct buf empty = *b;
	size_t at = b->n;

	if (at || f->content.n < STEAL_BYTES) {
		buf_add_slice(b, buf_slice(&f->content));
	} else {
		*b = f->content;
		f->content = empty;
	}
	for (; !f->line && at < b->n; at++)
		if (b->p[at] == '\n')
			b->p[at] = ' ';
}

/* Content in the place of its reference. */
static int
restore(const struct record *r, const struct place *place, struct fetched *f,
	struct emit *e, struct failure *why)
{
	struct buf *b;

	if (place->whole && (!f->json || emit_as_envelope(e, 0)) &&
		emit_bytes(e, 0, r, buf_slice(&f->content), f->json) == 0)
		return OP_OK;
	if (!f->json)
		return fail_record(why, "blob", place->whole ? "the blob is not JSON: -e or a "
			"topic can carry it" : "the blob is not JSON");
	b = emit_begin(e, 0, r);
	buf_add_slice(b, place->before);
	add_content(b, f);
	buf_add_slice(b, place->after);
	emit_end(e);
	return OP_OK;
}

static int
fetch(struct get *g, const struct record *r, const struct place *place,
	const struct claim *c, struct emit *e, struct failure *why)
{
	struct transfer *t = g->crew ? crew_take(g->crew, r) : NULL;
	struct fetched *f = t ? &t->fetched : &g->fetched;
	int rc;

	if (t) {
		rc = t->rc;
		if (rc < 0)
			*why = t->why;
	} else {
		rc = porter_get(g->porter, c, &g->fetched, why);
	}
	if (rc == 0 && !g->opt->check_only)
		rc = restore(r, place, f, e, why);
	if (t)
		crew_return(g->crew, t);
	return rc;
}

static int
get_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct get *g = self;
	struct claim claim;
	struct place place;
	int rc = 0;

	if (g->ref || claim_maybe(r))
		rc = find(g, r, &place, &claim, why);
	if (rc > 0)
		rc = fetch(g, r, &place, &claim, e, why);
	else if (rc == 0 && !g->opt->check_only)
		emit_same(e, 0, r);
	if (rc == 0)
		emit_drop(e); /* counts only where nothing was emitted */
	reset(g);
	return rc;
}

static enum op_peek
get_peek(void *self, const struct json_doc *d, unsigned *outlet)
{
	const struct get *g = self;
	const struct json_line *l = &d->scan->line[d->line];
	struct record r = {.line = slice_of(d->base + l->start, l->end - l->start)};

	*outlet = 0;
	if (g->ref || claim_maybe(&r))
		return PEEK_RECORD;
	return g->opt->check_only ? PEEK_DROP : PEEK_SAME;
}

const struct operator claim_get = {
	.name = "claim-get",
	.flags = OP_LAZY | OP_LARGE,
	.open = get_open,
	.record = get_record,
	.peek = get_peek,
	.coming = get_coming,
	.close = get_close,
};

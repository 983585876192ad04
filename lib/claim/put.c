/* put: payloads that are too large go to the store, and references take their place. */
#include <stdlib.h>

#include "base/mem.h"
#include "claim/crew.h"
#include "claim/beside.h"
#include "flow/emit.h"

struct put {
	const struct claim_options *opt;
	const char *stage;
	struct claim_at at;
	struct expr_run *ref;
	struct beside beside;
	struct name_run name;
	struct porter *porter;
	struct crew *crew;        /* NULL before the first thing to come */
	struct buf text;
	struct claim stored;      /* what the record in hand became */
	const struct claim *claim; /* what the variables tell of */
	const struct record *record;
};

static void *
put_open(const struct op_context *ctx, struct failure *why)
{
	struct put *p = mem_zalloc(sizeof(*p));
	const struct claim_options *opt = ctx->config;

	p->opt = opt;
	p->stage = ctx->stage;
	p->porter = porter_new(opt, why);
	if (!p->porter) {
		free(p);
		return NULL;
	}
	claim_at_init(&p->at, opt->at);
	beside_init(&p->beside, opt->keep);
	p->ref = opt->ref ? expr_run_new(opt->ref) : NULL;
	name_run_init(&p->name, opt->name);
	return p;
}

static void
put_close(void *self)
{
	struct put *p = self;

	crew_free(p->crew);
	porter_free(p->porter);
	claim_at_release(&p->at);
	beside_release(&p->beside);
	expr_run_free(p->ref);
	name_run_release(&p->name, p->opt->name);
	buf_release(&p->text);
	free(p);
}

static void
reset(struct put *p)
{
	claim_at_reset(&p->at);
	if (p->ref)
		expr_run_reset(p->ref);
}

static struct value
claim_var(void *self, unsigned index)
{
	struct put *p = self;
	const struct claim *c = p->claim;

	switch (index) {
	case CLAIM_VAR_URL:
		buf_reset(&p->text);
		blob_add_url(p->porter->store, slice_str(c->name), &p->text);
		return value_string(arena_copy(expr_run_arena(p->ref), buf_slice(&p->text)));
	case CLAIM_VAR_SHA256:
		return value_string(slice_str(c->sha256));
	case CLAIM_VAR_SIZE:
		return value_double((double)c->size);
	default:
		return value_string(c->encoding == BLOB_ZSTD ? SLICE("zstd") : SLICE("none"));
	}
}

/* ---- what is stored ---------------------------------------------------------------- */

/* Is the record small and plain, so that it passes as it is? Told from its line. */
static bool
is_small(const struct put *p, const struct record *r)
{
	return r->bytes.n <= p->opt->over && !(r->meta && r->meta->odd.n > p->opt->over) &&
		!claim_maybe(r);
}

/* 1: what is at place is to be stored; 0: the record passes; -1. */
static int
find(struct put *p, const struct record *r, struct place *place, struct failure *why)
{
	int rc = claim_place(place, r, &p->at, p->stage, why);

	if (rc <= 0)
		return rc;
	return place->text.n > p->opt->over || claim_check_of(place) != JSON_NONE;
}

/* Name the payload's blob, unless its hash does. */
static int
identify(struct put *p, struct slice payload, struct claim *c, struct failure *why)
{
	struct record_vars vars = {.record = p->record, .stage = p->stage, .more = claim_var,
		.arg = p};
	struct value root;

	if (!p->opt->name)
		return 0;
	c->size = payload.n;
	sha_of(p->porter->sha, payload, c->sha256);
	p->claim = c;
	root = record_value(p->record);
	buf_reset(&p->text);
	if (name_make(p->opt->name, &p->name, &root, &vars, &p->text, why) < 0)
		return -1;
	memcpy(c->name, p->text.p, p->text.n);
	c->name[p->text.n] = '\0';
	return 0;
}

static enum op_coming
put_coming(void *self, const struct record *r)
{
	struct put *p = self;
	struct transfer *t;
	struct failure why;
	struct place place;
	bool found;

	if (!p->crew)
		p->crew = crew_new(p->opt, (size_t)p->opt->jobs, true);
	if (!r || !r->line.p) {
		crew_forget(p->crew, r ? r->block : NULL);
		return COMING_NOTHING;
	}
	if (!r->doc && is_small(p, r))
		return COMING_NOTHING;
	t = crew_berth(p->crew);
	if (!t)
		return COMING_FULL;
	if (!r->doc)
		return COMING_VALUE;
	p->record = r;
	/* Text that is made for the record in hand doesn't stay. */
	found = find(p, r, &place, &why) > 0 && place.text.p >= r->block->p &&
		place.text.p < r->block->p + r->block->n;
	if (found && identify(p, place.text, &t->claim, &why) == 0) {
		t->payload = place.text;
		/* Without a thread record() does it. */
		(void)crew_begin(p->crew, t, r, &why);
	}
	reset(p);
	return COMING_NOTHING;
}

/* Have the payload stored, by the crew or at once. */
static int
store(struct put *p, const struct record *r, const struct place *place, struct claim *c,
	struct failure *why)
{
	struct transfer *t = p->crew ? crew_take(p->crew, r) : NULL;
	int rc;

	if (!t)
		return identify(p, place->text, c, why) < 0 ? -1 :
			porter_put(p->porter, place->text, c, why);
	rc = t->rc;
	if (rc < 0)
		*why = t->why;
	else
		*c = t->claim;
	crew_return(p->crew, t);
	return rc;
}

/* ---- what takes its place ---------------------------------------------------------- */

/* What --ref makes of the event. */
static int
add_shaped(struct put *p, struct buf *b, struct failure *why)
{
	struct value root = record_value(p->record);
	struct record_vars vars = {.record = p->record, .stage = p->stage, .more = claim_var,
		.arg = p, .arena = expr_run_arena(p->ref)};
	struct expr_env env = {record_var, &vars};
	const struct value *v;
	ptrdiff_t n = expr_all(p->ref, &root, &env, &v, why);

	if (n < 0)
		return fail_within(why, "--ref: ");
	if (n != 1)
		return fail_record(why, "reference", "--ref gives %td values, not one", n);
	value_add_json(b, v);
	return 0;
}

static int
replace(struct put *p, const struct place *place, struct emit *e, struct failure *why)
{
	struct buf *b = emit_begin(e, 0, p->record);
	int rc;

	buf_add_slice(b, place->before);
	if (p->ref) {
		rc = add_shaped(p, b, why);
	} else {
		buf_addc(b, '{');
		rc = place->whole ? beside_add(&p->beside, p->record, p->stage, b, why) : 0;
		buf_adds(b, "\"claimCheck\":");
		claim_add(b, p->porter->store, p->claim);
		buf_addc(b, '}');
	}
	buf_add_slice(b, place->after);
	emit_end(e);
	return rc;
}

static int
put_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct put *p = self;
	struct place place;
	int rc;

	if (is_small(p, r)) {
		emit_same(e, 0, r);
		return OP_OK;
	}
	p->record = r;
	rc = find(p, r, &place, why);
	if (rc == 0)
		emit_same(e, 0, r);
	if (rc > 0) {
		rc = store(p, r, &place, &p->stored, why);
		p->claim = &p->stored;
		if (rc == 0)
			rc = replace(p, &place, e, why);
	}
	reset(p);
	return rc;
}

/* A small line needs no more than a look. */
static enum op_peek
put_peek(void *self, const struct json_doc *d, unsigned *outlet)
{
	const struct put *p = self;
	const struct json_line *l = &d->scan->line[d->line];
	struct record r = {.line = slice_of(d->base + l->start, l->end - l->start)};

	*outlet = 0;
	return r.line.n <= p->opt->over && !claim_maybe(&r) ? PEEK_SAME : PEEK_RECORD;
}

const struct operator claim_put = {
	.name = "claim-put",
	.flags = OP_EFFECTFUL | OP_LAZY,
	.open = put_open,
	.record = put_record,
	.peek = put_peek,
	.coming = put_coming,
	.close = put_close,
};

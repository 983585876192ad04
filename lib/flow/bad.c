/* A block's bad records: each is noted, and makes a dead letter where these are kept. */
#include "flow/run.h"

#include "base/mem.h"

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

/* The letter itself, a line of its sink. */
static void
put(struct flow *f, struct emit *e, struct slice letter)
{
	bool wrapped = f->port[f->dead_port]->envelopes;
	struct buf *b = emit_raw(e, f->dead_port);

	if (wrapped)
		buf_adds(b, "{\"value\":");
	buf_add_slice(b, letter);
	buf_adds(b, wrapped ? "}\n" : "\n");
	emit_raw_end(e);
}

/* On a checkpointed stream one thread works, and in order: the line number is known, and the
 * dead letter travels in its place. So does that of an operator that makes some itself: their
 * order is told by the records, and not by where blocks end. */
static bool
is_in_place(const struct worker *w)
{
	const struct flow *f = w->flow;

	return f->carries || (f->op->flags & OP_STATE && f->opt->jobs == 1 && !w->refuses);
}

static void
put_in_place(struct worker *w, struct bad *b)
{
	struct buf text = {0};

	b->line += b->relative ? b->input->lines + 1 : 0;
	b->relative = false;
	bad_add_dead_letter(b, &text);
	emit_record_begin(&w->emit);
	if (w->flow->carries) {
		carry(w->flow, &w->emit, buf_slice(&text));
	} else {
		put(w->flow, &w->emit, buf_slice(&text));
		w->letters = true;
	}
	buf_release(&text);
	buf_release(&b->head);
}

void
emit_dead(struct emit *e, const char *type, const char *message, struct slice key,
	struct slice value)
{
	struct flow *f = e->flow;
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
	else
		put(f, e, buf_slice(&text));
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
		if (is_in_place(w))
			put_in_place(w, b);
		break;
	}
}

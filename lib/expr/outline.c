/* A filter as texts with gaps. */
#include "expr/outline.h"

#include <stdlib.h>

#include "base/mem.h"
#include "expr/node.h"

struct outliner {
	struct expr_outline *o;
	unsigned first, n;
	unsigned depth;
};

/* The text written since the last gap is one piece: where it begins in o->text is kept in
 * its length until all is there. */
static void
end_text(struct expr_outline *o, size_t *from)
{
	if (o->text.n == *from)
		return;
	o->piece = mem_grow(o->piece, &o->cap_pieces, o->npieces + 1, sizeof(*o->piece));
	o->piece[o->npieces++] = (struct expr_piece){{NULL, o->text.n - *from}, -1};
	*from = o->text.n;
}

static size_t
text_so_far(const struct expr_outline *o)
{
	size_t n = 0, i;

	for (i = 0; i < o->npieces; i++)
		n += o->piece[i].leaf < 0 ? o->piece[i].text.n : 0;
	return n;
}

/* A path without ? has one output or fails. */
static bool
is_plain_path(const struct node *n)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		if (n->u.step[i].opt)
			return false;
	return true;
}

static bool
add_leaf(struct outliner *p, const struct node *n)
{
	struct expr_outline *o = p->o;
	const struct node *base = n->kind == N_PATH ? n->a : n;
	struct expr_leaf leaf = {.path = n};
	size_t from = text_so_far(o);

	if (n->kind == N_PATH && !is_plain_path(n))
		return false;
	if (base && base->kind == N_ENV) {
		if (base->slot < p->first || base->slot >= p->first + p->n)
			return false;
		leaf.of = base->slot - p->first + 1;
	} else if (base && base->kind != N_SELF) {
		return false;
	}
	if (n->kind == N_PATH && n->n == 1 && n->u.step[0].field)
		leaf.field = n->u.step[0].name.key;
	end_text(o, &from);
	o->leaf = mem_grow(o->leaf, &o->cap_leaves, o->nleaves + 1, sizeof(*o->leaf));
	o->leaf[o->nleaves] = leaf;
	o->piece = mem_grow(o->piece, &o->cap_pieces, o->npieces + 1, sizeof(*o->piece));
	o->piece[o->npieces++] = (struct expr_piece){{NULL, 0}, (int)o->nleaves++};
	return true;
}

static bool add(struct outliner *, const struct node *);

static bool
add_object(struct outliner *p, const struct node *n)
{
	struct buf *b = &p->o->text;
	size_t i;

	if (n->n && !n->distinct)
		return false;
	buf_addc(b, '{');
	for (i = 0; i < n->n; i++) {
		if (n->u.field[i].key || !n->u.field[i].value)
			return false;
		if (i)
			buf_addc(b, ',');
		json_add_string(b, n->u.field[i].name);
		buf_addc(b, ':');
		if (!add(p, n->u.field[i].value))
			return false;
	}
	buf_addc(b, '}');
	return true;
}

static bool
add(struct outliner *p, const struct node *n)
{
	bool good;

	if (++p->depth > MAX_NESTING)
		return false;
	switch ((enum node_kind)n->kind) {
	case N_CONST:
		value_add_json(&p->o->text, &n->value);
		good = true;
		break;
	case N_SELF:
	case N_ENV:
	case N_PATH:
		good = add_leaf(p, n);
		break;
	case N_OBJECT:
		good = add_object(p, n);
		break;
	case N_ARRAY:
		buf_addc(&p->o->text, '[');
		good = add(p, n->a);
		buf_addc(&p->o->text, ']');
		break;
	case N_COMMA:
		good = add(p, n->a);
		buf_addc(&p->o->text, ',');
		good = good && add(p, n->b);
		break;
	default:
		good = false;
	}
	p->depth--;
	return good;
}

/* A comma that stands anywhere but right within [] makes several outputs. */
static bool
commas_are_in_arrays(const struct node *n, bool in_array)
{
	size_t i;

	switch ((enum node_kind)n->kind) {
	case N_COMMA:
		return in_array && commas_are_in_arrays(n->a, true) &&
			commas_are_in_arrays(n->b, true);
	case N_ARRAY:
		return commas_are_in_arrays(n->a, true);
	case N_OBJECT:
		for (i = 0; i < n->n; i++)
			if (n->u.field[i].value &&
				!commas_are_in_arrays(n->u.field[i].value, false))
				return false;
		return true;
	default:
		return true;
	}
}

bool
expr_outline(const struct expr *x, unsigned first, unsigned n, struct expr_outline *o)
{
	struct outliner p = {o, first, n, 0};
	size_t i, at = 0;

	*o = (struct expr_outline){0};
	if (!x->root || !commas_are_in_arrays(x->root, false) || !add(&p, x->root)) {
		expr_outline_release(o);
		return false;
	}
	at = text_so_far(o);
	end_text(o, &at);
	for (i = 0, at = 0; i < o->npieces; i++) {
		if (o->piece[i].leaf >= 0)
			continue;
		o->piece[i].text.p = o->text.p + at;
		at += o->piece[i].text.n;
	}
	return true;
}

void
expr_outline_release(struct expr_outline *o)
{
	free(o->piece);
	free(o->leaf);
	buf_release(&o->text);
	*o = (struct expr_outline){0};
}

/*
 * Conditions asked of bytes: what compares members of "." with constants, and `and`, `or`,
 * `not` and `select` of that, is told for most lines without their tokens. Whatever else a
 * line may hold (a name twice, escapes, an error to be raised) is left to the evaluation.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "expr/node.h"

enum { NO, YES, UNSURE = -1 };

/* .name */
static bool
is_member(const struct node *n)
{
	return n->kind == N_PATH && !n->a && n->n == 1 && n->u.step[0].field;
}

static bool
is_plain_string(const struct node *n)
{
	return n->kind == N_CONST && n->value.kind == VALUE_STRING &&
		n->value.flags & VALUE_PLAIN;
}

/* A constant that an operator can be asked about. */
static bool
is_comparable(const struct node *n, enum op op)
{
	if (n->kind != N_CONST)
		return false;
	switch (n->value.kind) {
	case VALUE_NULL:
	case VALUE_FALSE:
	case VALUE_TRUE:
	case VALUE_DOUBLE:
		return true;
	default:
		return is_plain_string(n) && op <= OP_NE;
	}
}

/* The number of the finder that looks for the name. */
static bool
add_name(struct expr *x, struct node *n)
{
	struct slice key = n->u.step[0].name.key;
	struct json_finder f;
	uint32_t i;

	for (i = 0; i < x->nnames; i++)
		if (slice_eq(x->name[i], key))
			break;
	if (i == MAX_NAMES)
		return false;
	if (i == x->nnames) {
		if (!json_finder_init(&f, key))
			return false;
		json_finder_release(&f);
		x->name[x->nnames++] = key;
	}
	n->slot = i;
	return true;
}

static bool
prepare(struct expr *x, struct node *n)
{
	switch (n->kind) {
	case N_PATH:
		return is_member(n) && add_name(x, n);
	case N_CMP:
		if (!is_member(n->a) || !is_comparable(n->b, (enum op)n->op))
			return false;
		if (n->b->value.kind == VALUE_STRING) {
			n->u.step = arena_alloc(&x->arena, sizeof(*n->u.step));
			*n->u.step = (struct step){.name = json_name_of(n->b->value.u.text)};
		}
		return add_name(x, n->a);
	case N_AND:
	case N_OR:
		return prepare(x, n->a) && prepare(x, n->b);
	case N_SELECT:
		return prepare(x, n->a);
	case N_PIPE:
		if (n->b->kind != N_CALL)
			return false;
		if (n->b->op == F_NOT)
			return prepare(x, n->a);
		return (n->b->op == F_STARTSWITH || n->b->op == F_ENDSWITH) &&
			is_member(n->a) && is_plain_string(n->b->a) && add_name(x, n->a);
	default:
		return false;
	}
}

void
ask_prepare(struct expr *x)
{
	if (x->root && (x->root->kind == N_PATH || !prepare(x, x->root)))
		x->nnames = 0;
}

/* ---- asking ---------------------------------------------------------------------------- */

static inline int
ordered(enum op op, int cmp)
{
	switch (op) {
	case OP_EQ:
		return cmp == 0;
	case OP_NE:
		return cmp != 0;
	case OP_LT:
		return cmp < 0;
	case OP_LE:
		return cmp <= 0;
	case OP_GT:
		return cmp > 0;
	default:
		return cmp >= 0;
	}
}

/* The string at p, which ends before end, is text or begins with it. */
static inline bool
begins_with(const char *p, const char *end, struct slice text)
{
	return (size_t)(end - p) > text.n && memcmp(p + 1, text.p, text.n) == 0;
}

static enum json_type
type_of_const(const struct value *v)
{
	return v->kind == VALUE_DOUBLE ? JSON_NUMBER : value_type(v);
}

static int
ask_number(struct expr_run *r, const struct node *n, const char *p, const char *end)
{
	struct value v = {.kind = VALUE_LITERAL};
	const char *q;

	for (q = p; q < end && !strchr(",}] \t\r", *q); q++)
		;
	v.u.text = slice_of(p, (size_t)(q - p));
	return compare(r, (enum op)n->op, &v, &n->b->value);
}

static inline int
ask_compare(struct expr_run *r, const struct node *n, const struct json_doc *d)
{
	const char *p = "", *end = d->base + d->scan->line[d->line].end;
	enum json_type is = JSON_NULL, wanted;

	if (n->u.step) {
		/* A string; and what is no member is none. */
		enum json_peek found = json_find(&r->finder[n->a->slot], d, &p);

		if (found == JSON_UNSURE)
			return UNSURE;
		return (found == JSON_FOUND && json_is_quoted(p, end, &n->u.step->name)) ==
			(n->op == OP_EQ);
	}
	switch (json_find(&r->finder[n->a->slot], d, &p)) {
	case JSON_UNSURE:
		return UNSURE;
	case JSON_ABSENT:
		break;
	case JSON_FOUND:
		is = (enum json_type)json_type_of_byte[(unsigned char)*p];
	}
	wanted = type_of_const(&n->b->value);
	if (is == JSON_NUMBER && wanted == JSON_NUMBER)
		return ask_number(r, n, p, end);
	return ordered((enum op)n->op, (int)is - (int)wanted);
}

static int
ask_call(struct expr_run *r, const struct node *n, const struct json_doc *d)
{
	struct slice text = n->b->a->value.u.text;
	const char *p, *end = d->base + d->scan->line[d->line].end, *quote;

	if (json_find(&r->finder[n->a->slot], d, &p) != JSON_FOUND || *p != '"')
		return UNSURE;
	if (n->b->op == F_STARTSWITH)
		return begins_with(p, end, text);
	quote = memchr(p + 1, '"', (size_t)(end - p - 1));
	if (!quote)
		return UNSURE;
	return slice_ends(slice_of(p + 1, (size_t)(quote - p - 1)), text);
}

static int
ask(struct expr_run *r, const struct node *n, const struct json_doc *d)
{
	const char *p;
	int rc;

	switch (n->kind) {
	case N_CMP:
		return ask_compare(r, n, d);
	case N_SELECT:
		return ask(r, n->a, d);
	case N_AND:
		rc = ask(r, n->a, d);
		return rc == YES ? ask(r, n->b, d) : rc;
	case N_OR:
		rc = ask(r, n->a, d);
		return rc == NO ? ask(r, n->b, d) : rc;
	case N_PIPE:
		if (n->b->op != F_NOT)
			return ask_call(r, n, d);
		rc = ask(r, n->a, d);
		return rc == UNSURE ? UNSURE : !rc;
	default:
		switch (json_find(&r->finder[n->slot], d, &p)) {
		case JSON_UNSURE:
			return UNSURE;
		case JSON_ABSENT:
			return NO;
		default:
			return *p != 'n' && *p != 'f';
		}
	}
}

int
expr_ask(struct expr_run *r, const struct json_doc *d)
{
	const struct node *root = r->expr->root;

	if (!r->finder || d->pos)
		return UNSURE;
	return ask(r, root->kind == N_SELECT ? root->a : root, d);
}

bool
expr_asks(const struct expr *x)
{
	return x->nnames != 0;
}

bool
expr_is_select(const struct expr *x)
{
	return x->root && x->root->kind == N_SELECT;
}

void
ask_open(struct expr_run *r)
{
	unsigned i;

	if (!r->expr->nnames)
		return;
	r->finder = mem_array(r->expr->nnames, sizeof(*r->finder));
	for (i = 0; i < r->expr->nnames; i++)
		json_finder_init(&r->finder[i], r->expr->name[i]);
}

void
ask_close(struct expr_run *r)
{
	unsigned i;

	for (i = 0; r->finder && i < r->expr->nnames; i++)
		json_finder_release(&r->finder[i]);
	free(r->finder);
}

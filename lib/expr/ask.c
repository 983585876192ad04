/*
 * Conditions asked of bytes: what compares members of "." with constants, and `and`, `or`,
 * `not` and `select` of that, is told for most lines without their tokens. Whatever else a
 * line may hold (a name twice, escapes, an error to be raised) is left to the evaluation.
 *
 * A block is asked as a whole: each condition is a loop over its lines, whose answers are a
 * byte each, and `and` and `or` are loops over two such columns.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "expr/node.h"

enum { NO = EXPR_NO, YES = EXPR_YES, UNSURE = EXPR_UNSURE };

/* A string in its quotes, to be compared with what stands at a place of a block: that and the
 * bytes behind it are readable, in its padding at the latest. */
struct quoted {
	uint64_t word[4], mask[4]; /* its first 32 bytes */
	struct slice text;
};

/* ---- what can be asked ------------------------------------------------------------- */

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

/* Names that are looked for, each in a look at the whole block. */
struct names {
	struct slice name[MAX_NAMES];
	size_t n;
};

static bool
add_name(struct names *names, const struct node *n)
{
	const struct json_name *name = &n->u.step[0].name;
	size_t i;

	for (i = 0; i < names->n; i++)
		if (slice_eq(names->name[i], name->key))
			return true;
	if (i == MAX_NAMES || !json_can_look_for(name))
		return false;
	names->name[names->n++] = name->key;
	return true;
}

static struct quoted *
quote(struct arena *arena, struct slice s)
{
	struct quoted *q = arena_alloc(arena, sizeof(*q));
	char *text = arena_alloc(arena, s.n + 2);
	size_t n = s.n + 2 < sizeof(q->word) ? s.n + 2 : sizeof(q->word);

	text[0] = text[s.n + 1] = '"';
	if (s.n)
		memcpy(text + 1, s.p, s.n);
	memset(q, 0, sizeof(*q));
	memcpy(q->word, text, n);
	memset(q->mask, 0xFF, n);
	q->text = slice_of(text, s.n + 2);
	return q;
}

/* How many columns are needed to tell it; 0: it can't be told. */
static unsigned
prepare(struct arena *arena, struct names *names, struct node *n)
{
	unsigned a, b;

	switch (n->kind) {
	case N_PATH:
		return is_member(n) && add_name(names, n);
	case N_CMP:
		if (!is_member(n->a) || !is_comparable(n->b, (enum op)n->op))
			return 0;
		if (n->b->value.kind == VALUE_STRING)
			n->u.quoted = quote(arena, n->b->value.u.text);
		return add_name(names, n->a);
	case N_AND:
	case N_OR:
		a = prepare(arena, names, n->a);
		b = prepare(arena, names, n->b);
		return !a || !b || b == MAX_COLUMNS ? 0 : a > b ? a : b + 1;
	case N_PIPE:
		if (n->b->kind != N_CALL)
			return 0;
		if (n->b->op == F_NOT)
			return prepare(arena, names, n->a);
		return (n->b->op == F_STARTSWITH || n->b->op == F_ENDSWITH) &&
			is_member(n->a) && is_plain_string(n->b->a) && add_name(names, n->a);
	default:
		return 0;
	}
}

/* What select() lets through is ".", an object where it can be told at all. */
static struct node *
asked(const struct expr *x)
{
	return x->root->kind == N_SELECT ? x->root->a : x->root;
}

void
ask_prepare(struct expr *x)
{
	struct names names = {.n = 0};

	x->asks = x->root && prepare(&x->arena, &names, asked(x));
}

/* ---- asking one line --------------------------------------------------------------- */

/* What is asked of a member whose value is at p in a line that ends at end; NULL: there is
 * none. */
typedef int question(struct expr_run *, const struct node *, const char *p, const char *end);

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

static enum json_type
type_of_const(const struct value *v)
{
	return v->kind == VALUE_DOUBLE ? JSON_NUMBER : value_type(v);
}

static int
ask_compare(struct expr_run *r, const struct node *n, const char *p, const char *end)
{
	enum json_type is = p ? (enum json_type)json_type_of_byte[(unsigned char)*p] : JSON_NULL;
	enum json_type wanted = type_of_const(&n->b->value);
	struct value v = {.kind = VALUE_LITERAL};
	const char *q;

	if (is != JSON_NUMBER || wanted != JSON_NUMBER)
		return ordered((enum op)n->op, (int)is - (int)wanted);
	for (q = p; q < end && !strchr(",}] \t\r", *q); q++)
		;
	v.u.text = slice_of(p, (size_t)(q - p));
	return compare(r, (enum op)n->op, &v, &n->b->value);
}

static int
ask_truth(struct expr_run *r, const struct node *n, const char *p, const char *end)
{
	(void)r;
	(void)n;
	(void)end;
	return p && *p != 'n' && *p != 'f';
}

static int
ask_call(struct expr_run *r, const struct node *n, const char *p, const char *end)
{
	struct slice text = n->b->a->value.u.text;
	const char *close;

	(void)r;
	if (!p || *p != '"')
		return UNSURE;
	close = memchr(p + 1, '"', (size_t)(end - p - 1));
	if (!close)
		return UNSURE;
	p++;
	return n->b->op == F_STARTSWITH ?
		slice_starts(slice_of(p, (size_t)(close - p)), text) :
		slice_ends(slice_of(p, (size_t)(close - p)), text);
}

/* ---- asking a block ---------------------------------------------------------------- */

static void
ask_lines(struct expr_run *r, const struct node *n, const struct json_name *name,
	struct json_scan *s, int8_t *to, question *ask)
{
	const uint32_t *value = json_members(s, name);
	size_t i;

	for (i = 0; i < s->nlines; i++)
		to[i] = value[i] == JSON_UNTOLD ? UNSURE : (int8_t)ask(r, n,
			value[i] == JSON_MISSING ? NULL : s->p + value[i], s->p + s->line[i].end);
}

/* Is it the string? What is no member is none. Whether it is, is nothing that a branch could
 * learn. */
static void
ask_string(const struct node *n, struct json_scan *s, int8_t *to)
{
	const uint32_t *value = json_members(s, &n->a->u.step[0].name);
	const struct quoted q = *n->u.quoted;
	int differs = n->op != OP_EQ;
	size_t i, k;

	for (i = 0; i < s->nlines; i++) {
		uint32_t at = value[i];
		const char *p = s->p + at;
		uint64_t other = 0, word[4];

		if (__builtin_expect(at == JSON_UNTOLD, 0)) {
			to[i] = UNSURE;
			continue;
		}
		memcpy(word, p, sizeof(word));
		for (k = 0; k < 4; k++)
			other |= (word[k] ^ q.word[k]) & q.mask[k];
		to[i] = (int8_t)(((other == 0) & (at != JSON_MISSING)) ^ differs);
		if (__builtin_expect(q.text.n > sizeof(word) && !other && at, 0))
			to[i] = (int8_t)(((size_t)(s->p + s->line[i].end - p) >= q.text.n &&
				memcmp(p, q.text.p, q.text.n) == 0) ^ differs);
	}
}

static int8_t *
column(struct expr_run *r, unsigned i, size_t n)
{
	r->column[i] = mem_grow(r->column[i], &r->cap_column[i], n, 1);
	return r->column[i];
}

/* The answers of all lines, in column k; the columns behind it are for what is needed on the
 * way. */
static void
ask_block(struct expr_run *r, const struct node *n, struct json_scan *s, unsigned k)
{
	int8_t *to = column(r, k, s->nlines), decides = n->kind == N_AND ? YES : NO;
	const int8_t *more;
	size_t i;

	switch (n->kind) {
	case N_CMP:
		if (n->u.quoted)
			ask_string(n, s, to);
		else
			ask_lines(r, n, &n->a->u.step[0].name, s, to, ask_compare);
		break;
	case N_AND:
	case N_OR:
		ask_block(r, n->a, s, k);
		ask_block(r, n->b, s, k + 1);
		more = r->column[k + 1];
		for (i = 0; i < s->nlines; i++)
			to[i] = to[i] == decides ? more[i] : to[i];
		break;
	case N_PIPE:
		if (n->b->op != F_NOT) {
			ask_lines(r, n, &n->a->u.step[0].name, s, to, ask_call);
			break;
		}
		ask_block(r, n->a, s, k);
		for (i = 0; i < s->nlines; i++)
			to[i] = to[i] == UNSURE ? UNSURE : !to[i];
		break;
	default:
		ask_lines(r, n, &n->u.step[0].name, s, to, ask_truth);
	}
}

const int8_t *
expr_answers(struct expr_run *r, struct json_scan *s)
{
	if (!r->expr->asks || !s->lazy)
		return NULL;
	if (r->asked != s || r->asked_number != s->number) {
		ask_block(r, asked(r->expr), s, 0);
		r->asked = s;
		r->asked_number = s->number;
	}
	return r->column[0];
}

int
expr_ask(struct expr_run *r, const struct json_doc *d)
{
	const int8_t *answer = d->pos ? NULL : expr_answers(r, d->scan);

	return answer ? answer[d->line] : UNSURE;
}

bool
expr_is_select(const struct expr *x)
{
	return x->root && x->root->kind == N_SELECT;
}

void
ask_close(struct expr_run *r)
{
	unsigned i;

	for (i = 0; i < MAX_COLUMNS; i++)
		free(r->column[i]);
}

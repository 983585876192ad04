/* Objects picked from the members of a line. */
#include "expr/pick.h"

#include <stdlib.h>

#include "base/mem.h"
#include "expr/node.h"

enum test_kind { TEST_TRUTH, TEST_STRING, TEST_TYPE, TEST_AND, TEST_OR, TEST_NOT };

/* A condition, with those that it is made of. */
struct test {
	enum test_kind kind;
	bool differs;        /* != */
	int want;
	enum json_type type; /* TYPE: null, false or true */
	uint64_t word[2], mask[2]; /* STRING: the text begins with that, in its quotes */
	struct slice text;
	const struct test *a, *b;
};

/* What a filter makes: one of two others by a test, or an object, or nothing. */
struct choice {
	const struct test *test; /* NULL: number is it */
	int number;
	const struct choice *then, *otherwise;
};

struct pick {
	struct arena arena;
	struct pick_wants *wants;
	const struct choice *root;
	struct pick_object *object;
	size_t nobjects, cap_objects;
	struct slice *name;
	size_t nnames, cap_names;
};

/* ---- members ----------------------------------------------------------------------- */

/* All names but the first n go. */
static void
forget_names(struct pick_wants *w, unsigned n)
{
	while (w->n > n) {
		struct slice key = w->name[--w->n].key;

		w->first[key.n ? (unsigned char)key.p[0] : '"'] = w->next[w->n];
	}
}

int
pick_want(struct pick_wants *w, struct slice name)
{
	uint8_t *first = &w->first[name.n ? (unsigned char)name.p[0] : '"'];
	struct json_name n = json_name_of(name);
	unsigned i;

	for (i = 0; i < w->n && !slice_eq(w->name[i].key, name); i++)
		;
	if (i < w->n)
		return (int)i;
	if (w->n == PICK_WANTS || !n.plain)
		return -1;
	w->name[w->n] = n;
	w->next[w->n] = *first;
	*first = (uint8_t)++w->n;
	return (int)w->n - 1;
}

static inline uint64_t
load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Names with escapes are looked up one by one. */
static void
look_slowly(const struct pick_wants *w, const struct json_doc *d, uint32_t *at)
{
	unsigned i;

	for (i = 0; i < w->n; i++)
		at[i] = json_get_name(d, 0, &w->name[i]);
}

/* Is the name at token t, whose first byte is at p, this one? */
static inline bool
is_name(const struct json_doc *d, uint32_t t, const char *p, const struct json_name *name)
{
	size_t n = name->key.n;

	if ((load8(p) ^ name->head) & name->mask)
		return false;
	return n < 8 || (d->pos[t + 1] - d->pos[t] >= n + 2 && p[n] == '"' &&
		load8(p + n - 8) == load8(name->key.p + n - 8) &&
		(n <= 16 || memcmp(p + 8, name->key.p + 8, n - 16) == 0));
}

bool
pick_look(const struct pick_wants *w, const struct json_doc *d, uint32_t *at)
{
	unsigned i;
	uint32_t t;

	if (!d->n || d->first[0] != '{')
		return false;
	if (__builtin_expect(d->flags & JSON_LINE_ESCAPE, 0)) {
		look_slowly(w, d, at);
		return true;
	}
	for (i = 0; i < w->n; i++)
		at[i] = JSON_NONE;
	/* Behind the last member's value comes a bracket, and behind that never a name. */
	for (t = 1; t < d->n && d->n - t > 2 && d->first[t] == '"'; t++) {
		const char *p = d->base + d->pos[t] + 1;

		for (i = w->first[(unsigned char)*p]; i; i = w->next[i - 1])
			if (is_name(d, t, p, &w->name[i - 1])) {
				at[i - 1] = t + 2;
				break;
			}
		t = json_after(d, t + 2);
	}
	return true;
}

/* ---- conditions -------------------------------------------------------------------- */

/* The number of the member that .name is, or -1. */
static int
member_of(struct pick *p, const struct node *n)
{
	if (n->kind != N_PATH || n->a || n->n != 1 || !n->u.step[0].field)
		return -1;
	return pick_want(p->wants, n->u.step[0].name.key);
}

static void
quote(struct pick *p, struct test *t, struct slice s)
{
	char *text = arena_alloc(&p->arena, s.n + 2);
	size_t n = s.n + 2 < sizeof(t->word) ? s.n + 2 : sizeof(t->word);

	text[0] = text[s.n + 1] = '"';
	if (s.n)
		memcpy(text + 1, s.p, s.n);
	memcpy(t->word, text, n);
	memset(t->mask, 0xFF, n);
	t->text = slice_of(text, s.n + 2);
}

static bool
read_compare(struct pick *p, struct test *t, const struct node *n)
{
	const struct value *v = &n->b->value;

	if (n->b->kind != N_CONST || (n->op != OP_EQ && n->op != OP_NE))
		return false;
	t->differs = n->op == OP_NE;
	t->want = member_of(p, n->a);
	switch (v->kind) {
	case VALUE_NULL:
	case VALUE_FALSE:
	case VALUE_TRUE:
		t->kind = TEST_TYPE;
		t->type = value_type(v);
		return true;
	case VALUE_STRING:
		t->kind = TEST_STRING;
		quote(p, t, v->u.text);
		return v->flags & VALUE_PLAIN;
	default:
		return false;
	}
}

/* NULL: it is none that can be told here. */
static const struct test *
read_test(struct pick *p, const struct node *n)
{
	struct test *t = arena_alloc(&p->arena, sizeof(*t));
	bool good = true;

	*t = (struct test){.kind = TEST_TRUTH};
	switch (n->kind) {
	case N_PATH:
		t->want = member_of(p, n);
		break;
	case N_CMP:
		good = read_compare(p, t, n);
		break;
	case N_AND:
	case N_OR:
		t->kind = n->kind == N_AND ? TEST_AND : TEST_OR;
		t->a = read_test(p, n->a);
		t->b = read_test(p, n->b);
		good = t->a && t->b;
		break;
	case N_PIPE:
		t->kind = TEST_NOT;
		t->a = read_test(p, n->a);
		good = n->b->kind == N_CALL && n->b->op == F_NOT && t->a;
		break;
	default:
		good = false;
	}
	return good && t->want >= 0 ? t : NULL;
}

/* Where there are escapes, what they mean has to be compared. */
static bool
is_string_escaped(const struct test *t, const struct json_doc *d, uint32_t at)
{
	return d->first[at] == '"' && json_raw_equals(json_string_raw(d, at),
		slice_of(t->text.p + 1, t->text.n - 2));
}

static inline bool
is_string(const struct test *t, const struct json_doc *d, uint32_t at)
{
	const char *p = d->base + d->pos[at];
	size_t n = t->text.n;

	if (__builtin_expect(d->flags & JSON_LINE_ESCAPE, 0))
		return is_string_escaped(t, d, at) != t->differs;
	if (((load8(p) ^ t->word[0]) & t->mask[0]) | ((load8(p + 8) ^ t->word[1]) & t->mask[1]))
		return t->differs;
	return (n <= sizeof(t->word) || (d->pos[at + 1] - d->pos[at] >= n &&
		load8(p + n - 8) == load8(t->text.p + n - 8) &&
		memcmp(p + 16, t->text.p + 16, n > 24 ? n - 24 : 0) == 0)) != t->differs;
}

static int
passes(const struct test *t, const struct json_doc *d, const uint32_t *at)
{
	uint32_t v;

	switch (t->kind) {
	case TEST_AND:
		return passes(t->a, d, at) && passes(t->b, d, at);
	case TEST_OR:
		return passes(t->a, d, at) || passes(t->b, d, at);
	case TEST_NOT:
		return !passes(t->a, d, at);
	default:
		break;
	}
	v = at[t->want];
	if (v == JSON_NONE)
		return t->kind == TEST_TRUTH ? 0 :
			(t->kind == TEST_TYPE && t->type == JSON_NULL) != t->differs;
	if (t->kind == TEST_STRING)
		return is_string(t, d, v);
	if (t->kind == TEST_TYPE)
		return (json_type_at(d, v) == t->type) != t->differs;
	return d->first[v] != 'n' && d->first[v] != 'f';
}

/* ---- objects ----------------------------------------------------------------------- */

static uint32_t
name_number(struct pick *p, struct slice name)
{
	size_t i;

	for (i = 0; i < p->nnames && !slice_eq(p->name[i], name); i++)
		;
	if (i == p->nnames) {
		p->name = mem_grow(p->name, &p->cap_names, i + 1, sizeof(*p->name));
		p->name[p->nnames++] = name;
	}
	return (uint32_t)i;
}

static bool
set_member(struct pick *p, struct pick_member *m, const struct field *f)
{
	struct buf text = {0};

	*m = (struct pick_member){.name = f->name, .plain = f->plain, .want = -1};
	m->name_at = name_number(p, f->name);
	if (f->value->kind != N_CONST) {
		m->want = member_of(p, f->value);
		return m->want >= 0;
	}
	value_add_json(&text, &f->value->value);
	m->text = arena_copy(&p->arena, buf_slice(&text));
	buf_release(&text);
	return true;
}

static bool
add_object(struct pick *p, const struct node *n)
{
	struct pick_object *o;
	size_t i;

	p->object = mem_grow(p->object, &p->cap_objects, p->nobjects + 1, sizeof(*p->object));
	o = &p->object[p->nobjects++];
	o->n = n->n;
	o->member = arena_alloc(&p->arena, (n->n + 1) * sizeof(*o->member));
	for (i = 0; i < n->n; i++)
		if (n->u.field[i].key || !n->u.field[i].value ||
			!set_member(p, &o->member[i], &n->u.field[i]))
			return false;
	return n->distinct;
}

static const struct choice *
read_choice(struct pick *p, const struct node *n)
{
	static const struct node nothing = {.kind = N_EMPTY};
	struct choice *c = arena_alloc(&p->arena, sizeof(*c));
	const struct node *test = NULL, *then = NULL, *otherwise = &nothing;

	*c = (struct choice){.number = PICK_NOTHING};
	if (n->kind == N_EMPTY)
		return c;
	if (n->kind == N_OBJECT) {
		c->number = (int)p->nobjects;
		return add_object(p, n) ? c : NULL;
	}
	if (n->kind == N_IF) {
		test = n->a;
		then = n->b;
		otherwise = n->c;
	} else if (n->kind == N_PIPE && n->a->kind == N_SELECT) {
		test = n->a->a;
		then = n->b;
	}
	if (!test || !(c->test = read_test(p, test)))
		return NULL;
	c->then = read_choice(p, then);
	c->otherwise = c->then ? read_choice(p, otherwise) : NULL;
	return c->otherwise ? c : NULL;
}

struct pick *
pick_new(const struct expr *x, struct pick_wants *wants)
{
	struct pick *p;
	unsigned had = wants->n;

	if (!x->root)
		return NULL;
	p = mem_zalloc(sizeof(*p));
	p->wants = wants;
	p->root = read_choice(p, x->root);
	if (p->root)
		return p;
	forget_names(wants, had);
	pick_free(p);
	return NULL;
}

struct pick *
pick_condition(const struct expr *x, struct pick_wants *wants)
{
	struct choice *c;
	struct pick *p;
	unsigned had = wants->n;

	if (!x->root)
		return NULL;
	p = mem_zalloc(sizeof(*p));
	p->wants = wants;
	c = arena_alloc(&p->arena, 3 * sizeof(*c));
	c[1] = (struct choice){.number = 0};
	c[2] = (struct choice){.number = PICK_NOTHING};
	c[0] = (struct choice){read_test(p, x->root), 0, &c[1], &c[2]};
	p->root = c;
	if (c->test)
		return p;
	wants->n = had;
	pick_free(p);
	return NULL;
}

void
pick_free(struct pick *p)
{
	if (!p)
		return;
	free(p->object);
	free(p->name);
	arena_release(&p->arena);
	free(p);
}

size_t
pick_objects(const struct pick *p)
{
	return p->nobjects;
}

const struct pick_object *
pick_object(const struct pick *p, size_t i)
{
	return &p->object[i];
}

size_t
pick_names(const struct pick *p, const struct slice **name)
{
	*name = p->name;
	return p->nnames;
}

static void
add_test(const struct test *t, struct pick_tested *to)
{
	if (t->kind == TEST_NOT || t->kind == TEST_AND || t->kind == TEST_OR) {
		add_test(t->a, to);
		if (t->kind != TEST_NOT)
			add_test(t->b, to);
	} else if (t->kind == TEST_STRING) {
		to->texts |= UINT32_C(1) << t->want;
	} else {
		to->kinds |= UINT32_C(1) << t->want;
	}
}

static void
add_choice(const struct choice *c, struct pick_tested *to)
{
	if (!c->test)
		return;
	add_test(c->test, to);
	add_choice(c->then, to);
	add_choice(c->otherwise, to);
}

void
pick_add_tested(const struct pick *p, struct pick_tested *to)
{
	add_choice(p->root, to);
}

int
pick_choose(const struct pick *p, const struct json_doc *d, const uint32_t *at)
{
	const struct choice *c = p->root;

	while (c->test) {
		const struct test *t = c->test;
		bool string = t->kind == TEST_STRING && at[t->want] != JSON_NONE;

		c = (string ? is_string(t, d, at[t->want]) : passes(t, d, at)) ? c->then :
			c->otherwise;
	}
	return c->number;
}

bool
pick_is(const struct pick *p, const struct json_doc *d, const uint32_t *at)
{
	const struct test *t = p->root->test;

	if (__builtin_expect(t->kind == TEST_STRING && at[t->want] != JSON_NONE, 1))
		return is_string(t, d, at[t->want]);
	return passes(t, d, at);
}

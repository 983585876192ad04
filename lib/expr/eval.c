/*
 * Evaluation of a compiled filter; node.h tells the idea.
 *
 * Order is jq's: of two operands the right one is the outer loop, an index is evaluated
 * before what it indexes, the members of an object from the first (outer) to the last.
 */
#include <math.h>

#include "expr/node.h"

bool
stack_is_full(struct expr_run *r)
{
	if (__builtin_expect((const char *)__builtin_frame_address(0) > r->stack_end, 1))
		return false;
	raise_text(r, "the filter needs too much stack");
	r->bad = true;
	return true;
}

static inline struct value
boolean(bool b)
{
	return (struct value){.kind = b ? VALUE_TRUE : VALUE_FALSE};
}

/* ---- paths ------------------------------------------------------------------------- */

/* One step of a path, from *v to *v. */
static inline int
take_step(struct expr_run *r, const struct step *s, struct value *v)
{
	struct value key;
	uint32_t t;
	char c;
	int rc;

	if (v->kind == VALUE_TOKEN && s->field) {
		const struct json_doc *d = v->u.doc;

		c = d->first[v->t];
		if (c == '{') {
			t = json_get_name(d, v->t, &s->name);
			if (t != JSON_NONE)
				v->t = t;
			else
				*v = value_null();
			return 1;
		}
		if (c == 'n') {
			*v = value_null();
			return 1;
		}
	} else if (v->kind == VALUE_NULL) {
		return 1;
	}
	if (s->field)
		key = value_string(s->name.key);
	else
		key = value_double(s->index);
	rc = index_value(r, v, &key, v);
	return rc < 0 && s->opt && !r->bad ? 0 : rc;
}

static inline int
take_steps(struct expr_run *r, const struct step *s, size_t n, struct value *v)
{
	int rc;

	for (; n > 0; n--, s++)
		if ((rc = take_step(r, s, v)) != 1)
			return rc;
	return 1;
}

/* ---- objects ----------------------------------------------------------------------- */

static inline uint64_t
load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
	return x;
}

/* Look up n names in one walk over the members of the object at t. */
static void
get_all(const struct json_doc *d, uint32_t t, const struct json_name *name, unsigned n,
	uint32_t *found)
{
	unsigned i;

	for (i = 0; i < n; i++)
		found[i] = JSON_NONE;
	if (d->flags & JSON_LINE_ESCAPE) {
		for (i = 0; i < n; i++)
			found[i] = json_get_name(d, t, &name[i]);
		return;
	}
	for (t++; t < d->n && d->n - t > 2 && d->first[t] == '"'; t++) {
		const char *p = d->base + d->pos[t] + 1;
		uint64_t head = load8(p);

		for (i = 0; i < n; i++) {
			size_t len = name[i].key.n;

			if ((head ^ name[i].head) & name[i].mask)
				continue;
			if (len < 8 || (d->pos[t + 1] - d->pos[t] >= len + 2 &&
			    p[len] == '"' &&
			    memcmp(p + 8, name[i].key.p + 8, len - 8) == 0)) {
				found[i] = t + 2;
				break;
			}
		}
		t = json_after(d, t + 2);
	}
}

/* The key of a field that is computed; it must be a string once the value is known. */
static int
field_key(struct expr_run *r, const struct value *key, struct slice *name)
{
	*name = value_string_bytes(key, &r->arena);
	return name->p ? 1 : raise_key(r, key);
}

static const struct value *
bound(const struct node *n)
{
	return n ? &n->value : NULL;
}

static int
make_object(struct expr_run *r, const struct node *n, const struct value *in,
	struct value *out)
{
	struct object o = {.arena = &r->arena};
	uint32_t found[MAX_WANTS];
	bool looked_up = false;
	struct value made, key, *v;
	struct slice name;
	size_t i;
	int rc;

	if (n->nwants > 1 && in->kind == VALUE_TOKEN && in->u.doc->first[in->t] == '{') {
		get_all(in->u.doc, in->t, n->want, n->nwants, found);
		looked_up = true;
	}
	o.cap = n->n;
	o.member = arena_alloc(&r->arena, n->n * sizeof(*o.member));
	for (i = 0; i < n->n; i++) {
		const struct field *f = &n->u.field[i];

		/* Made in its place where that is known: copies of values just written wait
		 * for the writes. */
		v = n->distinct ? &o.member[i].value : &made;
		if (f->key && (rc = eval_one(r, f->key, in, &key)) != 1)
			return rc;
		if (looked_up && f->path) {
			v->kind = found[f->want] == JSON_NONE ? VALUE_NULL : VALUE_TOKEN;
			v->flags = 0;
			v->t = found[f->want];
			v->u.doc = in->u.doc;
			rc = 1;
			if (f->path->n > 1)
				rc = take_steps(r, f->path->u.step + 1, f->path->n - 1, v);
			if (f->slice && rc == 1)
				rc = slice_value(r, v, bound(f->slice->b),
					bound(f->slice->c), v);
		} else if (f->value) {
			rc = eval_one(r, f->value, in, v);
		} else {
			rc = index_value(r, in, &key, v);
		}
		if (rc != 1)
			return rc;
		if (n->distinct) {
			v->flags = (uint8_t)((v->flags & ~VALUE_NAME_PLAIN) |
				(f->plain ? VALUE_NAME_PLAIN : 0));
			o.member[o.n++].name = f->name;
			continue;
		}
		name = f->name;
		if (f->key && field_key(r, &key, &name) < 0)
			return R_ERROR;
		object_set(&o, name, *v, !f->key && f->plain);
	}
	*out = object_value(&o);
	return 1;
}

/* ---- text -------------------------------------------------------------------------- */

static bool
is_text(const struct node *part)
{
	return part->kind == N_CONST && part->value.kind == VALUE_STRING;
}

static struct value
join_parts(struct expr_run *r, const struct slice *part, size_t n)
{
	size_t len = 0, i;
	char *p, *q;

	for (i = 0; i < n; i++)
		len += part[i].n;
	p = q = arena_alloc(&r->arena, len);
	for (i = 0; i < n; i++) {
		if (part[i].n)
			memcpy(q, part[i].p, part[i].n);
		q += part[i].n;
	}
	return value_string(slice_of(p, len));
}

static struct slice
part_text(struct expr_run *r, const struct node *n, const struct value *v)
{
	struct value text = text_of(r, v, n->op == FORMAT_JSON);

	return value_string_bytes(&text, &r->arena);
}

static int
make_text(struct expr_run *r, const struct node *n, const struct value *in, struct value *out)
{
	struct slice *part = arena_alloc(&r->arena, n->n * sizeof(*part));
	struct value v;
	size_t i;
	int rc;

	for (i = n->n; i-- > 0;) {
		if (is_text(n->u.part[i])) {
			part[i] = n->u.part[i]->value.u.text;
			continue;
		}
		if ((rc = eval_one(r, n->u.part[i], in, &v)) != 1)
			return rc;
		part[i] = part_text(r, n, &v);
	}
	*out = join_parts(r, part, n->n);
	return 1;
}

/* ---- truth ------------------------------------------------------------------------- */

/* Is v the string s, whose bytes stand in JSON as they are? */
static inline bool
is_string(const struct value *v, struct slice s)
{
	const struct json_doc *d;
	const char *p;

	if (v->kind == VALUE_STRING)
		return slice_eq(v->u.text, s);
	if (v->kind != VALUE_TOKEN || v->u.doc->first[v->t] != '"')
		return false;
	d = v->u.doc;
	if (d->flags & JSON_LINE_ESCAPE)
		return json_raw_equals(json_string_raw(d, v->t), s);
	p = d->base + d->pos[v->t] + 1;
	return d->pos[v->t + 1] - d->pos[v->t] >= s.n + 2 && p[s.n] == '"' &&
		memcmp(p, s.p, s.n) == 0;
}

/* What compares a and b; the right one first. */
static int
eval_compare(struct expr_run *r, const struct node *n, const struct value *in)
{
	struct value a, b;
	const struct value *right = &b;
	double x, y;
	int rc;

	if (n->b->kind == N_CONST)
		right = &n->b->value;
	else if ((rc = eval_one(r, n->b, in, &b)) != 1)
		return rc < 0 ? rc : 2;
	if ((rc = eval_one(r, n->a, in, &a)) != 1)
		return rc < 0 ? rc : 2;
	if (right->kind == VALUE_STRING && right->flags & VALUE_PLAIN && n->op <= OP_NE)
		return is_string(&a, right->u.text) == (n->op == OP_EQ);
	if (right->kind == VALUE_DOUBLE && value_type(&a) == JSON_NUMBER) {
		struct slice s = value_literal(&a);

		if (!s.p || literal_is_short(s)) {
			x = value_number(&a);
			y = right->u.number;
			if (!isnan(x) && !isnan(y))
				switch (n->op) {
				case OP_EQ:
					return x == y;
				case OP_NE:
					return x != y;
				case OP_LT:
					return x < y;
				case OP_LE:
					return x <= y;
				case OP_GT:
					return x > y;
				default:
					return x >= y;
				}
		}
	}
	return compare(r, (enum op)n->op, &a, right);
}

int
eval_truth(struct expr_run *r, const struct node *n, const struct value *in)
{
	struct value v;
	int rc;

	switch (n->kind) {
	case N_CMP:
		return eval_compare(r, n, in);
	case N_AND:
		rc = eval_truth(r, n->a, in);
		return rc == 1 ? eval_truth(r, n->b, in) : rc;
	case N_OR:
		rc = eval_truth(r, n->a, in);
		return rc == 0 ? eval_truth(r, n->b, in) : rc;
	case N_PIPE:
		if (n->b->kind == N_CALL && n->b->op == F_NOT) {
			rc = eval_truth(r, n->a, in);
			return rc == 0 || rc == 1 ? !rc : rc;
		}
		break;
	case N_SELF:
		return value_truth(in);
	case N_SELECT:
		rc = eval_truth(r, n->a, in);
		return rc == 1 ? value_truth(in) : rc == 0 ? 2 : rc;
	default:
		break;
	}
	rc = eval_one(r, n, in, &v);
	return rc == 1 ? value_truth(&v) : rc == 0 ? 2 : rc;
}

/* ---- collecting -------------------------------------------------------------------- */

struct collect {
	struct kont k;
	struct value *item;
	size_t n, cap;
};

static int
collect_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct collect *c = (struct collect *)k;

	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 8;
		struct value *item = arena_alloc(&r->arena, cap * sizeof(*item));

		if (c->n)
			memcpy(item, c->item, c->n * sizeof(*item));
		c->item = item;
		c->cap = cap;
	}
	c->item[c->n++] = *v;
	return 0;
}

static int
make_array(struct expr_run *r, const struct node *of, const struct value *in,
	struct value *out)
{
	struct collect c = {.k.go = collect_go};
	int rc = eval(r, of, in, &c.k);

	if (rc)
		return rc;
	*out = (struct value){.kind = VALUE_ARRAY, .u.array = {c.item, c.n}};
	return 1;
}

/* map([f]) for sort_by(f) and its like. */
static int
make_keys(struct expr_run *r, const struct node *f, const struct value *in, struct value *out)
{
	enum json_type t = value_type(in);
	struct collect keys = {0};
	struct value_iter it;
	struct value key;
	int rc;

	if (t != JSON_ARRAY && t != JSON_OBJECT)
		return raise_not_iterable(r, in);
	for (value_enter(in, &it, &r->arena); value_step(&it);) {
		if ((rc = make_array(r, f, &it.value, &key)) != 1)
			return rc;
		collect_go(r, &keys.k, &key);
	}
	*out = (struct value){.kind = VALUE_ARRAY, .u.array = {keys.item, keys.n}};
	return 1;
}

/* ---- first, last, any, all --------------------------------------------------------- */

struct keep {
	struct kont k;
	struct value value;
	bool some;
};

static int
keep_last(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct keep *keep = (struct keep *)k;

	(void)r;
	keep->value = *v;
	keep->some = true;
	return 0;
}

static int
keep_first(struct expr_run *r, struct kont *k, const struct value *v)
{
	keep_last(r, k, v);
	r->breaks = k;
	return R_BREAK;
}

static int
first_of(struct expr_run *r, const struct node *of, const struct value *in, struct value *out)
{
	struct keep keep = {.k.go = keep_first};
	int rc = eval(r, of, in, &keep.k);

	if (rc == R_BREAK && r->breaks == &keep) {
		*out = keep.value;
		return 1;
	}
	return rc;
}

static int
last_of(struct expr_run *r, const struct node *of, const struct value *in, struct value *out)
{
	struct keep keep = {.k.go = keep_last, .value = value_null()};
	int rc = eval(r, of, in, &keep.k);

	*out = keep.value;
	return rc ? rc : 1;
}

/*
 * any and all as jq 1.6 defines them: a foreach over the generator, whose state is what the
 * condition last said, and which counts how often that settled it. It stops at the item
 * after the one that settled it; a condition that settles it twice for one item doesn't
 * count as once, and one without an output leaves null.
 */
struct quantify {
	struct kont k;       /* an item of the generator */
	struct kont said;    /* an output of the condition */
	const struct node *condition;
	bool all;
	enum { OPEN, SETTLED, VOID } state, before;
	size_t count;
};

static int
quantify_said(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct quantify *q = (struct quantify *)((char *)k - offsetof(struct quantify, said));

	(void)r;
	if (value_truth(v) != q->all)
		q->state = SETTLED;
	else
		q->state = q->before;
	q->count += q->state == SETTLED;
	return 0;
}

static int
quantify_item(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct quantify *q = (struct quantify *)k;

	/* null counts as false: nothing yet for any, settled for all. */
	if (q->state == SETTLED || (q->state == VOID && q->all)) {
		r->breaks = q;
		return R_BREAK;
	}
	q->before = q->state;
	q->state = VOID;
	return eval(r, q->condition, v, &q->said);
}

static int
quantify(struct expr_run *r, const struct node *n, const struct value *in, struct value *out)
{
	struct quantify q = {
		.k.go = quantify_item, .said.go = quantify_said, .condition = n->b,
		.all = n->kind == N_ALL,
	};
	int rc = eval(r, n->a, in, &q.k);

	if (rc == R_BREAK && r->breaks == &q)
		rc = 0;
	if (rc)
		return rc;
	*out = boolean(q.all ? q.count == 0 : q.count == 1);
	return 1;
}

/* ---- one output -------------------------------------------------------------------- */

static int
negate(struct expr_run *r, const struct value *v, struct value *out)
{
	double d;

	if (value_type(v) != JSON_NUMBER)
		return raise_about(r, v, "cannot be negated");
	if (number_of(r, v, &d) < 0)
		return R_ERROR;
	*out = value_double(-d);
	return 1;
}

static int
forgive(struct expr_run *r, const struct node *n, int rc)
{
	return rc < 0 && n->opt && !r->bad ? 0 : rc;
}

static const struct value *
variable(struct expr_run *r, const struct node *n, struct value *to)
{
	if (n->kind == N_VAR)
		*to = r->var[n->slot];
	else if (r->env)
		*to = r->env->get(r->env->arg, n->slot);
	else
		*to = value_null();
	return to;
}

int
eval_one(struct expr_run *r, const struct node *n, const struct value *in, struct value *out)
{
	struct value v, w, x;
	int rc;

	switch ((enum node_kind)n->kind) {
	case N_SELF:
		*out = *in;
		return 1;
	case N_CONST:
		*out = n->value;
		return 1;
	case N_VAR:
	case N_ENV:
		variable(r, n, out);
		return 1;
	case N_PATH:
		if (!n->a)
			v = *in;
		else if ((rc = eval_one(r, n->a, in, &v)) != 1)
			return rc;
		if ((rc = take_steps(r, n->u.step, n->n, &v)) == 1)
			*out = v;
		return rc;
	case N_EMPTY:
		return 0;
	default:
		break;
	}
	if (stack_is_full(r))
		return R_ERROR;
	switch ((enum node_kind)n->kind) {
	case N_INDEX:
		if ((rc = eval_one(r, n->b, in, &v)) != 1 ||
		    (rc = eval_one(r, n->a, in, &w)) != 1)
			return rc;
		return forgive(r, n, index_value(r, &w, &v, out));
	case N_SLICE:
		if (n->b && (rc = eval_one(r, n->b, in, &v)) != 1)
			return rc;
		if (n->c && (rc = eval_one(r, n->c, in, &w)) != 1)
			return rc;
		if ((rc = eval_one(r, n->a, in, &x)) != 1)
			return rc;
		return forgive(r, n,
			slice_value(r, &x, n->b ? &v : NULL, n->c ? &w : NULL, out));
	case N_PIPE:
		rc = eval_one(r, n->a, in, &v);
		return rc == 1 ? eval_one(r, n->b, &v, out) : rc;
	case N_ARRAY:
		return make_array(r, n->a, in, out);
	case N_OBJECT:
		return make_object(r, n, in, out);
	case N_NEG:
		rc = eval_one(r, n->a, in, &v);
		return rc == 1 ? negate(r, &v, out) : rc;
	case N_ARITH:
		if ((rc = eval_one(r, n->b, in, &w)) != 1 ||
		    (rc = eval_one(r, n->a, in, &v)) != 1)
			return rc;
		return arith(r, (enum op)n->op, &v, &w, out);
	case N_CMP:
	case N_AND:
	case N_OR:
		rc = eval_truth(r, n, in);
		if (rc < 0 || rc > 1)
			return rc < 0 ? rc : 0;
		*out = boolean(rc == 1);
		return 1;
	case N_ALT:
		rc = eval_one(r, n->a, in, &v);
		if (rc < 0)
			return rc;
		if (rc == 0 || !value_truth(&v))
			return eval_one(r, n->b, in, out);
		*out = v;
		return 1;
	case N_IF:
		rc = eval_truth(r, n->a, in);
		if (rc < 0 || rc > 1)
			return rc < 0 ? rc : 0;
		return eval_one(r, rc ? n->b : n->c, in, out);
	case N_AS:
		if ((rc = eval_one(r, n->a, in, &v)) != 1)
			return rc;
		r->var[n->slot] = v;
		return eval_one(r, n->b, in, out);
	case N_TEXT:
		return make_text(r, n, in, out);
	case N_SELECT:
		rc = eval_truth(r, n->a, in);
		if (rc == 1)
			*out = *in;
		return rc < 2 ? rc : 0;
	case N_CALL:
		if (n->a && (rc = eval_one(r, n->a, in, &v)) != 1)
			return rc;
		return call(r, (enum builtin)n->op, in, n->a ? &v : NULL, out);
	case N_BY:
		if ((rc = make_keys(r, n->a, in, &v)) != 1)
			return rc;
		return call_by(r, (enum builtin)n->op, in, &v, out);
	case N_FIRST:
		return first_of(r, n->a, in, out);
	case N_LAST:
		return last_of(r, n->a, in, out);
	case N_ANY:
	case N_ALL:
		return quantify(r, n, in, out);
	case N_UPDATE:
		return eval_update(r, n, in, out);
	case N_ASSIGN: {
		struct keep keep = {.k.go = keep_last};

		rc = eval_assign(r, n, in, &keep.k);
		*out = keep.value;
		return rc ? rc : keep.some;
	}
	case N_DEL:
		return eval_del(r, n, in, out);
	default:
		return 0; /* what is never `one` */
	}
}

/* ---- any number of outputs --------------------------------------------------------- */

/* What goes on, with the node, its input and what was found so far. */
struct then {
	struct kont k;
	const struct node *n;
	const struct value *in;
	struct kont *next;
	struct value v, w;
	bool found;
};

static inline struct then
then(int (*go)(struct expr_run *, struct kont *, const struct value *), const struct node *n,
	const struct value *in, struct kont *next)
{
	return (struct then){.k.go = go, .n = n, .in = in, .next = next};
}

static int
pass(struct expr_run *r, struct kont *k, int rc, const struct value *v)
{
	return rc == 1 ? k->go(r, k, v) : rc;
}

static int
pipe_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;

	return eval(r, t->n->b, v, t->next);
}

/* Binary operators: v is the right operand, then the left one comes. */
static int
left_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out;
	int rc = 1;

	switch (t->n->kind) {
	case N_ARITH:
		rc = arith(r, (enum op)t->n->op, v, &t->v, &out);
		break;
	case N_CMP:
		out = boolean(compare(r, (enum op)t->n->op, v, &t->v));
		break;
	default:
		rc = forgive(r, t->n, index_value(r, v, &t->v, &out));
	}
	return pass(r, t->next, rc, &out);
}

static int
right_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct then left = then(left_go, t->n, t->in, t->next);

	left.v = *v;
	return eval(r, t->n->a, t->in, &left.k);
}

static int
sliced_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out;
	int rc = slice_value(r, v, &t->v, &t->w, &out);

	return pass(r, t->next, forgive(r, t->n, rc), &out);
}

static int
slice_to_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct then of = then(sliced_go, t->n, t->in, t->next);

	of.v = t->v;
	of.w = *v;
	return eval(r, t->n->a, t->in, &of.k);
}

static int
slice_from_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct then to = then(slice_to_go, t->n, t->in, t->next);
	struct value null = value_null();

	to.v = *v;
	return t->n->c ? eval(r, t->n->c, t->in, &to.k) : to.k.go(r, &to.k, &null);
}

static int
each_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	enum json_type type = value_type(v);
	struct value_iter it;
	int rc;

	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return t->n->opt ? 0 : raise_not_iterable(r, v);
	for (value_enter(v, &it, &r->arena); value_step(&it);)
		if ((rc = t->next->go(r, t->next, &it.value)) != 0)
			return rc;
	return 0;
}

static int
negate_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out;

	return pass(r, t->next, negate(r, v, &out), &out);
}

static int
truth_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out = boolean(value_truth(v));

	return t->next->go(r, t->next, &out);
}

static int
logic_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct then right = then(truth_go, t->n, t->in, t->next);
	bool or = t->n->kind == N_OR;
	struct value out = boolean(or);

	if (value_truth(v) == or)
		return t->next->go(r, t->next, &out);
	return eval(r, t->n->b, t->in, &right.k);
}

static int
alt_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;

	if (!value_truth(v))
		return 0;
	t->found = true;
	return t->next->go(r, t->next, v);
}

static int
if_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;

	return eval(r, value_truth(v) ? t->n->b : t->n->c, t->in, t->next);
}

static int
select_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;

	return value_truth(v) ? t->next->go(r, t->next, t->in) : 0;
}

static int
as_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;

	r->var[t->n->slot] = *v;
	return eval(r, t->n->b, t->in, t->next);
}

static int
call_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out;

	return pass(r, t->next, call(r, (enum builtin)t->n->op, t->in, v, &out), &out);
}

static int
steps_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out = *v;

	return pass(r, t->next, take_steps(r, t->n->u.step, t->n->n, &out), &out);
}

static int
range_to_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct value out;
	double from, to;
	int rc;

	if (value_type(v) != JSON_NUMBER || value_type(&t->v) != JSON_NUMBER)
		return raise_text(r, "Range bounds must be numeric");
	if (number_of(r, &t->v, &from) < 0 || number_of(r, v, &to) < 0)
		return R_ERROR;
	for (; from < to; from += 1) {
		out = value_double(from);
		if ((rc = t->next->go(r, t->next, &out)) != 0)
			return rc;
	}
	return 0;
}

static int
range_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct then *t = (struct then *)k;
	struct then to = then(range_to_go, t->n, t->in, t->next);

	to.v = *v;
	return eval(r, t->n->b, t->in, &to.k);
}

/* The members of an object, from the first, in a list that grows backward. */
struct member {
	struct kont k;
	const struct node *n;
	const struct value *in;
	struct kont *next;
	size_t i;
	struct value key, value; /* of field i, once they are known */
	const struct member *before;
};

static int next_field(struct expr_run *, const struct member *);

static int
member_value_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct member *m = (struct member *)k;

	if (value_type(&m->key) != JSON_STRING)
		return raise_key(r, &m->key);
	m->value = *v;
	return next_field(r, m);
}

static int
member_key_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct member *m = (struct member *)k;
	const struct field *f = &m->n->u.field[m->i];
	struct member with = *m;
	struct value out;
	int rc;

	with.k.go = member_value_go;
	with.key = *v;
	if (f->value)
		return eval(r, f->value, m->in, &with.k);
	rc = index_value(r, m->in, v, &out);
	return pass(r, &with.k, rc, &out);
}

static int
next_field(struct expr_run *r, const struct member *m)
{
	struct member next = *m;
	struct object o = {.arena = &r->arena};
	const struct field *f;
	const struct member **all;
	struct value out;
	size_t i;

	if (stack_is_full(r))
		return R_ERROR;
	next.i = m->i + 1;
	next.before = m;
	if (next.i < m->n->n) {
		f = &m->n->u.field[next.i];
		next.k.go = member_key_go;
		out = value_string(f->name);
		return f->key ? eval(r, f->key, m->in, &next.k) : next.k.go(r, &next.k, &out);
	}
	all = arena_alloc(&r->arena, next.i * sizeof(const struct member *));
	for (i = next.i; i-- > 0; m = m->before)
		all[i] = m;
	for (i = 0; i < next.i; i++) {
		f = &next.n->u.field[i];
		object_set(&o, value_string_bytes(&all[i]->key, &r->arena), all[i]->value,
			!f->key && f->plain);
	}
	out = object_value(&o);
	return next.next->go(r, next.next, &out);
}

/* The parts of a text, from the last. */
struct part {
	struct kont k;
	const struct node *n;
	const struct value *in;
	struct kont *next;
	struct slice *text;
	size_t i; /* of the part that is being made */
};

static int part_before(struct expr_run *, const struct part *);

static int
part_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct part *p = (struct part *)k;

	p->text[p->i] = part_text(r, p->n, v);
	return part_before(r, p);
}

static int
part_before(struct expr_run *r, const struct part *p)
{
	struct part q = *p;
	struct value out;

	if (stack_is_full(r))
		return R_ERROR;
	q.k.go = part_go;
	while (q.i > 0 && is_text(q.n->u.part[q.i - 1])) {
		q.i--;
		q.text[q.i] = q.n->u.part[q.i]->value.u.text;
	}
	if (q.i == 0) {
		out = join_parts(r, q.text, q.n->n);
		return q.next->go(r, q.next, &out);
	}
	q.i--;
	return eval(r, q.n->u.part[q.i], q.in, &q.k);
}

int
eval(struct expr_run *r, const struct node *n, const struct value *in, struct kont *k)
{
	struct value v;
	struct then t;
	int rc;

	if (n->one) {
		rc = eval_one(r, n, in, &v);
		return rc == 1 ? k->go(r, k, &v) : rc;
	}
	if (stack_is_full(r))
		return R_ERROR;
	t = then(pipe_go, n, in, k);
	switch ((enum node_kind)n->kind) {
	case N_PIPE:
		return eval(r, n->a, in, &t.k);
	case N_COMMA:
		rc = eval(r, n->a, in, k);
		return rc ? rc : eval(r, n->b, in, k);
	case N_EACH:
		t.k.go = each_go;
		return eval(r, n->a, in, &t.k);
	case N_INDEX:
	case N_ARITH:
	case N_CMP:
		t.k.go = right_go;
		return eval(r, n->b, in, &t.k);
	case N_SLICE:
		t.k.go = slice_from_go;
		v = value_null();
		return n->b ? eval(r, n->b, in, &t.k) : t.k.go(r, &t.k, &v);
	case N_PATH:
		t.k.go = steps_go;
		return eval(r, n->a, in, &t.k);
	case N_NEG:
		t.k.go = negate_go;
		return eval(r, n->a, in, &t.k);
	case N_AND:
	case N_OR:
		t.k.go = logic_go;
		return eval(r, n->a, in, &t.k);
	case N_ALT:
		t.k.go = alt_go;
		rc = eval(r, n->a, in, &t.k);
		return rc || t.found ? rc : eval(r, n->b, in, k);
	case N_IF:
		t.k.go = if_go;
		return eval(r, n->a, in, &t.k);
	case N_SELECT:
		t.k.go = select_go;
		return eval(r, n->a, in, &t.k);
	case N_AS:
		t.k.go = as_go;
		return eval(r, n->a, in, &t.k);
	case N_CALL:
		t.k.go = call_go;
		return eval(r, n->a, in, &t.k);
	case N_TRY:
		rc = eval(r, n->a, in, k);
		if (rc != R_ERROR || r->bad || !n->b)
			return rc == R_ERROR && !r->bad ? 0 : rc;
		v = r->error;
		/* jq 1.6 looks for its own kind of error with "object" == . for type == . */
		if (is_string(&v, SLICE("object")))
			return raise_text(r, "Cannot index string with string \"__jq\"");
		return eval(r, n->b, &v, k);
	case N_RANGE:
		t.k.go = range_go;
		return eval(r, n->a, in, &t.k);
	case N_ASSIGN:
		return eval_assign(r, n, in, k);
	case N_OBJECT: {
		/* As if a member -1 were done. */
		struct member m = {.n = n, .in = in, .next = k, .i = SIZE_MAX};

		return next_field(r, &m);
	}
	case N_TEXT: {
		struct part p = {.n = n, .in = in, .next = k, .i = n->n};

		p.text = arena_alloc(&r->arena, n->n * sizeof(*p.text));
		return part_before(r, &p);
	}
	default:
		return 0; /* what is always `one` */
	}
}

/*
 * Paths: |=, = and its kin, and del.
 *
 * An expression that names places is evaluated for the places (a list of keys from the
 * innermost to the outermost) along with their values. As in jq, all places are those of
 * the input; the updates are applied to a state, one after the other, so that a place
 * deleted by an update without an output shifts what is behind it.
 *
 * The common case, a chain of fields, indexes and [] whose update has an output each time,
 * is done in one walk that makes each container once.
 */
#include <math.h>

#include "expr/node.h"

#define MAX_INDEX (1 << 20) /* what an assignment may fill up with null */

struct path {
	const struct path *up;
	struct value key;
	size_t depth; /* keys from here up, this one included */
};

struct pkont {
	int (*go)(struct expr_run *, struct pkont *, const struct path *,
		const struct value *);
};

/* ---- what can be a path ------------------------------------------------------------ */

bool
is_path_node(const struct node *n, const char **what)
{
	switch ((enum node_kind)n->kind) {
	case N_SELF:
	case N_EMPTY:
	case N_SELECT:
		return true;
	case N_PATH:
		return !n->a || is_path_node(n->a, what);
	case N_INDEX:
	case N_SLICE:
	case N_EACH:
	case N_FIRST:
		return is_path_node(n->a, what);
	case N_PIPE:
	case N_COMMA:
	case N_ALT:
		return is_path_node(n->a, what) && is_path_node(n->b, what);
	case N_AS:
		return is_path_node(n->b, what);
	case N_IF:
		return is_path_node(n->b, what) && is_path_node(n->c, what);
	case N_TRY:
		*what = "try with catch";
		return !n->b && is_path_node(n->a, what);
	case N_CALL:
		*what = "a function";
		return n->op == F_ERROR;
	case N_CONST:
	case N_VAR:
	case N_ENV:
		*what = "a value";
		return false;
	case N_ARRAY:
	case N_OBJECT:
	case N_TEXT:
		*what = "something made";
		return false;
	case N_UPDATE:
	case N_ASSIGN:
	case N_DEL:
		*what = "an assignment";
		return false;
	case N_BY:
	case N_LAST:
	case N_ANY:
	case N_ALL:
	case N_RANGE:
		*what = "a function";
		return false;
	default:
		*what = "an operator";
		return false;
	}
}

/* ---- places and their values ------------------------------------------------------- */

struct ways {
	struct kont k;   /* for subexpressions: keys and conditions */
	struct pkont pk;
	const struct node *n;
	const struct path *path;
	const struct value *in;
	struct pkont *next;
	struct value v, w;
	bool found;
};

#define OF_PK(p) ((struct ways *)((char *)(p) - offsetof(struct ways, pk)))

static int eval_path(struct expr_run *, const struct node *, const struct path *,
	const struct value *, struct pkont *);

static struct path
below(const struct path *up, struct value key)
{
	return (struct path){up, key, up ? up->depth + 1 : 1};
}

static int
forgive(struct expr_run *r, bool opt, int rc)
{
	return rc < 0 && opt && !r->bad ? 0 : rc;
}

static struct value
step_key(const struct step *s)
{
	return s->field ? value_string(s->name.key) : value_double(s->index);
}

static int
go_steps(struct expr_run *r, const struct step *s, size_t n, const struct path *path,
	const struct value *v, struct pkont *k)
{
	struct path here;
	struct value child;
	int rc;

	if (n == 0)
		return k->go(r, k, path, v);
	if (stack_is_full(r))
		return R_ERROR;
	here = below(path, step_key(s));
	rc = forgive(r, s->opt, index_value(r, v, &here.key, &child));
	return rc == 1 ? go_steps(r, s + 1, n - 1, &here, &child, k) : rc;
}

static int
way_steps(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);

	return go_steps(r, w->n->u.step, w->n->n, path, v, w->next);
}

static int
way_index(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);
	struct path here = below(path, w->v);
	struct value child;
	int rc = forgive(r, w->n->opt, index_value(r, v, &w->v, &child));

	return rc == 1 ? w->next->go(r, w->next, &here, &child) : rc;
}

static int
way_key(struct expr_run *r, struct kont *k, const struct value *key)
{
	struct ways *w = (struct ways *)k, with = *w;

	with.v = *key;
	with.pk.go = way_index;
	return eval_path(r, w->n->a, w->path, w->in, &with.pk);
}

static int
way_slice(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);
	struct value_member *m = arena_alloc(&r->arena, 2 * sizeof(*m));
	struct path here;
	struct value child;
	int rc = forgive(r, w->n->opt, slice_value(r, v, &w->v, &w->w, &child));

	m[0] = (struct value_member){SLICE("start"), w->v};
	m[1] = (struct value_member){SLICE("end"), w->w};
	here = below(path, (struct value){.kind = VALUE_OBJECT, .u.object = {m, 2}});
	return rc == 1 ? w->next->go(r, w->next, &here, &child) : rc;
}

static int
way_to(struct expr_run *r, struct kont *k, const struct value *to)
{
	struct ways *w = (struct ways *)k, with = *w;

	with.w = *to;
	with.pk.go = way_slice;
	return eval_path(r, w->n->a, w->path, w->in, &with.pk);
}

static int
way_from(struct expr_run *r, struct kont *k, const struct value *from)
{
	struct ways *w = (struct ways *)k, with = *w;
	struct value null = value_null();

	with.v = *from;
	with.k.go = way_to;
	return w->n->c ? eval(r, w->n->c, w->in, &with.k) : way_to(r, &with.k, &null);
}

static int
way_each(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);
	enum json_type type = value_type(v);
	struct value_iter it;
	struct path here;
	double i = 0;
	int rc;

	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return w->n->opt ? 0 : raise_not_iterable(r, v);
	for (value_enter(v, &it, &r->arena); value_step(&it); i++) {
		here = below(path, type == JSON_OBJECT ? value_string(it.name) :
			value_double(i));
		if ((rc = w->next->go(r, w->next, &here, &it.value)) != 0)
			return rc;
	}
	return 0;
}

static int
way_pipe(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);

	return eval_path(r, w->n->b, path, v, w->next);
}

static int
way_alt(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);

	if (!value_truth(v))
		return 0;
	w->found = true;
	return w->next->go(r, w->next, path, v);
}

static int
way_first(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct ways *w = OF_PK(k);
	int rc = w->next->go(r, w->next, path, v);

	if (rc)
		return rc;
	r->breaks = w;
	return R_BREAK;
}

static int
way_if(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct ways *w = (struct ways *)k;

	return eval_path(r, value_truth(v) ? w->n->b : w->n->c, w->path, w->in, w->next);
}

static int
way_select(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct ways *w = (struct ways *)k;

	return value_truth(v) ? w->next->go(r, w->next, w->path, w->in) : 0;
}

static int
way_as(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct ways *w = (struct ways *)k;

	r->var[w->n->slot] = *v;
	return eval_path(r, w->n->b, w->path, w->in, w->next);
}

static int
way_none(struct expr_run *r, struct kont *k, const struct value *v)
{
	(void)r;
	(void)k;
	(void)v;
	return 0;
}

/* Hand each place that n names in *in, which stands at path, to k. */
static int
eval_path(struct expr_run *r, const struct node *n, const struct path *path,
	const struct value *in, struct pkont *k)
{
	struct ways w = {.n = n, .path = path, .in = in, .next = k};
	struct value null = value_null();
	int rc;

	if (stack_is_full(r))
		return R_ERROR;
	switch ((enum node_kind)n->kind) {
	case N_SELF:
		return k->go(r, k, path, in);
	case N_PATH:
		w.pk.go = way_steps;
		return n->a ? eval_path(r, n->a, path, in, &w.pk) :
			go_steps(r, n->u.step, n->n, path, in, k);
	case N_INDEX:
		w.k.go = way_key;
		return eval(r, n->b, in, &w.k);
	case N_SLICE:
		w.k.go = way_from;
		return n->b ? eval(r, n->b, in, &w.k) : way_from(r, &w.k, &null);
	case N_EACH:
		w.pk.go = way_each;
		return eval_path(r, n->a, path, in, &w.pk);
	case N_PIPE:
		w.pk.go = way_pipe;
		return eval_path(r, n->a, path, in, &w.pk);
	case N_COMMA:
		rc = eval_path(r, n->a, path, in, k);
		return rc ? rc : eval_path(r, n->b, path, in, k);
	case N_ALT:
		w.pk.go = way_alt;
		rc = eval_path(r, n->a, path, in, &w.pk);
		return rc || w.found ? rc : eval_path(r, n->b, path, in, k);
	case N_FIRST:
		w.pk.go = way_first;
		rc = eval_path(r, n->a, path, in, &w.pk);
		return rc == R_BREAK && r->breaks == &w ? 0 : rc;
	case N_IF:
		w.k.go = way_if;
		return eval(r, n->a, in, &w.k);
	case N_SELECT:
		w.k.go = way_select;
		return eval(r, n->a, in, &w.k);
	case N_AS:
		w.k.go = way_as;
		return eval(r, n->a, in, &w.k);
	case N_TRY:
		rc = eval_path(r, n->a, path, in, k);
		return rc == R_ERROR && !r->bad ? 0 : rc;
	case N_CALL: /* error */
		w.k.go = way_none;
		return eval(r, n, in, &w.k);
	default:
		return 0;
	}
}

/* The keys of a path, from the outermost, as an array. */
static struct value
keys_of(struct expr_run *r, const struct path *p)
{
	size_t n = p ? p->depth : 0, i;
	struct value *key = arena_alloc(&r->arena, n * sizeof(*key));

	for (i = n; i-- > 0; p = p->up)
		key[i] = p->key;
	return (struct value){.kind = VALUE_ARRAY, .u.array = {key, n}};
}

/* ---- setting ----------------------------------------------------------------------- */

static int
set_index(struct expr_run *r, const struct value *v, double at, const struct value *child,
	struct value *out)
{
	const struct value *item = NULL;
	struct value *copy;
	size_t n = 0, i, len;
	double whole = trunc(at);

	if (value_type(v) == JSON_ARRAY)
		item = value_items(v, &n, &r->arena);
	if (whole < 0)
		whole += (double)n;
	if (whole < 0)
		return raise_text(r, "Out of bounds negative array index");
	if (!(whole < (double)(n > MAX_INDEX ? n : MAX_INDEX)))
		return raise_text(r, "Array index %.0f is too large", whole);
	i = (size_t)whole;
	len = i < n ? n : i + 1;
	copy = arena_alloc(&r->arena, len * sizeof(*copy));
	if (n)
		memcpy(copy, item, n * sizeof(*copy));
	for (; n < len; n++)
		copy[n] = value_null();
	copy[i] = *child;
	*out = (struct value){.kind = VALUE_ARRAY, .u.array = {copy, len}};
	return 1;
}

static int
set_slice(struct expr_run *r, const struct value *v, const struct value *key,
	const struct value *child, struct value *out)
{
	const struct value *item = NULL, *more;
	struct value from, to, *copy;
	size_t n = 0, m, first, end;

	if (value_type(v) == JSON_ARRAY)
		item = value_items(v, &n, &r->arena);
	if (!value_get(key, SLICE("start"), &from) || !value_get(key, SLICE("end"), &to) ||
	    !slice_bounds(&from, &to, n, &first, &end))
		return raise_text(r, "Start and end indices of an array slice must be numbers");
	if (value_type(child) != JSON_ARRAY)
		return raise_text(r, "A slice of an array can only be assigned another array");
	more = value_items(child, &m, &r->arena);
	copy = arena_alloc(&r->arena, (n - (end - first) + m) * sizeof(*copy));
	if (first)
		memcpy(copy, item, first * sizeof(*copy));
	if (m)
		memcpy(copy + first, more, m * sizeof(*copy));
	if (n > end)
		memcpy(copy + first + m, item + end, (n - end) * sizeof(*copy));
	*out = (struct value){.kind = VALUE_ARRAY, .u.array = {copy, n - (end - first) + m}};
	return 1;
}

/* v with child at key. */
static int
set_at(struct expr_run *r, const struct value *v, const struct value *key,
	const struct value *child, struct value *out)
{
	enum json_type t = value_type(v), k = value_type(key);
	struct object o = {.arena = &r->arena};

	if (k == JSON_STRING && (t == JSON_OBJECT || t == JSON_NULL)) {
		if (t == JSON_OBJECT)
			object_add(&o, v);
		object_set(&o, value_string_bytes(key, &r->arena), *child, false);
		*out = object_value(&o);
		return 1;
	}
	if (k == JSON_NUMBER && (t == JSON_ARRAY || t == JSON_NULL))
		return set_index(r, v, value_number(key), child, out);
	if (k == JSON_OBJECT && (t == JSON_ARRAY || t == JSON_NULL))
		return set_slice(r, v, key, child, out);
	return raise_text(r, "Cannot update field at %s index of %s",
		k == JSON_OBJECT ? "object" : type_name(key), type_name(v));
}

static int
set_path(struct expr_run *r, const struct value *root, const struct value *key, size_t n,
	const struct value *v, struct value *out)
{
	struct value child;

	if (n == 0) {
		*out = *v;
		return 1;
	}
	if (stack_is_full(r) || index_value(r, root, key, &child) < 0 ||
	    set_path(r, &child, key + 1, n - 1, v, &child) < 0)
		return R_ERROR;
	return set_at(r, root, key, &child, out);
}

static int
get_path(struct expr_run *r, const struct value *root, const struct value *key, size_t n,
	struct value *out)
{
	struct value v = *root;

	for (; n > 0; n--, key++)
		if (index_value(r, &v, key, &v) < 0)
			return R_ERROR;
	*out = v;
	return 1;
}

/* ---- deleting ---------------------------------------------------------------------- */

static int
delete_items(struct expr_run *r, const struct value *v, const struct value *key, size_t nkeys,
	struct value *out)
{
	size_t n, i, j, first, end, kept = 0;
	const struct value *item = value_items(v, &n, &r->arena);
	struct value *copy = arena_alloc(&r->arena, n * sizeof(*copy)), from, to;
	bool *gone = arena_alloc(&r->arena, n * sizeof(*gone));
	double d;

	if (n)
		memset(gone, 0, n * sizeof(*gone));
	for (i = 0; i < nkeys; i++) {
		switch (value_type(&key[i])) {
		case JSON_NUMBER:
			d = trunc(value_number(&key[i]));
			if (d < 0)
				d += (double)n;
			if (d >= 0 && d < (double)n)
				gone[(size_t)d] = true;
			break;
		case JSON_OBJECT:
			if (!value_get(&key[i], SLICE("start"), &from) ||
			    !value_get(&key[i], SLICE("end"), &to) ||
			    !slice_bounds(&from, &to, n, &first, &end))
				return raise_text(r, "Start and end indices of an array slice "
					"must be numbers");
			for (j = first; j < end; j++)
				gone[j] = true;
			break;
		default:
			return raise_text(r, "Cannot delete %s element of array",
				type_name(&key[i]));
		}
	}
	for (i = 0; i < n; i++)
		if (!gone[i])
			copy[kept++] = item[i];
	*out = (struct value){.kind = VALUE_ARRAY, .u.array = {copy, kept}};
	return 1;
}

static int
delete_members(struct expr_run *r, const struct value *v, const struct value *key,
	size_t nkeys, struct value *out)
{
	size_t n, i, j, kept = 0;
	const struct value_member *m = value_members(v, &n, &r->arena);
	struct value_member *copy = arena_alloc(&r->arena, n * sizeof(*copy));

	for (j = 0; j < nkeys; j++)
		if (value_type(&key[j]) != JSON_STRING)
			return raise_text(r, "Cannot delete %s field of object",
				type_name(&key[j]));
	for (i = 0; i < n; i++) {
		for (j = 0; j < nkeys; j++)
			if (slice_eq(value_string_bytes(&key[j], &r->arena), m[i].name))
				break;
		if (j == nkeys)
			copy[kept++] = m[i];
	}
	*out = (struct value){.kind = VALUE_OBJECT, .u.object = {copy, kept}};
	return 1;
}

static int
delete_keys(struct expr_run *r, const struct value *v, const struct value *key, size_t n,
	struct value *out)
{
	switch (n ? value_type(v) : JSON_NULL) {
	case JSON_NULL:
		*out = *v;
		return 1;
	case JSON_ARRAY:
		return delete_items(r, v, key, n, out);
	case JSON_OBJECT:
		return delete_members(r, v, key, n, out);
	default:
		return raise_text(r, "Cannot delete fields from %s", type_name(v));
	}
}

/* path[0..n): sorted paths, each longer than depth, the same down to there. */
static int
delete_sorted(struct expr_run *r, const struct value *v, const struct value *path, size_t n,
	size_t depth, struct value *out)
{
	struct value *gone = arena_alloc(&r->arena, n * sizeof(*gone)), whole = *v, child;
	const struct value *key;
	size_t i, j, ngone = 0;

	if (stack_is_full(r))
		return R_ERROR;
	for (i = 0; i < n; i = j) {
		key = &path[i].u.array.item[depth];
		for (j = i + 1; j < n; j++)
			if (value_cmp(key, &path[j].u.array.item[depth], &r->arena) != 0)
				break;
		if (path[i].u.array.n == depth + 1) {
			gone[ngone++] = *key;
			continue;
		}
		if (index_value(r, &whole, key, &child) < 0)
			return R_ERROR;
		if (value_type(&child) == JSON_NULL)
			continue;
		if (delete_sorted(r, &child, path + i, j - i, depth + 1, &child) < 0 ||
		    set_at(r, &whole, key, &child, &whole) < 0)
			return R_ERROR;
	}
	return delete_keys(r, &whole, gone, ngone, out);
}

/* v without the places paths, an array of arrays of keys. */
static int
delete_paths(struct expr_run *r, const struct value *v, const struct value *paths,
	struct value *out)
{
	struct value in_order;

	if (paths->u.array.n == 0) {
		*out = *v;
		return 1;
	}
	if (call(r, F_SORT, paths, NULL, &in_order) < 0)
		return R_ERROR;
	if (in_order.u.array.item[0].u.array.n == 0) {
		*out = value_null();
		return 1;
	}
	return delete_sorted(r, v, in_order.u.array.item, in_order.u.array.n, 0, out);
}

struct places {
	struct pkont pk;
	struct value *path;
	size_t n, cap;
};

static int
add_place(struct expr_run *r, struct pkont *k, const struct path *path, const struct value *v)
{
	struct places *p = (struct places *)k;

	(void)v;
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 4;
		struct value *wider = arena_alloc(&r->arena, cap * sizeof(*wider));

		if (p->n)
			memcpy(wider, p->path, p->n * sizeof(*wider));
		p->path = wider;
		p->cap = cap;
	}
	p->path[p->n++] = keys_of(r, path);
	return 0;
}

int
eval_del(struct expr_run *r, const struct node *n, const struct value *in, struct value *out)
{
	struct places p = {.pk.go = add_place};
	struct value paths;
	int rc = eval_path(r, n->a, NULL, in, &p.pk);

	if (rc)
		return rc;
	paths = (struct value){.kind = VALUE_ARRAY, .u.array = {p.path, p.n}};
	return delete_paths(r, in, &paths, out);
}

/* ---- updating ---------------------------------------------------------------------- */

/* What becomes of the value at each place: an output of f, or `value op operand`. */
struct update {
	struct kont k;    /* an output of f: set it, stop */
	struct pkont pk;  /* a place */
	const struct node *f;
	enum op op;
	struct value operand;
	struct value state;
	/* Of the place in hand: */
	struct value root, keys, made;
};

#define NO_OUTPUT 2 /* of a walk: some update had none */

/* What the value v becomes; 1, 0 if f has no output, or R_ERROR. */
static int
updated(struct expr_run *r, const struct update *u, const struct value *v, struct value *out)
{
	struct node first = {.kind = N_FIRST, .one = true, .a = (struct node *)u->f};

	if (u->f)
		return u->f->one ? eval_one(r, u->f, v, out) : eval_one(r, &first, v, out);
	if (u->op == OP_ALT) {
		*out = value_truth(v) ? *v : u->operand;
		return 1;
	}
	if (u->op == OP_NONE) {
		*out = u->operand;
		return 1;
	}
	return arith(r, u->op, v, &u->operand, out);
}

static bool
is_chain(const struct node *n)
{
	switch (n->kind) {
	case N_SELF:
		return true;
	case N_PATH:
		return !n->a || is_chain(n->a);
	case N_EACH:
		return is_chain(n->a);
	case N_PIPE:
		return is_chain(n->a) && is_chain(n->b);
	default:
		return false;
	}
}

/* One hop of a chain: a step of a path, or [] where step is NULL. */
struct hop {
	const struct step *step;
	bool opt;
};

struct chain {
	struct hop *hop;
	size_t n;
};

static void
add_hops(const struct node *n, struct chain *c)
{
	size_t i;

	if (n->a)
		add_hops(n->a, c);
	if (n->kind == N_PIPE)
		add_hops(n->b, c);
	if (n->kind == N_EACH)
		c->hop[c->n++] = (struct hop){NULL, n->opt};
	for (i = 0; n->kind == N_PATH && i < n->n; i++)
		c->hop[c->n++] = (struct hop){&n->u.step[i], n->u.step[i].opt};
}

static size_t
count_hops(const struct node *n)
{
	return (n->a ? count_hops(n->a) : 0) + (n->kind == N_PIPE ? count_hops(n->b) : 0) +
		(n->kind == N_PATH ? n->n : 1);
}

static int walk(struct expr_run *, const struct update *, const struct hop *, size_t,
	const struct value *, struct value *);

static int
walk_each(struct expr_run *r, const struct update *u, const struct hop *hop, size_t n,
	const struct value *v, struct value *out)
{
	enum json_type t = value_type(v);
	const struct value *item;
	const struct value_member *member;
	struct value *copy;
	struct value_member *m;
	size_t len, i;
	int rc;

	if (t == JSON_ARRAY) {
		item = value_items(v, &len, &r->arena);
		copy = arena_alloc(&r->arena, len * sizeof(*copy));
		for (i = 0; i < len; i++)
			if ((rc = walk(r, u, hop + 1, n - 1, &item[i], &copy[i])) != 1)
				return rc;
		*out = (struct value){.kind = VALUE_ARRAY, .u.array = {copy, len}};
		return 1;
	}
	if (t == JSON_OBJECT) {
		member = value_members(v, &len, &r->arena);
		m = arena_alloc(&r->arena, len * sizeof(*m));
		for (i = 0; i < len; i++) {
			uint8_t plain = member[i].value.flags & VALUE_NAME_PLAIN;

			m[i].name = member[i].name;
			rc = walk(r, u, hop + 1, n - 1, &member[i].value, &m[i].value);
			if (rc != 1)
				return rc;
			m[i].value.flags &= (uint8_t)~VALUE_NAME_PLAIN;
			m[i].value.flags |= plain;
		}
		*out = (struct value){.kind = VALUE_OBJECT, .u.object = {m, len}};
		return 1;
	}
	if (!hop->opt)
		return raise_not_iterable(r, v);
	*out = *v;
	return 1;
}

/* *v with what hop[0..n) names updated. */
static int
walk(struct expr_run *r, const struct update *u, const struct hop *hop, size_t n,
	const struct value *v, struct value *out)
{
	struct value key, child;
	int rc;

	if (n == 0) {
		rc = updated(r, u, v, out);
		return rc == 0 ? NO_OUTPUT : rc;
	}
	if (stack_is_full(r))
		return R_ERROR;
	if (!hop->step)
		return walk_each(r, u, hop, n, v, out);
	key = step_key(hop->step);
	rc = forgive(r, hop->opt, index_value(r, v, &key, &child));
	if (rc != 1) {
		*out = *v;
		return rc == 0 ? 1 : rc;
	}
	rc = walk(r, u, hop + 1, n - 1, &child, &child);
	return rc == 1 ? set_at(r, v, &key, &child, out) : rc;
}

static int
output_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct update *u = (struct update *)k;

	if (set_path(r, &u->root, u->keys.u.array.item, u->keys.u.array.n, v, &u->made) < 0)
		return R_ERROR;
	r->breaks = u;
	return R_BREAK;
}

static int
place_go(struct expr_run *r, struct pkont *k, const struct path *path,
	const struct value *old)
{
	struct update *u = (struct update *)((char *)k - offsetof(struct update, pk));
	struct value v, paths;
	int rc;

	(void)old;
	/* Should an open try of the paths catch what happens here, the state is lost. */
	u->root = u->state;
	u->state = value_null();
	u->keys = keys_of(r, path);
	if (get_path(r, &u->root, u->keys.u.array.item, u->keys.u.array.n, &v) < 0)
		return R_ERROR;
	if (u->f) {
		rc = eval(r, u->f, &v, &u->k);
	} else {
		rc = updated(r, u, &v, &v);
		rc = rc == 1 ? output_go(r, &u->k, &v) : rc;
	}
	if (rc == R_BREAK && r->breaks == u) {
		u->state = u->made;
		return 0;
	}
	if (rc)
		return rc;
	paths = (struct value){.kind = VALUE_ARRAY, .u.array = {&u->keys, 1}};
	return delete_paths(r, &u->root, &paths, &u->state) < 0 ? R_ERROR : 0;
}

static int
update(struct expr_run *r, const struct node *paths, struct update *u, const struct value *in,
	struct value *out)
{
	struct chain c = {0};
	int rc;

	if (is_chain(paths)) {
		c.hop = arena_alloc(&r->arena, count_hops(paths) * sizeof(*c.hop));
		add_hops(paths, &c);
		rc = walk(r, u, c.hop, c.n, in, out);
		if (rc != NO_OUTPUT)
			return rc;
	}
	u->k.go = output_go;
	u->pk.go = place_go;
	u->state = *in;
	rc = eval_path(r, paths, NULL, in, &u->pk);
	*out = u->state;
	return rc ? rc : 1;
}

int
eval_update(struct expr_run *r, const struct node *n, const struct value *in,
	struct value *out)
{
	struct update u = {.f = n->b};

	return update(r, n->a, &u, in, out);
}

struct assign {
	struct kont k;
	const struct node *n;
	const struct value *in;
	struct kont *next;
};

static int
assign_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct assign *a = (struct assign *)k;
	struct update u = {.op = (enum op)a->n->op, .operand = *v};
	struct value out;
	int rc = update(r, a->n->a, &u, a->in, &out);

	return rc == 1 ? a->next->go(r, a->next, &out) : rc;
}

int
eval_assign(struct expr_run *r, const struct node *n, const struct value *in,
	struct kont *next)
{
	struct assign a = {.k.go = assign_go, .n = n, .in = in, .next = next};

	return eval(r, n->b, in, &a.k);
}

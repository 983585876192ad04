/* Filters as their users see them: native where they can be, else libjq's. */
#include <stdlib.h>

#include "base/mem.h"
#include "expr/node.h"
#include "expr/outline.h"

/* An empty string has an address, or it would be no string: arenas begin with a block. */
static void
prime(struct arena *a)
{
	if (!a->chunks)
		arena_alloc(a, 1);
}

/* ---- compiling --------------------------------------------------------------------- */

static bool
is_forced(void)
{
	const char *s = getenv("SK_EXPR");

	return s && strcmp(s, "libjq") == 0;
}

struct expr *
expr_compile_native(const char *text, const struct expr_options *options, struct failure *why)
{
	struct expr *x = mem_zalloc(sizeof(*x));
	int rc;

	prime(&x->arena);
	x->text = mem_strdup(text);
	x->numbers_double = options && options->numbers_double;
	rc = expr_parse(x, options, why);
	if (rc == 0) {
		ask_prepare(x);
		return x;
	}
	if (rc > 0)
		fail(why, EXIT_USAGE, "%s", x->reason);
	expr_free(x);
	return NULL;
}

struct expr *
expr_compile(const char *text, const struct expr_options *options, struct failure *why)
{
	struct expr *x = mem_zalloc(sizeof(*x));
	struct failure jq_why = {0};
	bool forced = is_forced();
	int rc;

	prime(&x->arena);
	x->text = mem_strdup(text);
	x->numbers_double = options && options->numbers_double;
	if (!json_is_utf8(slice_str(text))) {
		fail(why, EXIT_USAGE, "the filter is not UTF-8");
		goto bad;
	}
	rc = expr_parse(x, options, why);
	if (rc == 0 && !forced) {
		ask_prepare(x);
		return x;
	}
	if (rc == -2)
		goto bad;
	x->root = NULL;
	x->jq = jq_filter_new(text, options, &jq_why);
	if (!x->jq) {
		/* What this parser says of a mistake says more than what libjq does. */
		if (rc >= 0)
			*why = jq_why;
		why->status = EXIT_USAGE;
		goto bad;
	}
	if (rc < 0)
		x->reason = "its syntax is not native";
	else if (forced)
		x->reason = "SK_EXPR asks for it";
	return x;
bad:
	expr_free(x);
	return NULL;
}

void
expr_free(struct expr *x)
{
	if (!x)
		return;
	if (x->jq)
		jq_filter_free(x->jq);
	arena_release(&x->arena);
	free(x->path);
	free(x->text);
	free(x);
}

bool
expr_is_native(const struct expr *x)
{
	return x->root != NULL;
}

const char *
expr_text(const struct expr *x)
{
	return x->text;
}

void
expr_explain(const struct expr *x, struct buf *b)
{
	if (x->root)
		buf_addf(b, "native: %s", x->text);
	else
		buf_addf(b, "libjq: %s", x->reason);
}

bool
expr_is_path(const struct expr *x)
{
	return x->npaths == 1;
}

size_t
expr_paths(const struct expr *x)
{
	return x->npaths;
}

struct slice
expr_path_name(const struct expr *x, size_t i)
{
	const struct node *n = x->path[i];

	if (n->kind != N_PATH || !n->u.step[n->n - 1].field)
		return slice_of(NULL, 0);
	return n->u.step[n->n - 1].name.key;
}

struct slice
expr_field(const struct expr *x)
{
	struct slice name = expr_is_path(x) ? expr_path_name(x, 0) : slice_of(NULL, 0);
	const char *text = expr_text(x);

	if (name.p && text[0] == '.' && slice_eq(slice_str(text + 1), name))
		return name;
	return slice_of(NULL, 0);
}

size_t
expr_path_fields(const struct expr *x, size_t i, struct slice *name, size_t max)
{
	const struct node *n = x->path[i];
	size_t k;

	if (n->kind != N_PATH || n->a || n->n > max)
		return 0;
	for (k = 0; k < n->n; k++) {
		if (!n->u.step[k].field)
			return 0;
		name[k] = n->u.step[k].name.key;
	}
	return n->n;
}

/* ---- running ----------------------------------------------------------------------- */

struct expr_run *
expr_run_new(const struct expr *x)
{
	struct expr_run *r = mem_zalloc(sizeof(*r));

	r->expr = x;
	r->var = mem_array(x->slots + 1, sizeof(*r->var));
	return r;
}

void
expr_run_free(struct expr_run *r)
{
	if (!r)
		return;
	ask_close(r);
	arena_release(&r->arena);
	json_scan_release(&r->scan);
	buf_release(&r->text);
	free(r->var);
	free(r);
}

void
expr_run_reset(struct expr_run *r)
{
	arena_reset(&r->arena);
}

struct arena *
expr_run_arena(struct expr_run *r)
{
	return &r->arena;
}

static void
begin(struct expr_run *r, const struct expr_env *env)
{
	prime(&r->arena);
	r->env = env;
	r->bad = r->unfit = false;
	r->stack_end = (const char *)__builtin_frame_address(0) - MAX_STACK;
}

/* Say what error the filter ended with, as the jq command does. */
static int
failed(struct expr_run *r, struct failure *why)
{
	struct slice s = value_string_bytes(&r->error, &r->arena);
	struct buf b = {0};

	if (!s.p) {
		buf_adds(&b, "error (not a string): ");
		value_add_json(&b, &r->error);
		s = buf_slice(&b);
	}
	fail(why, EXIT_DATA, "%.*s", s.n > 4096 ? 4096 : (int)strnlen(s.p, s.n), s.p);
	why->column = 0;
	if (r->unfit)
		fail_hint(why, "--numbers=double lets numbers change");
	buf_release(&b);
	return -1;
}

struct deliver {
	struct kont k;
	expr_sink *sink;
	void *arg;
};

static int
deliver_go(struct expr_run *r, struct kont *k, const struct value *v)
{
	struct deliver *d = (struct deliver *)k;

	r->sink_rc = d->sink(d->arg, v);
	return r->sink_rc ? R_STOP : 0;
}

int
expr_each(struct expr_run *r, const struct value *input, const struct expr_env *env,
	expr_sink *sink, void *arg, struct failure *why)
{
	const struct node *root = r->expr->root;
	struct deliver d = {{deliver_go}, sink, arg};
	struct value v;
	int rc;

	if (!root)
		return jq_filter_each(r->expr->jq, input, env, sink, arg, &r->arena, why);
	begin(r, env);
	if (root->one) {
		rc = eval_one(r, root, input, &v);
		if (rc == 1)
			return sink(arg, &v);
	} else {
		rc = eval(r, root, input, &d.k);
		if (rc == R_STOP)
			return r->sink_rc;
	}
	return rc ? failed(r, why) : 0;
}

#define FOUND 1

static int
test_sink(void *arg, const struct value *v)
{
	(void)arg;
	return value_truth(v) ? FOUND : 0;
}

int
expr_test(struct expr_run *r, const struct value *input, const struct expr_env *env,
	struct failure *why)
{
	const struct node *root = r->expr->root;
	int rc;

	if (!root || !root->one)
		return expr_each(r, input, env, test_sink, NULL, why);
	begin(r, env);
	rc = eval_truth(r, root, input);
	return rc < 0 ? failed(r, why) : rc == 1;
}

struct all {
	struct arena *arena;
	struct value *v;
	size_t n, cap;
};

static int
all_sink(void *arg, const struct value *v)
{
	struct all *a = arg;

	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 4;
		struct value *wider = arena_alloc(a->arena, cap * sizeof(*wider));

		if (a->n)
			memcpy(wider, a->v, a->n * sizeof(*wider));
		a->v = wider;
		a->cap = cap;
	}
	a->v[a->n++] = *v;
	return 0;
}

ptrdiff_t
expr_all(struct expr_run *r, const struct value *input, const struct expr_env *env,
	const struct value **out, struct failure *why)
{
	struct all a = {.arena = &r->arena};

	if (expr_each(r, input, env, all_sink, &a, why) < 0)
		return -1;
	*out = a.v;
	return (ptrdiff_t)a.n;
}

bool
expr_member(const struct expr *x, const struct json_doc *d, uint32_t t, uint32_t *member)
{
	const struct node *n = x->root;

	if (!n || n->kind != N_PATH || n->a || n->n != 1 || !n->u.step[0].field ||
		d->first[t] != '{')
		return false;
	*member = json_get_name(d, t, &n->u.step[0].name);
	return true;
}

static struct value
same_for_all(void *value, unsigned index)
{
	(void)index;
	return *(const struct value *)value;
}

int
expr_leaf(struct expr_run *r, const struct expr_leaf *leaf, const struct value *of,
	struct value *out, struct failure *why)
{
	struct value v = *of;
	struct expr_env env = {same_for_all, &v};

	begin(r, &env);
	return eval_one(r, leaf->path, of, out) < 0 ? failed(r, why) : 0;
}

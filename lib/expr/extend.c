/* Members added to an object: its own text serves unless one of them gives way. */
#include "expr/extend.h"

static bool
is_added(const struct value_member *more, size_t n, struct slice name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (slice_eq(more[i].name, name))
			return true;
	return false;
}

static void
add_member(struct buf *b, struct slice name, const struct value *v)
{
	if (b->p[b->n - 1] != '{')
		buf_addc(b, ',');
	json_add_string(b, name);
	buf_addc(b, ':');
	value_add_json(b, v);
}

bool
value_add_extended(struct buf *b, const struct value *object,
	const struct value_member *more, size_t n, bool overwrite, struct arena *arena,
	struct slice *clash)
{
	struct value_iter it;
	struct value own;
	bool clashes = false;
	size_t i;

	for (i = 0; i < n && !clashes; i++) {
		clashes = value_get(object, more[i].name, &own);
		if (clashes && !overwrite) {
			*clash = more[i].name;
			return false;
		}
	}
	if (clashes) {
		buf_addc(b, '{');
		for (value_enter(object, &it, arena); value_step(&it);)
			if (!is_added(more, n, it.name))
				add_member(b, it.name, &it.value);
	} else {
		value_add_json(b, object);
		b->n--;
	}
	for (i = 0; i < n; i++)
		add_member(b, more[i].name, &more[i].value);
	buf_addc(b, '}');
	return true;
}

int
expr_check_names(const struct expr *e, size_t max, struct failure *why)
{
	size_t i, j, n = expr_paths(e);

	if (!n || n > max)
		return fail(why, EXIT_USAGE, "1 to %zu paths are taken: .orderId,.userId", max);
	for (i = 0; i < n; i++) {
		if (!expr_path_name(e, i).p)
			return fail(why, EXIT_USAGE, "a path must end in a field");
		for (j = 0; j < i; j++)
			if (slice_eq(expr_path_name(e, i), expr_path_name(e, j)))
				return fail(why, EXIT_USAGE, "two paths end in the same field");
	}
	return 0;
}

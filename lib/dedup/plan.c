/* The command line of sk-dedup, read. */
#include "dedup/plan.h"

#include <inttypes.h>

static struct json_omit *
find(const struct json_omit *list, struct slice name)
{
	while (list && !slice_eq(list->name, name))
		list = list->next;
	return (struct json_omit *)(uintptr_t)list;
}

/* Put a field, name within name, among those that are left out. */
static void
leave_out(struct dedup_plan *p, const struct slice *name, size_t n)
{
	const struct json_omit **list = &p->omit;
	struct json_omit *at = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		at = find(*list, name[i]);
		if (at && !at->inner)
			return; /* all of it already */
		if (!at) {
			at = &p->omits[p->nomits++];
			*at = (struct json_omit){.name = name[i], .next = *list};
			*list = at;
		}
		list = &at->inner;
	}
	if (at)
		at->inner = NULL;
}

static int
read_ignored(struct dedup_plan *p, struct failure *why)
{
	struct slice name[DEDUP_DEPTH];
	size_t paths = p->ignore ? expr_paths(p->ignore) : 0, i, n;

	if (p->ignore && (!paths || paths > DEDUP_IGNORED))
		return fail(why, EXIT_USAGE, "--ignore takes 1 to %d fields: .ts,.meta.seq",
			DEDUP_IGNORED);
	for (i = 0; i < paths; i++) {
		n = expr_path_fields(p->ignore, i, name, DEDUP_DEPTH);
		if (!n)
			return fail(why, EXIT_USAGE, "--ignore takes fields, at most %d deep: "
				".ts,.meta.seq", DEDUP_DEPTH);
		leave_out(p, name, n);
	}
	return 0;
}

static int
read_tag(struct dedup_plan *p, struct failure *why)
{
	struct slice name[DEDUP_DEPTH];
	size_t n;

	if (!p->tag)
		return 0;
	n = expr_is_path(p->tag) ? expr_path_fields(p->tag, 0, name, DEDUP_DEPTH) : 0;
	if (!n)
		return fail(why, EXIT_USAGE, "--tag takes one field, at most %d deep: .messageId",
			DEDUP_DEPTH);
	if (n == 1)
		p->tag_field = name[0];
	leave_out(p, name, n);
	return 0;
}

static int
check_approx(const struct dedup_plan *p, const struct dedup_around *around,
	struct failure *why)
{
	if (!p->approx)
		return 0;
	if (around->state) {
		fail(why, EXIT_USAGE, "--approx and --state exclude each other: the filter is kept "
			"in memory alone");
		fail_hint(why, "leave out --approx; --max-memory bounds what is exact");
		return -1;
	}
	if (p->within_us)
		return fail(why, EXIT_USAGE, "--approx and --within exclude each other: the filter "
			"knows no times");
	if (p->keep_last)
		return fail(why, EXIT_USAGE, "--approx and --keep last exclude each other: the "
			"filter keeps no records");
	if (around->evict)
		return fail(why, EXIT_USAGE, "--approx and --on-full evict exclude each other: the "
			"filter forgets nothing");
	return 0;
}

static int
check(const struct dedup_plan *p, const struct dedup_around *around, struct failure *why)
{
	if (p->key && p->canonical)
		return fail(why, EXIT_USAGE, "-k and --canonical exclude each other: keys are "
			"compared by their values in any case");
	if (p->key && p->ignore && !p->tag && !p->key_by_id)
		return fail(why, EXIT_USAGE, "--ignore says what of a record does not count, and "
			"-k what does: give one of them");
	if (p->null_key && !p->key)
		return fail(why, EXIT_USAGE, "--null-key is of use with -k only");
	if (p->refresh && !p->within_us)
		return fail(why, EXIT_USAGE, "--refresh needs --within");
	if (around->late && !p->within_us)
		return fail(why, EXIT_USAGE, "--late needs --within: without it nothing comes too "
			"late");
	if (p->mark && p->duplicates_to)
		return fail(why, EXIT_USAGE, "--mark and --duplicates exclude each other: "
			"duplicates pass, or go elsewhere");
	if (p->key_by_id && !around->keys) {
		fail(why, EXIT_USAGE, "--key-by-id: plain lines have neither keys nor headers");
		fail_hint(why, "-e, or a sink that takes them: kafka:, capture:");
		return -1;
	}
	return check_approx(p, around, why);
}

static void
add_text(struct buf *b, const char *name, const char *text)
{
	buf_addf(b, "%c\"%s\":", b->n ? ',' : '{', name);
	if (text)
		json_add_string(b, slice_str(text));
	else
		buf_adds(b, "null");
}

/* The options that decide what the bytes in the state mean. */
static void
describe_shape(struct dedup_plan *p)
{
	struct buf *b = &p->shape;

	add_text(b, "key", p->key_text);
	add_text(b, "ignore", p->canonical ? p->ignore_text : NULL);
	add_text(b, "tag", p->canonical ? p->tag_text : NULL);
	buf_addf(b, ",\"canonical\":%s,\"nullKey\":%s,\"within\":\"%" PRId64 "us\"",
		p->canonical ? "true" : "false", p->null_key ? "true" : "false", p->within_us);
	add_text(b, "keep", p->keep_last ? "last" : "first");
	buf_addc(b, '}');
}

int
dedup_plan_read(struct dedup_plan *p, const struct dedup_around *around, struct failure *why)
{
	p->keep_last = p->keep_text && strcmp(p->keep_text, "last") == 0;
	p->adds = p->tag || p->key_by_id;
	if (check(p, around, why) < 0 || read_ignored(p, why) < 0 || read_tag(p, why) < 0)
		return -1;
	if (p->ignore && !p->key)
		p->canonical = true;
	describe_shape(p);
	return 0;
}

void
dedup_plan_release(struct dedup_plan *p)
{
	buf_release(&p->shape);
}

/* The command line of sk-aggregate, read. */
#include "group/plan.h"

#include <stdlib.h>

#include "base/mem.h"

const char *const plan_expr_name[PLAN_EXPRS] = {"-k", "--part", "--merge", "--complete-when",
	"--size"};

static enum outcome
outcome_of(const char *text)
{
	return strcmp(text, "emit") == 0 ? OUTCOME_EMIT :
		strcmp(text, "drop") == 0 ? OUTCOME_DROP : OUTCOME_DEAD;
}

static int
read_merge(struct plan *p, struct failure *why)
{
	const char *text = p->text[PLAN_MERGE] ? p->text[PLAN_MERGE] : "shallow";

	if (strcmp(text, "shallow") == 0)
		p->merge = MERGE_SHALLOW;
	else if (strcmp(text, "deep") == 0)
		p->merge = MERGE_DEEP;
	else if (strcmp(text, "array") == 0)
		p->merge = MERGE_ARRAY;
	else
		p->merge = MERGE_EXPR;
	if (p->merge != MERGE_EXPR)
		p->text[PLAN_MERGE] = NULL;
	if (p->field_texts.n && p->merge >= MERGE_ARRAY)
		return fail(why, EXIT_USAGE, "--field goes with --merge shallow and deep");
	if (p->require && p->merge == MERGE_ARRAY)
		return fail(why, EXIT_USAGE, "--require names fields, and --merge array "
			"makes no object");
	return 0;
}

/* Names with commas between them; a dot may stand before each. */
static int
read_names(struct plan *p, struct failure *why)
{
	const char *text = p->require;
	size_t cap = 0, n;

	for (;; text += n + 1) {
		n = strcspn(text, ",");
		p->required = mem_grow(p->required, &cap, p->nrequired + 1,
			sizeof(*p->required));
		p->required[p->nrequired++] =
			slice_of(text + (*text == '.'), n - (*text == '.'));
		if (n == (*text == '.'))
			return fail(why, EXIT_USAGE, "--require takes names of fields: "
				"id,paymentId");
		if (!text[n])
			return 0;
	}
}

static int
read_numbers(struct plan *p, struct failure *why)
{
	const char *text = p->text[PLAN_SIZE];

	if (text && !text[strspn(text, "0123456789")]) {
		p->size = strtoull(text, NULL, 10);
		p->text[PLAN_SIZE] = NULL;
		if (!p->size)
			return fail(why, EXIT_USAGE, "--size is 1 or more");
	}
	text = p->closed;
	if (!text)
		return 0;
	if (*text && !text[strspn(text, "0123456789")])
		p->groups.closed = strtoull(text, NULL, 10);
	else if (time_of_duration(slice_str(text), &p->groups.closed_us) < 0)
		return fail(why, EXIT_USAGE, "--closed is a number of keys or a duration: "
			"100000, 1h");
	if (!p->groups.closed && !p->groups.closed_us)
		return fail(why, EXIT_USAGE, "--closed is 1 or more");
	return 0;
}

/* What completes a group, and what becomes of the others. */
static int
read_rules(struct plan *p, const struct plan_around *around, struct failure *why)
{
	bool by_time = p->groups.timeout_us || p->groups.max_age_us;
	bool by_parts = p->text[PLAN_WHEN] || p->require || p->text[PLAN_SIZE] || p->size;

	p->timed = by_time || p->groups.closed_us;
	p->stays = around->state;
	p->on_timeout = p->on_timeout_text ? outcome_of(p->on_timeout_text) : OUTCOME_EMIT;
	if (p->on_timeout_text && !by_time)
		return fail(why, EXIT_USAGE, "--on-timeout needs --timeout or --max-age");
	if (p->eager && !p->text[PLAN_WHEN])
		return fail(why, EXIT_USAGE, "--eager needs --complete-when");
	if (around->late && !p->closed)
		return fail(why, EXIT_USAGE, "--late needs --closed, which says for how long a "
			"finished key is known");
	if (p->at_end_text)
		p->at_end = outcome_of(p->at_end_text);
	else if (around->dead_letter)
		p->at_end = OUTCOME_DEAD;
	else if (!p->stays && !by_parts && (by_time || p->groups.sorted))
		p->at_end = by_time && !p->groups.sorted ? p->on_timeout : OUTCOME_EMIT;
	else
		p->at_end = OUTCOME_STAY;
	if (!by_parts && !by_time && !p->groups.sorted && !p->at_end_text) {
		fail(why, EXIT_USAGE, "nothing completes a group");
		fail_hint(why, "--require, --complete-when, --size, --timeout, --max-age, "
			"--sorted or --at-end emit do");
		return -1;
	}
	if ((p->at_end == OUTCOME_DEAD || p->on_timeout == OUTCOME_DEAD) &&
		!around->dead_letter)
		return fail(why, EXIT_USAGE, "dead-letter needs --dead-letter SINK");
	return 0;
}

/* The options that decide what the bytes in the state mean. */
static void
describe_shape(struct plan *p)
{
	static const int texts[] = {PLAN_KEY, PLAN_PART, PLAN_MERGE};
	static const char *const name[] = {"key", "part", "merge"};
	static const char *const merge_name[] = {"shallow", "deep", "array", NULL};
	struct buf *b = &p->shape;
	size_t i;

	for (i = 0; i < 3; i++) {
		buf_addf(b, "%c\"%s\":", i ? ',' : '{', name[i]);
		if (i == 2 && p->merge != MERGE_EXPR)
			json_add_string(b, slice_str(merge_name[p->merge]));
		else if (p->text[texts[i]])
			json_add_string(b, slice_str(p->text[texts[i]]));
		else
			buf_adds(b, "null");
	}
	buf_adds(b, ",\"fields\":[");
	for (i = 0; i < p->nfields; i++) {
		if (i)
			buf_addc(b, ',');
		json_add_string(b, slice_str(p->field_texts.v[i]));
	}
	buf_addf(b, "],\"nullKey\":%s,\"sorted\":%s,\"closed\":\"%s\"}",
		p->null_key ? "true" : "false", p->groups.sorted ? "true" : "false",
		p->groups.closed ? "keys" : p->groups.closed_us ? "time" : "no");
}

int
plan_read(struct plan *p, const struct plan_around *around, struct failure *why)
{
	size_t i;

	if (!p->text[PLAN_KEY])
		return fail(why, EXIT_USAGE, "-k EXPR is missing: what the parts of one thing "
			"have in common");
	if (read_merge(p, why) < 0 || read_numbers(p, why) < 0 ||
		read_rules(p, around, why) < 0 || (p->require && read_names(p, why) < 0))
		return -1;
	p->nfields = p->field_texts.n;
	p->field = mem_array(p->nfields, sizeof(*p->field));
	for (i = 0; i < p->nfields; i++)
		if (group_field_parse(p->field_texts.v[i], &p->field[i], why) < 0)
			return fail_within(why, "--field ");
	describe_shape(p);
	return 0;
}

bool
plan_is_simple(const struct plan *p)
{
	return !p->timed && !p->groups.sorted && !p->groups.closed && !p->meta &&
		!p->expr[PLAN_WHEN] && !p->expr[PLAN_SIZE];
}

void
plan_release(struct plan *p)
{
	free(p->field);
	free(p->required);
	opt_list_release(&p->field_texts);
	buf_release(&p->shape);
}

/* The command line of sk-join, read. */
#include "join/plan.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"

const char *const join_expr_name[PLAN_EXPRS] = {"--left", "--right", "--table-where",
	"--left-key", "--right-key", "--expires", "--emit"};

const char *const join_emit_vars[] = {"left", "right", NULL};

/* ---- the two sides ----------------------------------------------------------------- */

static int
choose_sides(struct join_plan *p, int noperands, struct failure *why)
{
	bool sides = p->text[PLAN_LEFT] || p->text[PLAN_RIGHT];
	bool rows = p->topic || p->text[PLAN_ROWS];

	if ((p->table != NULL) + sides + rows > 1)
		return fail(why, EXIT_USAGE, "--table, --table-topic or --table-where, and --left or "
			"--right exclude each other: each says what the right side is");
	if (p->topic && p->text[PLAN_ROWS])
		return fail(why, EXIT_USAGE, "--table-topic and --table-where exclude each other");
	if (p->query && !p->table)
		return fail(why, EXIT_USAGE, "--query belongs to --table FILE");
	p->with = p->table ? WITH_TABLE : rows ? WITH_ROWS : sides ? WITH_STREAM : WITH_INPUT;
	if (p->with != WITH_INPUT || noperands == 2)
		return 0;
	fail(why, EXIT_USAGE, "nothing says what is joined with what");
	fail_hint(why, "two files, --left and --right, --table FILE, or --table-topic TOPIC");
	return -1;
}

static bool
is_stdin(const char *name)
{
	return strcmp(name, "-") == 0 || strcmp(name, "/dev/stdin") == 0;
}

static int
check_pattern(const char *name, const char *what, struct failure *why)
{
	struct stat st;

	return strpbrk(name, "*?[") && lstat(name, &st) < 0 ?
		fail(why, EXIT_USAGE, "%s: %s is one input, not a pattern", name, what) : 0;
}

/* The table is one file, and would take the stream away if that is stdin. */
static int
check_table(const struct join_plan *p, const struct plan_around *around, char **operands,
	int n, struct failure *why)
{
	bool taken = !n && !around->from;
	int i;

	if (!p->table)
		return 0;
	if (check_pattern(p->table, "--table", why) < 0)
		return -1;
	if (!is_stdin(p->table))
		return 0;
	for (i = 0; i < n; i++)
		taken |= is_stdin(operands[i]);
	return taken ? fail(why, EXIT_USAGE, "stdin is the stream and cannot be the table too") :
		0;
}

static int
read_inputs(struct join_plan *p, const struct plan_around *around, char **operands,
	struct failure *why)
{
	int i;

	if (around->from)
		return fail(why, EXIT_USAGE, "LEFT and RIGHT are the inputs: -i does not go with "
			"them");
	if (around->checkpoint || around->state) {
		fail(why, EXIT_USAGE, "a join of two inputs has no state to go on from");
		fail_hint(why, "one source holds both sides: --left and --right");
		return -1;
	}
	for (i = 0; i < 2; i++) {
		p->input[i] = operands[i];
		if (check_pattern(operands[i], i ? "RIGHT" : "LEFT", why) < 0)
			return -1;
	}
	return 0;
}

/* ---- time -------------------------------------------------------------------------- */

/* "1h", or "5m,1h": before and after. */
static int
read_within(struct join_plan *p, struct failure *why)
{
	const char *comma = strchr(p->within, ',');
	struct slice first = slice_str(p->within);

	if (comma)
		first.n = (size_t)(comma - p->within);
	if (time_of_duration(first, &p->before_us) == 0 &&
		time_of_duration(comma ? slice_str(comma + 1) : first, &p->after_us) == 0)
		return 0;
	return fail(why, EXIT_USAGE, "--within '%s' is no duration: 1h, or 0s,1h for how much "
		"earlier and later than the left record the right one may be", p->within);
}

static int
read_time(struct join_plan *p, struct failure *why)
{
	bool streams = p->with == WITH_STREAM || p->with == WITH_INPUT;

	if (!streams && p->within)
		return fail(why, EXIT_USAGE, "--within joins streams; a table is there or not");
	if (!streams && p->text[PLAN_EXPIRES])
		return fail(why, EXIT_USAGE, "--expires joins streams; a table is there or not");
	if (streams && !p->within == !p->text[PLAN_EXPIRES])
		return fail(why, EXIT_USAGE, "--within D or --expires EXPR says how long a record "
			"waits for its partner%s", p->within ? ": one of them" : "");
	if (p->wait_us && p->with != WITH_ROWS)
		return fail(why, EXIT_USAGE, "--wait is for a table whose rows come in the stream: "
			"--table-topic, --table-where");
	p->timed = p->with != WITH_TABLE;
	if (p->with == WITH_ROWS)
		p->after_us = p->wait_us;
	return p->within ? read_within(p, why) : 0;
}

/* ---- results ----------------------------------------------------------------------- */

static int
read_type(struct join_plan *p, const struct plan_around *around, struct failure *why)
{
	const char *type = p->type_text ? p->type_text : "inner";

	p->type = strcmp(type, "left") == 0 ? JOIN_LEFT :
		strcmp(type, "anti") == 0 ? JOIN_ANTI : JOIN_INNER;
	p->missing = p->type == JOIN_INNER ? MISSING_DROP : MISSING_EMIT;
	if (strcmp(type, "dead-letter") != 0)
		return 0;
	p->missing = MISSING_DEAD;
	return around->dead_letter ? 0 :
		fail(why, EXIT_USAGE, "--type dead-letter needs --dead-letter SINK");
}

/* The options that decide what the bytes in the state mean. */
static void
describe_shape(struct join_plan *p)
{
	static const char *const name[PLAN_EXPRS] = {"left", "right", "rows", "leftKey",
		"rightKey", "expires", "emit"};
	static const char *const type[] = {"inner", "left", "anti"};
	static const char *const missing[] = {"drop", "null", "dead-letter"};
	struct buf *b = &p->shape;
	size_t i;

	buf_addf(b, "{\"type\":\"%s\",\"missing\":\"%s\",\"within\":[%lld,%lld],\"nullKey\":%s",
		type[p->type], missing[p->missing], (long long)p->before_us,
		(long long)p->after_us, p->null_key ? "true" : "false");
	if (p->topic) {
		buf_adds(b, ",\"topic\":");
		json_add_string(b, slice_str(p->topic));
	}
	if (p->with == WITH_ROWS)
		buf_adds(b, ",\"ties\":\"offset\"");
	for (i = 0; i < PLAN_EXPRS; i++) {
		if (!p->text[i])
			continue;
		buf_addf(b, ",\"%s\":", name[i]);
		json_add_string(b, slice_str(p->text[i]));
	}
	buf_addc(b, '}');
	buf_cstr(b);
}

int
join_plan_read(struct join_plan *p, const struct plan_around *around, char **operands, int n,
	struct failure *why)
{
	if (choose_sides(p, n, why) < 0 || check_table(p, around, operands, n, why) < 0 ||
		(p->with == WITH_INPUT && read_inputs(p, around, operands, why) < 0) ||
		read_time(p, why) < 0 || read_type(p, around, why) < 0)
		return -1;
	if (!p->text[PLAN_KEY_LEFT])
		p->text[PLAN_KEY_LEFT] = p->key;
	if (!p->text[PLAN_KEY_RIGHT])
		p->text[PLAN_KEY_RIGHT] = p->key;
	if (!p->text[PLAN_KEY_LEFT] || !p->text[PLAN_KEY_RIGHT])
		return fail(why, EXIT_USAGE, "-k EXPR is missing: what has to be equal on both "
			"sides");
	if (p->with == WITH_INPUT) {
		p->spill = getenv("TMPDIR");
		if (!p->spill || !*p->spill)
			p->spill = "/tmp";
	}
	if (p->with == WITH_TABLE && around->late)
		return fail(why, EXIT_USAGE, "--late: nothing comes too late for a table that is "
			"there");
	if (!p->text[PLAN_EMIT])
		p->text[PLAN_EMIT] = p->type == JOIN_ANTI ? "$left" :
			"{left: $left, right: $right}";
	p->on_error = around->on_error;
	p->unit = around->unit;
	describe_shape(p);
	return 0;
}

void
join_plan_compiled(struct join_plan *p)
{
	p->outlined = expr_outline(p->expr[PLAN_EMIT], FLOW_NVARS, 2, &p->outline);
	p->whole = p->missing == MISSING_DEAD;
}

void
join_plan_release(struct join_plan *p)
{
	expr_outline_release(&p->outline);
	buf_release(&p->shape);
}

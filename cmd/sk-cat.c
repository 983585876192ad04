/*
 * sk-cat: copies records between any source and any sink.
 *
 * Every record passes byte for byte: what changes is where it lies, whether it is compressed
 * or in an envelope, in which order inputs are merged (--merge-by), and how many pass. Only a
 * terminal gets something else, if no -o says where to: records as people read them.
 * Memory: one block of input.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/job.h"
#include "json/pretty.h"

static struct {
	int64_t limit; /* -1: no limit */
	int64_t skip;
	bool follow, pretty, lines;
	const char *color;
} config = {.limit = -1, .color = "auto"};

struct cat {
	int64_t skip, left; /* left: -1 if there is no limit */
};

static void *
cat_open(const struct op_context *ctx, struct failure *why)
{
	struct cat *cat = mem_zalloc(sizeof(*cat));

	(void)ctx;
	(void)why;
	cat->skip = config.skip;
	cat->left = config.limit;
	return cat;
}

static int
cat_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct cat *cat = self;

	(void)why;
	if (cat->skip > 0) {
		cat->skip--;
		emit_drop(e);
		return OP_OK;
	}
	if (cat->left == 0) {
		emit_drop(e);
		return OP_ENOUGH;
	}
	emit_same(e, 0, r);
	if (cat->left > 0 && --cat->left == 0)
		return OP_ENOUGH;
	return OP_OK;
}

static bool
cat_glance(void *self, struct json_scan *s, const struct buf *notes, uint8_t *to)
{
	struct cat *cat = self;

	(void)notes;
	if (cat->skip || cat->left >= 0)
		return false;
	memset(to, 0, s->nlines);
	return true;
}

static const struct operator cat_operator = {
	.name = "cat",
	.flags = OP_BYTES | OP_SINGLE | OP_LAZY,
	.open = cat_open,
	.record = cat_record,
	.glance = cat_glance,
	.close = free,
};

/* What a terminal shows colored without being asked. */
static bool
likes_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

/* How records are shown, if stdout is where they go and somebody looks, or asks for it. */
static int
choose_look(struct job *job, struct failure *why)
{
	bool to_stdout = strcmp(job->to, "-") == 0;
	bool looks = !job->to_given && isatty(STDOUT_FILENO);
	bool colored = strcmp(config.color, "always") == 0;

	if (config.pretty && config.lines)
		return fail(why, EXIT_USAGE, "--pretty and --lines exclude each other");
	if (!to_stdout && (config.pretty || colored))
		return fail(why, EXIT_USAGE, "%s is for stdout, not for %s",
			config.pretty ? "--pretty" : "--color=always", job->to);
	if (config.pretty || (looks && !config.lines)) {
		job->how |= PRETTY_INDENT;
		if (looks && strcmp(config.color, "auto") == 0)
			colored = likes_color();
	}
	if (colored)
		job->how |= PRETTY_COLOR;
	job->shown = looks || job->how;
	return 0;
}

/* Records are counted in order, so on one thread. */
static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	(void)unused;
	(void)operands;
	(void)n;
	if (config.limit >= 0 || config.skip)
		job->run.serial = job->run.counts = true;
	job->follow = config.follow;
	return choose_look(job, why);
}

static struct opt options[] = {
	{'n', "limit", OPT_COUNT, &config.limit, "N", "stop after N records"},
	{0, "skip", OPT_COUNT, &config.skip, "N", "leave out the first N records"},
	{0, "follow", OPT_FLAG, &config.follow, NULL, "wait at the end of files for more, "
		"rotated ones included, as tail -F does"},
	{0, "pretty", OPT_FLAG, &config.pretty, NULL, "indent records even where stdout is no "
		"terminal"},
	{'J', "lines", OPT_FLAG, &config.lines, NULL, "one line a record, without colors, on a "
		"terminal too"},
	{0, "color", OPT_CHOICE, &config.color, "WHEN", "color records; auto: on a terminal, "
		"unless NO_COLOR is set", .choices = "auto|always|never"},
	{0}
};

static const struct opt_example examples[] = {
	{"Keep the payments of a compressed capture",
		"sk-cat orders.ndjson.zst -w '.type==\"payment-processed\"' -o payments.ndjson"},
	{"Merge two files that are each sorted by time",
		"sk-cat --merge-by .ts monday.ndjson tuesday.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-cat",
		.summary = "copies records between any source and any sink",
		.synopsis = "[OPTION]... [SOURCE]...",
		.operands = "file",
		.options = options,
		.examples = examples,
		.op = &cat_operator,
		.prepare = prepare,
	};

	return job_main(argc, argv, &tool);
}

/*
 * sk-cat: copies records between any source and any sink.
 *
 * Every record passes byte for byte: what changes is where it lies, whether it is compressed
 * or in an envelope, in which order inputs are merged (--merge-by), and how many pass.
 * Memory: one block of input.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "job/job.h"

static struct {
	int64_t limit; /* -1: no limit */
	int64_t skip;
} config = {.limit = -1};

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

static const struct operator cat_operator = {
	.name = "cat",
	.flags = OP_BYTES,
	.open = cat_open,
	.record = cat_record,
	.close = free,
};

/* Records are counted in order, so on one thread. */
static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	(void)unused;
	(void)operands;
	(void)n;
	(void)why;
	if (config.limit >= 0 || config.skip)
		job->run.serial = true;
	return 0;
}

static struct opt options[] = {
	{'n', "limit", OPT_COUNT, &config.limit, "N", "stop after N records"},
	{0, "skip", OPT_COUNT, &config.skip, "N", "leave out the first N records"},
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

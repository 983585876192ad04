/* Rows of a file of lines. */
#include "join/table.h"

#include "join/row_blocks.h"
#include "source/source.h"
#include "state/state.h"

#define AHEAD 16 /* rows */
/* Of the memory there is, in bytes a row, for slots that may be too many. */
#define EXPECTED_PART 64

int
table_add(struct table_reader *t, const struct record *row, struct failure *why)
{
	struct item_parts of = {0};
	struct slice content;
	int rc;

	sides_begin(t->sides, row);
	rc = sides_key(t->sides, SIDE_RIGHT, &of, why);
	if (rc == 0)
		rc = sides_content(t->sides, SIDE_RIGHT, of.key, &content, why);
	if (rc == 0)
		rows_put(t->rows, of.hash, of.key, content);
	sides_done(t->sides);
	if (rc < 0)
		return -1;
	if (rows_memory(t->rows) > t->max_memory) {
		fail(why, EXIT_OS, "the table is too large: %zu rows take %llu MiB", t->rows->n,
			(unsigned long long)(rows_memory(t->rows) >> 20));
		fail_hint(why, "--max-memory takes more; --emit that names the fields it needs "
			"keeps less of a row");
		return -1;
	}
	return 0;
}

/* ---- lines ------------------------------------------------------------------------- */

static int
bad_row(const struct table_reader *t, uint64_t line, struct failure *why)
{
	if (why->status != EXIT_DATA)
		return fail_within(why, "%s: ", t->plan->table);
	if (why->column)
		return fail_within(why, "%s:%llu:%u: ", t->plan->table,
			(unsigned long long)line, why->column);
	return fail_within(why, "%s:%llu: ", t->plan->table, (unsigned long long)line);
}

/* before: lines of the blocks before. */
static int
add_block(struct table_reader *t, struct row_block *rows, uint64_t before, struct failure *why)
{
	struct block *b = &rows->block;
	struct json_scan *scan = &rows->scan;
	struct json_doc doc;
	uint64_t hash;
	size_t i;

	for (i = 0; i < scan->nlines; i++) {
		struct record r = {.line = json_line_text(scan, i), .doc = &doc, .block = b,
			.index = (uint32_t)i, .offset = b->offset + scan->line[i].start,
			.time_us = TIME_NONE};

		r.bytes = r.line;
		if (sides_ahead(t->sides, &r, AHEAD, &hash))
			rows_prefetch(t->rows, hash);
		if (json_line_doc(scan, i, false, &doc, why) < 0 ||
			table_add(t, &r, why) < 0)
			return bad_row(t, before + scan->line[i].number + 1, why);
	}
	/* As far as it is read, rows say how many there will be; where that takes not much. */
	t->rows->expected = rows->part > 0 ? (size_t)((double)t->rows->n / rows->part) : 0;
	if (t->rows->expected > t->max_memory / EXPECTED_PART)
		t->rows->expected = 0;
	return 0;
}

static int
read_blocks(struct table_reader *t, struct row_blocks *blocks, struct failure *why)
{
	struct row_block *b;
	uint64_t lines = 0;
	int rc;

	while ((rc = row_blocks_next(blocks, &b, why)) > 0) {
		if (b->block.too_long) {
			fail_record(why, "too-long", "a line of %llu bytes is longer than "
				"--max-record", (unsigned long long)b->block.too_long);
			return bad_row(t, lines + 1, why);
		}
		if (add_block(t, b, lines, why) < 0)
			return -1;
		lines += b->scan.feeds;
	}
	return rc;
}

static int
read_lines(struct table_reader *t, struct failure *why)
{
	const char *uri = t->plan->table;
	struct source_options options = {.max_record = t->plan->max_record};
	struct source *source = source_open(&uri, 1, &options, why);
	struct row_blocks *blocks = NULL;
	int rc = -1;

	if (!source)
		return fail_within(why, "--table ");
	if (source->envelopes) {
		fail(why, EXIT_USAGE, "--table %s: a table is a file of rows", uri);
		goto out;
	}
	blocks = row_blocks_new(source, t->sides, t->plan->one_thread);
	rc = read_blocks(t, blocks, why);
	if (rc == 0 && flow_draining())
		rc = fail(why, EXIT_TRY_AGAIN, "%s: interrupted before the table was read", uri);
out:
	row_blocks_free(blocks);
	source->close(source);
	return rc;
}

int
table_read(const struct join_plan *plan, const char *stage, uint64_t max_memory,
	struct rows *rows, struct failure *why)
{
	struct table_reader t = {.plan = plan, .rows = rows,
		.sides = sides_new(plan, stage, NULL, true)};
	int rc;

	t.max_memory = max_memory ? max_memory : state_default_memory();
	if (sqlite_is(plan->table))
		rc = sqlite_read(&t, why);
	else if (plan->query)
		rc = fail(why, EXIT_USAGE, "%s: --query is for a SQLite database, and this is none",
			plan->table);
	else
		rc = read_lines(&t, why);
	sides_free(t.sides);
	return rc;
}

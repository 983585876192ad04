/* table: a file of rows, NDJSON or a SQLite database, read to its end. */
#ifndef SK_JOIN_TABLE_H
#define SK_JOIN_TABLE_H

#include "join/rows.h"
#include "join/sides.h"

/* Read what plan->table names into rows. A file that is not whole and good is no table: the
 * first bad row ends it (EXIT_DATA), told by file and line. Beyond max_memory: EXIT_OS. */
int table_read(const struct join_plan *, const char *stage, uint64_t max_memory, struct rows *,
	struct failure *why);

/* ---- shared by the files of the table ---------------------------------------------- */

struct table_reader {
	const struct join_plan *plan;
	struct sides *sides;
	struct rows *rows;
	uint64_t max_memory;
};

/* A row in hand. -1: why says what is wrong with it, without where it is. */
int table_add(struct table_reader *, const struct record *row, struct failure *why);

/* Is it a regular file that begins as SQLite's do? */
bool sqlite_is(const char *path);
int sqlite_read(struct table_reader *, struct failure *why);

#endif

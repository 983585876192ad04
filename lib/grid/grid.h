/*
 * grid: rows that are shown, told once: as an aligned table for people, or as NDJSON.
 *
 *	static const struct grid_column columns[] = {
 *		{"TOPIC", "topic"}, {"LAG", "lag", .number = true}, {0}
 *	};
 *	struct grid g = grid_of(columns);
 *	grid_text(&g, name);           a cell for each column, row by row
 *	grid_number(&g, true, lag);
 *	grid_add_table(&g, &out);      or grid_add_json
 *	grid_release(&g);
 *
 * A table is made for 80 columns of a terminal; the last column is a list of words, which
 * goes on below itself. What is not known is "-", and null in JSON.
 */
#ifndef SK_GRID_GRID_H
#define SK_GRID_GRID_H

#include "base/buf.h"

struct grid_column {
	const char *title; /* NULL: in JSON alone */
	const char *key;   /* NULL: in the table alone */
	bool number;       /* stands at the right of its column */
};

struct grid_cell {
	struct buf text, json;
};

struct grid {
	const struct grid_column *column; /* borrowed; ended by {0} */
	size_t ncolumns, n, cap;          /* n: of cells */
	struct grid_cell *cell;
	bool total;                       /* the last row is a sum: not in JSON */
};

struct grid grid_of(const struct grid_column *);
void grid_release(struct grid *);

/* The next cell. */
void grid_text(struct grid *, const char *s); /* NULL: not known */
void grid_number(struct grid *, bool known, int64_t n);
void grid_bool(struct grid *, bool yes);
/* Of both forms as they are; takes what the bufs own. */
void grid_cell(struct grid *, struct buf text, struct buf json);

/* Append all rows; the table with a line of titles. */
void grid_add_table(const struct grid *, struct buf *out);
void grid_add_json(const struct grid *, struct buf *out);

#endif

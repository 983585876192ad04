/* Cells are made in both forms at once, and columns are as wide as their widest cell. */
#include "grid/grid.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"

enum { WIDTH = 80 };

struct grid
grid_of(const struct grid_column *column)
{
	struct grid g = {.column = column};

	while (column[g.ncolumns].title || column[g.ncolumns].key)
		g.ncolumns++;
	return g;
}

void
grid_release(struct grid *g)
{
	size_t i;

	for (i = 0; i < g->n; i++) {
		buf_release(&g->cell[i].text);
		buf_release(&g->cell[i].json);
	}
	free(g->cell);
	*g = (struct grid){0};
}

/* ---- cells ------------------------------------------------------------------------- */

void
grid_cell(struct grid *g, struct buf text, struct buf json)
{
	g->cell = mem_grow(g->cell, &g->cap, g->n + 1, sizeof(*g->cell));
	g->cell[g->n++] = (struct grid_cell){text, json};
}

void
grid_text(struct grid *g, const char *s)
{
	struct buf text = {0}, json = {0};

	if (s) {
		text_add_safe(&text, slice_str(s), 1024);
		json_add_string(&json, slice_str(s));
	} else {
		buf_addc(&text, '-');
		buf_adds(&json, "null");
	}
	grid_cell(g, text, json);
}

void
grid_number(struct grid *g, bool known, int64_t n)
{
	struct buf text = {0}, json = {0};

	if (!known) {
		grid_text(g, NULL);
		return;
	}
	buf_addf(&text, "%" PRId64, n);
	buf_addf(&json, "%" PRId64, n);
	grid_cell(g, text, json);
}

void
grid_bool(struct grid *g, bool yes)
{
	struct buf text = {0}, json = {0};

	buf_adds(&text, yes ? "yes" : "no");
	buf_adds(&json, yes ? "true" : "false");
	grid_cell(g, text, json);
}

/* ---- JSON -------------------------------------------------------------------------- */

void
grid_add_json(const struct grid *g, struct buf *out)
{
	size_t end = g->n - (g->total ? g->ncolumns : 0), i, j;
	char before;

	for (i = 0; i < end; i += g->ncolumns) {
		before = '{';
		for (j = 0; j < g->ncolumns; j++) {
			if (!g->column[j].key)
				continue;
			buf_addf(out, "%c\"%s\":", before, g->column[j].key);
			buf_add_slice(out, buf_slice(&g->cell[i + j].json));
			before = ',';
		}
		buf_adds(out, "}\n");
	}
}

/* ---- the table --------------------------------------------------------------------- */

/* Places on the screen. */
static size_t
width(struct slice s)
{
	size_t n = 0, i;

	for (i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
add_blanks(struct buf *out, size_t n)
{
	while (n--)
		buf_addc(out, ' ');
}

/* Words from column at on, below each other where the line is full. */
static void
add_words(struct buf *out, struct slice s, size_t at)
{
	size_t used = at, n;
	struct slice word;
	const char *blank;

	while (s.n) {
		blank = memchr(s.p, ' ', s.n);
		word = slice_of(s.p, blank ? (size_t)(blank - s.p) : s.n);
		n = word.n + (blank != NULL);
		s = slice_of(s.p + n, s.n - n);
		if (used > at && used + 1 + width(word) > WIDTH) {
			buf_addc(out, '\n');
			add_blanks(out, at);
			used = at;
		} else if (used > at) {
			buf_addc(out, ' ');
			used++;
		}
		buf_add_slice(out, word);
		used += width(word);
	}
}

/* A row; NULL: the titles. */
static void
add_row(const struct grid *g, const struct grid_cell *row, const size_t *widths,
	size_t last, struct buf *out)
{
	size_t at = 0, j, pad;
	struct slice s;

	for (j = 0; j <= last; j++) {
		if (!g->column[j].title)
			continue;
		if (at) {
			buf_adds(out, "  ");
			at += 2;
		}
		s = row ? buf_slice(&row[j].text) : slice_str(g->column[j].title);
		pad = widths[j] - width(s);
		if (g->column[j].number) {
			add_blanks(out, pad);
			buf_add_slice(out, s);
		} else if (j == last) {
			add_words(out, s, at);
		} else {
			buf_add_slice(out, s);
			add_blanks(out, pad);
		}
		at += widths[j];
	}
	while (out->n && out->p[out->n - 1] == ' ')
		out->n--;
	buf_addc(out, '\n');
}

void
grid_add_table(const struct grid *g, struct buf *out)
{
	size_t *widths = mem_array(g->ncolumns, sizeof(*widths));
	size_t last = 0, i, j, w;

	for (j = 0; j < g->ncolumns; j++) {
		if (!g->column[j].title)
			continue;
		last = j;
		widths[j] = width(slice_str(g->column[j].title));
		for (i = j; i < g->n; i += g->ncolumns) {
			w = width(buf_slice(&g->cell[i].text));
			if (w > widths[j])
				widths[j] = w;
		}
	}
	add_row(g, NULL, widths, last, out);
	for (i = 0; i < g->n; i += g->ncolumns)
		add_row(g, g->cell + i, widths, last, out);
	free(widths);
}

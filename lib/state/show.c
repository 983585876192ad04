/* Rows of sk-state. */
#include "state/show.h"

#include "base/text.h"
#include "json/json.h"

/* ---- stages ------------------------------------------------------------------------ */

struct grid
show_stages(void)
{
	static const struct grid_column columns[] = {
		{"STAGE", "stage"},
		{"TASK", "task", .number = true},
		{"EPOCH", "epoch", .number = true},
		{"COMMITTED", "committed", .number = true},
		{"KEYS", "keys", .number = true},
		{"BYTES", "bytes", .number = true},
		{NULL, "process"},
		{NULL, "tool"},
		{"MADE BY", NULL},
		{NULL, "shape"},
		{NULL, "app"},
		{NULL, "job"},
		{0}
	};

	return grid_of(columns);
}

static void
put_string(struct grid *g, struct slice s)
{
	struct buf text = {0}, json = {0};

	text_add_safe(&text, s, 1024);
	json_add_string(&json, s);
	grid_cell(g, text, json);
}

/* So many cells of which nothing is known. */
static void
put_unknown(struct grid *g, size_t n)
{
	for (; n; n--)
		grid_text(g, NULL);
}

void
show_ledger(struct grid *g, const struct ledger *l)
{
	static const char *const job[] = {"running", "ending", "done"};
	struct buf is = {0};

	grid_text(g, "commit");
	put_unknown(g, 1);
	grid_number(g, true, (int64_t)l->epoch);
	grid_number(g, true, (int64_t)l->epoch);
	put_unknown(g, 4);
	buf_adds(&is, "the job ");
	text_add_safe(&is, buf_slice(&l->app), 200);
	buf_addf(&is, "%s%s", l->app.n ? " is " : "is ", job[l->state]);
	grid_cell(g, is, (struct buf){0});
	put_unknown(g, 1);
	put_string(g, buf_slice(&l->app));
	grid_text(g, job[l->state]);
}

static void
put_maker(struct grid *g, const struct config *c, long owner)
{
	struct buf text = {0}, shape = {0}, plain = {0};
	size_t i;

	put_string(g, c->tool);
	if (owner)
		buf_addf(&text, "process %ld of ", owner);
	text_add_safe(&text, c->tool, 100);
	buf_addc(&text, ' ');
	text_add_safe(&plain, c->shape, 1024);
	for (i = 0; i < plain.n; i++) {
		buf_addc(&text, plain.p[i]);
		if (plain.p[i] == ',' && i + 1 < plain.n && plain.p[i + 1] == '"')
			buf_addc(&text, ' '); /* where a line may end */
	}
	buf_release(&plain);
	grid_cell(g, text, (struct buf){0});
	buf_add_slice(&shape, c->shape);
	grid_cell(g, (struct buf){0}, shape);
	put_unknown(g, 2);
}

/* A run by itself commits by its end; else the ledger says what is, or without one the state's
 * own marks, which learn it later. */
void
show_stage(struct grid *g, const struct look *l, const struct ledger *ledger)
{
	long owner = folder_owner(&l->folder);
	const struct look_task *t;
	size_t i;

	for (i = 0; i < l->ntasks; i++) {
		t = &l->task[i];
		grid_text(g, l->name);
		grid_number(g, true, t->id);
		grid_number(g, true, (int64_t)t->epoch);
		grid_number(g, true, (int64_t)(t->own ? t->epoch
			: ledger->there ? ledger->epoch : t->committed));
		grid_number(g, true, (int64_t)t->keys);
		grid_number(g, true, (int64_t)t->bytes);
		grid_number(g, owner != 0, owner);
		put_maker(g, &l->config, owner);
	}
}

void
show_broken(struct grid *g, const char *name)
{
	grid_text(g, name);
	put_unknown(g, g->ncolumns - 1);
}

/* ---- files ------------------------------------------------------------------------- */

struct grid
show_files(void)
{
	static const struct grid_column columns[] = {
		{"FILE", "file"},
		{"BYTES", "bytes", .number = true},
		{NULL, "good"},
		{"FINDING", "finding"},
		{0}
	};

	return grid_of(columns);
}

void
show_file(struct grid *g, const char *path, int64_t bytes, bool good, const char *fmt, ...)
{
	struct buf finding = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&finding, fmt, ap);
	va_end(ap);
	grid_text(g, path);
	grid_number(g, bytes >= 0, bytes);
	grid_bool(g, good);
	put_string(g, buf_slice(&finding));
	buf_release(&finding);
}

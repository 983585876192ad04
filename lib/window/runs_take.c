/* Runs (runs.h), put into the windows of a grid in their turn. */
#include <stdlib.h>

#include "base/mem.h"
#include "window/engine.h"

bool
windows_runs(const struct windows *w, const struct reading *r, struct runs_plan *p)
{
	const struct windows_plan *plan = w->plan;
	const struct flow_time *time = plan->reading.time;
	int *value;

	/* What goes for the bounds depends on when each was touched. */
	if (plan->update || plan->from_partials || w->evicts || !time || time->idle_us)
		return false;
	value = mem_array(plan->nfolds + 1, sizeof(*value));
	if (!reading_fields(r, value)) {
		free(value);
		return false;
	}
	return runs_init(p, &plan->shape, plan->fold, plan->nfolds, plan->fixed, reading_seen(r),
		value, later(time->delay_us, plan->shape.lateness_us));
}

/* Does no window close up to then, and is no record of the run late? */
static bool
may_take(const struct windows *w, const struct windows_task *t, const struct run *r,
	int64_t closed_us)
{
	const struct window_shape *shape = &w->plan->shape;
	const struct run_cell *c = run_cells(r);
	struct span least = window_pane(shape, r->least_us), window;
	const struct pane *p;
	uint32_t i;

	if (t->panes.n) {
		p = t->panes.v[0];
		if (p->next.end_us <= closed_us)
			return false;
	}
	if (!window_of(shape, &least, t->closed_us, &window) || window.end_us <= closed_us)
		return false;
	for (i = 0; i < r->ncells; i++, c = run_cell_after(c, w->plan->fixed))
		if (!window_of(shape, &c->span, t->closed_us, &window))
			return false;
	return true;
}

/* ---- folded ahead ------------------------------------------------------------------ */

static int
take_cell(struct windows *w, struct windows_task *t, const struct block *b,
	const struct run_cell *from)
{
	struct slice key = slice_of(b->p + from->at, from->n);
	struct cell *c = cells_recent(w->cells, t->id, from->owner, from->span.start_us);
	struct fold_cell fold = {.fixed = (char *)(uintptr_t)from->fixed, .room = w->no_room};
	struct span window;

	if (!c) {
		c = cells_remember(w->cells, t->id, from->owner);
		if (!window_of(&w->plan->shape, &from->span, t->closed_us, &window) ||
			panes_open_cell(w, t, c, from->owner, &from->span, &window, key) < 0)
			return -1;
		cells_key_seen(c, key);
	}
	return windows_merge(w, &c->fold, &fold);
}

static int
take_cells(struct windows *w, struct windows_task *t, const struct block *b, const struct run *r)
{
	const struct run_cell *c = run_cells(r);
	uint32_t i;

	for (i = 0; i < r->ncells; i++, c = run_cell_after(c, w->plan->fixed))
		if (take_cell(w, t, b, c) < 0)
			return -1;
	return 0;
}

/* ---- as they were seen ------------------------------------------------------------- */

/* What the functions are given of a line. */
static void
read_inputs(const struct runs_plan *p, const struct block *b, const struct seen *seen,
	struct reading *r)
{
	const struct seen_value *v;
	struct reading_input *in;
	unsigned i;

	r->n = 0;
	for (i = 0; i < p->nfolds; i++) {
		v = p->value[i] < 0 ? NULL : &seen->value[p->value[i]];
		if (v && !v->there)
			continue;
		in = &r->input[r->n++];
		in->fold = i;
		in->in.us = seen->us;
		if (v)
			in->in.value = seen_value_of(v, b);
	}
}

static int
take_lines(struct windows *w, struct windows_task *t, const struct runs_plan *p,
	const struct block *b, size_t line, size_t n)
{
	struct reading r = {.plain = true, .input = w->inputs};
	const struct seen_value *key;
	enum windows_became became;
	const struct seen *seen;
	size_t i;

	if (p->seen->key < 0)
		r.owner = cells_owner(w->cells, r.identity);
	for (i = 0; i < n; i++) {
		seen = seen_line(p->seen, b, line + i);
		r.us = seen->us;
		if (p->seen->key >= 0) {
			key = &seen->value[p->seen->key];
			r.key = r.identity = slice_of(b->p + key->at, key->n);
			r.owner = seen->owner;
		}
		read_inputs(p, b, seen, &r);
		became = panes_add(w, t, &r);
		if (became != WINDOWS_HELD)
			return became == WINDOWS_FAILED ? -1 : fail(w->why, EXIT_INTERNAL,
				"a record was late among others that are not");
	}
	return 0;
}

int
windows_take_run(struct windows *w, uint32_t task, const struct runs_plan *p,
	const struct block *b, size_t line, int64_t watermark_us, struct failure *why)
{
	struct windows_task *t = windows_task_of(w, task);
	const struct run *r = runs_at(p, b, line);

	w->why = why;
	if (r->assigned != atomic_load_explicit(&windows_keys(w)->assigned, memory_order_relaxed) ||
		!may_take(w, t, r, windows_closed(w, watermark_us)))
		return 0;
	if ((p->folds ? take_cells(w, t, b, r) : take_lines(w, t, p, b, line, r->n)) < 0)
		return -1;
	return cells_tidy(w->cells, why) < 0 ? -1 : 1;
}

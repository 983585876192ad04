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
may_take(const struct windows *w, const struct windows_task *t, const struct run *r, int64_t closed_us)
{
	const struct run_cell *c = run_cells(r);
	const struct pane *p;
	struct span window;
	uint32_t i;

	if (t->panes.n) {
		p = t->panes.v[0];
		if (p->next.end_us <= closed_us)
			return false;
	}
	for (i = 0; i < r->ncells; i++, c = run_cell_after(c, w->plan->fixed))
		if (!window_of(&w->plan->shape, &c->span, t->closed_us, &window) ||
			window.end_us <= closed_us)
			return false;
	return true;
}

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

int
windows_take_run(struct windows *w, uint32_t task, const struct block *b, const struct run *r,
	int64_t watermark_us, struct failure *why)
{
	struct windows_task *t = windows_task_of(w, task);
	const struct run_cell *c = run_cells(r);
	uint32_t i;

	w->why = why;
	if (r->assigned != atomic_load_explicit(&windows_keys(w)->assigned, memory_order_relaxed) ||
		!may_take(w, t, r, windows_closed(w, watermark_us)))
		return 0;
	for (i = 0; i < r->ncells; i++, c = run_cell_after(c, w->plan->fixed))
		if (take_cell(w, t, b, c) < 0)
			return -1;
	return cells_tidy(w->cells, why) < 0 ? -1 : 1;
}

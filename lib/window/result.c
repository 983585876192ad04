/* The lines that are written. */
#include <stdlib.h>

#include "window/engine.h"

static void
add_time(const struct windows *w, struct time_memo *memo, struct buf *b, int64_t us)
{
	if (w->plan->in_ms) {
		/* Sessions that are merged go by exact times. */
		if (w->plan->partial && us % 1000)
			buf_addf(b, "%s%lld.%03lld", us < 0 ? "-" : "", llabs(us / 1000),
				llabs(us % 1000));
		else
			buf_addi(b, us / 1000 - (us % 1000 < 0));
		return;
	}
	buf_addc(b, '"');
	time_add_rfc3339_near(memo, b, us);
	buf_addc(b, '"');
}

void
result_add(struct windows *w, struct buf *b, const struct span *window, struct slice key_text,
	const struct fold_cell *cell)
{
	const struct windows_plan *plan = w->plan;
	unsigned i;

	buf_adds(b, "{\"start\":");
	add_time(w, &w->start, b, window->start_us);
	buf_adds(b, ",\"end\":");
	add_time(w, &w->end, b, window->end_us);
	if (key_text.n) {
		buf_adds(b, ",\"key\":");
		buf_add_slice(b, key_text);
	}
	if (plan->partial)
		buf_adds(b, ",\"partial\":{");
	for (i = 0; i < plan->nfolds; i++) {
		buf_adds(b, plan->partial && !i ? "\"" : ",\"");
		buf_add_slice(b, plan->fold[i].name);
		buf_adds(b, "\":");
		if (plan->partial)
			fold_save(&plan->fold[i], cell, i, &w->work, b);
		else
			fold_render(&plan->fold[i], cell, i, &w->work, b);
	}
	buf_adds(b, plan->partial ? "}}" : "}");
}

void
result_write(struct windows *w, const struct span *window, struct slice key_text,
	const struct fold_cell *cell, int64_t time_us)
{
	result_add(w, emit_begin_made(w->emit, 0, time_us), window, key_text, cell);
	emit_end(w->emit);
}

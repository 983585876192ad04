/* Records, folded before their turn. */
#include "window/runs.h"

#include <stdlib.h>

#include "base/mem.h"

#define SLOTS 256          /* of a run's table, which is no more than half full */
#define REST 64            /* blocks */
#define WORTH 4            /* records a cell */
#define LONG_TEXT ((uint32_t)1 << 20) /* bytes of a value, of which a function may not take more */

/* A block's, while it is looked at. Places are those in the notes; 0: none. */
struct making {
	struct runs_plan *plan;
	const struct json_scan *scan;
	struct buf *notes;
	uint32_t assigned;
	struct key128 one;        /* the owner, without -k */
	uint32_t first;           /* line of the run in hand */
	uint32_t run;             /* the run; */
	uint32_t slot[SLOTS];     /* its cells, by owner and pane */
	struct span pane;         /* looked at last */
	int64_t edge_us;          /* the run is cut here */
	size_t ncells;            /* of all runs, and lines of those that came to nothing */
	struct fold_work work;
};

/* ---- what can be folded so --------------------------------------------------------- */

/* Those that have no need of a room for short values. */
static bool
is_fixed(enum fold_func func)
{
	return func <= FOLD_LAST;
}

bool
runs_init(struct runs_plan *p, const struct window_shape *shape, const struct fold *fold,
	size_t nfolds, size_t fixed, const struct seen_plan *seen, int *value, int64_t behind_us)
{
	/* Between hops that are further apart than they are long is no window. */
	bool gaps = shape->kind == WINDOW_HOPPING && shape->step_us > shape->size_us;
	size_t i;

	for (i = 0; i < nfolds && is_fixed(fold[i].func); i++)
		;
	p->folds = i == nfolds;
	if ((!p->folds && gaps) || !window_is_grid(shape) || seen->time < 0 || behind_us > TIME_US_MAX) {
		free(value);
		return false;
	}
	p->shape = shape;
	p->fold = fold;
	p->nfolds = nfolds;
	p->fixed = fixed;
	p->seen = seen;
	p->value = value;
	p->behind_us = behind_us;
	p->room = mem_zalloc((nfolds + 1) * sizeof(*p->room));
	atomic_init(&p->rest, 0);
	return true;
}

void
runs_release(struct runs_plan *p)
{
	free(p->value);
	free(p->room);
	*p = (struct runs_plan){0};
}

/* ---- a run's cells ----------------------------------------------------------------- */

static inline struct run *
run_in_hand(const struct making *m)
{
	return (struct run *)(void *)(m->notes->p + m->run);
}

static inline struct seen *
seen_at(const struct making *m, size_t line)
{
	return (struct seen *)(void *)(m->notes->p + line * m->plan->seen->bytes);
}

static inline struct run_cell *
cell_at(const struct making *m, uint32_t at)
{
	return (struct run_cell *)(void *)(m->notes->p + at);
}

static inline size_t
home_of(struct key128 owner, int64_t start_us)
{
	return (owner.lo ^ (uint64_t)start_us * UINT64_C(0x9E3779B97F4A7C15) >> 32) % SLOTS;
}

static struct run_cell *
make_cell(struct making *m, uint32_t *slot, struct key128 owner, const struct seen *seen)
{
	size_t bytes = run_cell_bytes(m->plan->fixed);
	struct run_cell *c;
	int key = m->plan->seen->key;

	*slot = (uint32_t)m->notes->n;
	m->notes->n += bytes;
	c = cell_at(m, *slot);
	memset(c, 0, bytes);
	c->owner = owner;
	c->span = m->pane;
	if (key >= 0) {
		c->at = seen->value[key].at;
		c->n = seen->value[key].n;
	}
	run_in_hand(m)->ncells++;
	m->ncells++;
	return c;
}

/* NULL: the run can take no more. */
static inline struct run_cell *
cell_for(struct making *m, const struct seen *seen)
{
	struct key128 owner = m->plan->seen->key >= 0 ? seen->owner : m->one;
	int64_t us = seen->us;
	struct run_cell *c;
	size_t i;

	if (us < m->pane.start_us || us >= m->pane.end_us)
		m->pane = window_pane(m->plan->shape, us);
	for (i = home_of(owner, m->pane.start_us); m->slot[i]; i = (i + 1) % SLOTS) {
		c = cell_at(m, m->slot[i]);
		if (key128_eq(c->owner, owner) && c->span.start_us == m->pane.start_us)
			return c;
	}
	return run_in_hand(m)->ncells < SLOTS / 2 ? make_cell(m, &m->slot[i], owner, seen) : NULL;
}

/* A fold wants a room, and has none here. */
static int
no_room(struct fold_cell *c, unsigned i, size_t n, struct failure *why)
{
	(void)c;
	(void)i;
	(void)n;
	return fail(why, EXIT_INTERNAL, "no room");
}

static int
fold_into(struct making *m, struct run_cell *to, const struct seen *seen)
{
	const struct runs_plan *p = m->plan;
	struct fold_cell cell = {.fixed = to->fixed, .room = p->room, .grow = no_room};
	struct fold_input in = {.us = seen->us};
	const struct seen_value *v;
	struct failure ignored;
	size_t i;

	for (i = 0; i < p->nfolds; i++) {
		if (p->value[i] >= 0) {
			v = &seen->value[p->value[i]];
			if (!v->there)
				continue;
			in.value.text = slice_of(m->scan->p + v->at, v->n);
			in.value.type = (enum json_type)v->type;
			in.value.small = v->small;
			in.value.scale = v->scale;
			in.value.m = v->m;
		}
		if (fold_add(&p->fold[i], &cell, (unsigned)i, &in, &m->work, &ignored) < 0)
			return -1;
	}
	return 0;
}

/* ---- runs -------------------------------------------------------------------------- */

static void
begin(struct making *m, size_t line)
{
	struct seen *seen = seen_at(m, line);
	struct run *r;

	memset(m->slot, 0, sizeof(m->slot));
	m->first = (uint32_t)line;
	m->run = (uint32_t)m->notes->n;
	m->notes->n += sizeof(*r);
	r = run_in_hand(m);
	*r = (struct run){.assigned = m->assigned, .first_us = seen->us, .newest_us = seen->us,
		.least_us = seen->us};
	m->edge_us = window_pane(m->plan->shape, seen->us - m->plan->behind_us).end_us +
		m->plan->behind_us;
}

/* The run in hand ends before this line. */
static void
end(struct making *m, size_t line)
{
	if (!m->run)
		return;
	run_in_hand(m)->n = (uint32_t)line - m->first;
	seen_at(m, m->first)->run = m->run;
	m->run = 0;
}

/* The run in hand, up to this line, comes to nothing; its memory is used again. */
static void
undo(struct making *m, size_t line)
{
	m->ncells += line - m->first + 1;
	m->notes->n = m->run;
	m->run = 0;
}

static inline bool
is_foldable(const struct making *m, const struct seen *seen)
{
	const struct runs_plan *p = m->plan;
	const struct seen_value *v;
	size_t i;

	if (!seen->told || seen->us == TIME_NONE ||
		(p->seen->key >= 0 && seen->assigned != m->assigned))
		return false;
	for (i = 0; i < p->nfolds; i++) {
		v = p->value[i] < 0 ? NULL : &seen->value[p->value[i]];
		if (!v || (v->told && (!v->there || v->small)))
			continue;
		if (!v->told || v->n > LONG_TEXT || fold_takes_numbers(&p->fold[i]))
			return false;
	}
	return true;
}

/* -1: the run has come to nothing. */
static int
fold_line(struct making *m, size_t line)
{
	struct run_cell *c = cell_for(m, seen_at(m, line));

	if (!c) {
		end(m, line);
		buf_reserve(m->notes, sizeof(struct run) + run_cell_bytes(m->plan->fixed));
		begin(m, line);
		c = cell_for(m, seen_at(m, line));
	}
	if (fold_into(m, c, seen_at(m, line)) == 0)
		return 0;
	undo(m, line);
	return -1;
}

static void
take_line(struct making *m, size_t line)
{
	const struct seen *seen;
	struct run *r;

	/* Memory for a run and a cell, so that nothing moves while it is in hand. */
	buf_reserve(m->notes, sizeof(*r) + run_cell_bytes(m->plan->fixed));
	seen = seen_at(m, line);
	if (!is_foldable(m, seen)) {
		end(m, line);
		return;
	}
	if (m->run && seen->us >= m->edge_us)
		end(m, line);
	if (!m->run)
		begin(m, line);
	if (m->plan->folds && fold_line(m, line) < 0)
		return;
	seen = seen_at(m, line);
	r = run_in_hand(m);
	if (seen->us < r->least_us)
		r->least_us = seen->us;
	if (seen->us > r->newest_us)
		r->newest_us = seen->us;
}

static bool
may_rest(struct runs_plan *p)
{
	unsigned rest = atomic_load_explicit(&p->rest, memory_order_relaxed);

	if (!rest)
		return false;
	atomic_store_explicit(&p->rest, rest - 1, memory_order_relaxed);
	return true;
}

void
runs_make(struct runs_plan *p, const struct json_scan *s, struct buf *notes)
{
	struct making m = {.plan = p, .scan = s, .notes = notes};
	size_t i;

	if (!notes->n || may_rest(p))
		return;
	m.assigned = atomic_load(&p->seen->keys->assigned);
	m.pane = (struct span){INT64_MAX, INT64_MIN};
	if (p->seen->key < 0)
		m.one = state_key(p->seen->keys->state, (struct slice){0});
	for (i = 0; i < s->nlines; i++)
		take_line(&m, i);
	end(&m, i);
	if (m.ncells * WORTH > s->nlines)
		atomic_store_explicit(&p->rest, REST, memory_order_relaxed);
	fold_work_release(&m.work);
}

const struct run *
runs_at(const struct runs_plan *p, const struct block *b, size_t line)
{
	const struct seen *seen;

	if (!p->seen || line * p->seen->bytes >= b->notes.n)
		return NULL;
	seen = seen_line(p->seen, b, line);
	return seen->run ? (const struct run *)(const void *)(b->notes.p + seen->run) : NULL;
}

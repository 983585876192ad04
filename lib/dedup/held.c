/* Records that may be the last of their key. */
#include "dedup/held.h"

#include <stdlib.h>

#include "base/mem.h"
#include "flow/kept.h"
#include "window/timers.h"

/* A value in the state; the kept record follows, unless it was written. */
struct head {
	int64_t from_us;   /* what the window counts from; first: the state expires by it */
	int64_t us;        /* of the record that is held */
	uint64_t first;    /* number of the record that began the window */
	uint64_t last;     /* and of the one that is held */
	uint64_t gone;     /* 1: it was written */
};

struct task {
	uint32_t id;
	struct timers timers;
	uint64_t next;     /* number of the next record */
};

struct held {
	struct held_options opt;
	struct memory *memory;
	struct state *state;
	struct task *task;
	size_t ntasks, cap_tasks;
	struct kept_reader reader;
	struct buf room;
	struct failure *why;
};

static struct head
head_of(struct slice value)
{
	struct head h;

	memcpy(&h, value.p, sizeof(h));
	return h;
}

static int
write_held(struct held *h, struct slice value, enum held_as as, struct failure *why)
{
	struct record r;

	value = slice_of(value.p + sizeof(struct head), value.n - sizeof(struct head));
	if (kept_read(&h->reader, value, &r, why) < 0)
		return -1;
	return h->opt.write(h->opt.arg, &r, as, why);
}

/* A key that is given up for the bounds: its record goes now. */
static int
evicted(void *arg, uint32_t task, struct key128 key, struct slice value)
{
	struct held *h = arg;

	(void)task;
	(void)key;
	memory_count_evicted(h->memory);
	return head_of(value).gone ? 0 : write_held(h, value, HELD_LAST, h->why);
}

struct held *
held_new(const struct held_options *options, struct memory *memory)
{
	struct held *h = mem_zalloc(sizeof(*h));

	h->opt = *options;
	h->memory = memory;
	h->state = memory_state(memory);
	state_on_evict(h->state, evicted, h);
	return h;
}

void
held_free(struct held *h)
{
	if (!h)
		return;
	while (h->ntasks)
		held_revoke(h, h->task[0].id);
	free(h->task);
	kept_reader_release(&h->reader);
	buf_release(&h->room);
	free(h);
}

static struct task *
task_of(const struct held *h, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < h->ntasks && h->task[i].id != id; i++)
		;
	return &h->task[i];
}

size_t
held_ntasks(const struct held *h)
{
	return h->ntasks;
}

uint32_t
held_task(const struct held *h, size_t i)
{
	return h->task[i].id;
}

/* ---- one record -------------------------------------------------------------------- */

static int64_t
deadline_of(const struct held *h, const struct head *head)
{
	int64_t within_us = h->opt.plan->within_us;

	return head->from_us > INT64_MAX - within_us ? INT64_MAX : head->from_us + within_us;
}

static void
add_timer(const struct held *h, struct task *t, struct key128 key, const struct head *head)
{
	unsigned char order[8];
	int i;

	if (!h->opt.plan->within_us)
		return;
	for (i = 0; i < 8; i++)
		order[i] = (unsigned char)(head->first >> (56 - 8 * i));
	timers_add(&t->timers, deadline_of(h, head), key,
		slice_of((const char *)order, sizeof(order)));
}

/* Hold r under this head. */
static int
hold(struct held *h, const struct record *r, struct key128 key, const struct head *head,
	bool envelope, struct failure *why)
{
	buf_reset(&h->room);
	buf_add(&h->room, head, sizeof(*head));
	kept_add(&h->room, r, envelope);
	return state_put(h->state, r->task, key, buf_slice(&h->room), why) < 0 ? -1 : 1;
}

static int
begin_window(struct held *h, const struct record *r, struct key128 key, bool envelope,
	struct failure *why)
{
	struct task *t = task_of(h, r->task);
	struct head head = {.from_us = r->time_us, .us = r->time_us, .first = t->next,
		.last = t->next};

	t->next++;
	add_timer(h, t, key, &head);
	return hold(h, r, key, &head, envelope, why);
}

int
held_take(struct held *h, const struct record *r, struct key128 key, bool envelope,
	struct failure *why)
{
	bool timed = h->opt.plan->within_us;
	struct slice value;
	struct head head;

	h->why = why;
	if (timed && memory_is_late(h->memory, r->task, r->time_us))
		return h->opt.write(h->opt.arg, r, HELD_LATE, why);
	if (!state_get(h->state, r->task, key, &value))
		return begin_window(h, r, key, envelope, why);
	head = head_of(value);
	if (timed && r->time_us > deadline_of(h, &head)) {
		if (!head.gone && write_held(h, value, HELD_LAST, why) < 0)
			return -1;
		return begin_window(h, r, key, envelope, why);
	}
	if (head.gone)
		return h->opt.write(h->opt.arg, r, HELD_LATE, why);
	if (timed && r->time_us < head.us)
		return h->opt.write(h->opt.arg, r, HELD_DUPLICATE, why);
	if (write_held(h, value, HELD_DUPLICATE, why) < 0)
		return -1;
	head.us = r->time_us;
	if (h->opt.plan->refresh)
		head.from_us = r->time_us;
	head.last = task_of(h, r->task)->next++;
	return hold(h, r, key, &head, envelope, why);
}

/* ---- what is due ------------------------------------------------------------------- */

/* Its record was written; the key is remembered, if there is a window. */
static int
let_go(struct held *h, uint32_t task, struct key128 key, struct head head,
	struct failure *why)
{
	if (state_remove(h->state, task, key, why) < 0)
		return -1;
	head.gone = 1;
	return h->opt.plan->within_us ? state_put(h->state, task, key,
		slice_of((const char *)&head, sizeof(head)), why) : 0;
}

/* One timer: void, too early, or due. */
static int
fire(struct held *h, struct task *t, const struct timer *timer, struct failure *why)
{
	struct slice value;
	struct head head;

	if (!state_get(h->state, t->id, timer->key, &value))
		return 0;
	head = head_of(value);
	if (head.gone)
		return 0;
	if (deadline_of(h, &head) > timer->us) {
		add_timer(h, t, timer->key, &head);
		return 0;
	}
	if (write_held(h, value, HELD_LAST, why) < 0)
		return -1;
	return let_go(h, t->id, timer->key, head, why);
}

struct arrival {
	uint64_t number;
	struct key128 key;
};

struct arrivals {
	struct arrival *v;
	size_t n, cap;
};

static int
list(void *arg, struct key128 key, struct slice value)
{
	struct arrivals *a = arg;

	a->v = mem_grow(a->v, &a->cap, a->n + 1, sizeof(*a->v));
	a->v[a->n++] = (struct arrival){head_of(value).last, key};
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* All of a task, in the order in which they came. */
static int
write_all(struct held *h, uint32_t task, struct failure *why)
{
	struct arrivals a = {0};
	struct slice value;
	int rc = 0;
	size_t i;

	state_each(h->state, task, list, &a);
	if (a.n)
		qsort(a.v, a.n, sizeof(*a.v), by_number);
	for (i = 0; i < a.n && rc == 0; i++) {
		if (!state_get(h->state, task, a.v[i].key, &value))
			continue;
		rc = write_held(h, value, HELD_LAST, why);
		if (rc == 0)
			rc = let_go(h, task, a.v[i].key, head_of(value), why);
	}
	free(a.v);
	return rc;
}

int
held_due(struct held *h, uint32_t task, int64_t us, struct failure *why)
{
	struct task *t = task_of(h, task);
	struct timer timer;
	int rc = 0;

	h->why = why;
	if (!h->opt.plan->within_us)
		return us == INT64_MAX ? write_all(h, task, why) : 0;
	while (rc == 0 && timers_due(&t->timers, us == INT64_MAX ? us : us - 1, &timer)) {
		rc = fire(h, t, &timer, why);
		free((void *)(uintptr_t)timer.order.p);
	}
	return rc;
}

/* ---- callbacks --------------------------------------------------------------------- */

int
held_assign(struct held *h, uint32_t task)
{
	h->task = mem_grow(h->task, &h->cap_tasks, h->ntasks + 1, sizeof(*h->task));
	h->task[h->ntasks++] = (struct task){.id = task};
	return 0;
}

void
held_revoke(struct held *h, uint32_t task)
{
	struct task *t = task_of(h, task);

	timers_release(&t->timers);
	*t = h->task[--h->ntasks];
}

struct visit {
	struct held *h;
	struct task *t;
};

static int
take_up(void *arg, struct key128 key, struct slice value)
{
	struct visit *v = arg;
	struct head head = head_of(value);

	if (head.last >= v->t->next)
		v->t->next = head.last + 1;
	if (!head.gone)
		add_timer(v->h, v->t, key, &head);
	return 0;
}

int
held_rollback(struct held *h)
{
	struct visit v = {.h = h};
	size_t i;

	for (i = 0; i < h->ntasks; i++) {
		v.t = &h->task[i];
		timers_release(&v.t->timers);
		v.t->next = 0;
		state_each(h->state, v.t->id, take_up, &v);
	}
	return 0;
}

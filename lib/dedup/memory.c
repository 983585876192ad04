/* Keys that were seen. */
#include "dedup/memory.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dedup/approx.h"

#define FORGET_STEPS 64 /* a key is kept for this part of a window too long */
#define NEAR 16         /* keys ahead that are brought near */

struct task {
	uint32_t id;
	int64_t watermark_us, forgotten_us;
};

struct memory {
	const struct dedup_plan *plan;
	struct state *state;
	struct approx *approx;  /* NULL: exact */
	struct task *task;
	size_t ntasks, cap_tasks;
	uint64_t evicted;
};

static int
count_evicted(void *arg, uint32_t task, struct key128 key, struct slice value)
{
	(void)task;
	(void)key;
	(void)value;
	memory_count_evicted(arg);
	return 0;
}

void
memory_count_evicted(struct memory *m)
{
	m->evicted++;
}

uint64_t
memory_evicted(const struct memory *m)
{
	return m->evicted;
}

static int
make_filter(struct memory *m, uint64_t max_memory, struct failure *why)
{
	uint64_t n = (uint64_t)m->plan->approx, bytes = approx_bytes(n);

	if (max_memory && bytes > max_memory) {
		fail(why, EXIT_USAGE, "--approx %" PRIu64 " takes %" PRIu64 " MiB, more than "
			"--max-memory", n, bytes >> 20);
		return -1;
	}
	m->approx = approx_new(n, 32);
	return m->approx ? 0 : fail(why, EXIT_OS, "--approx %" PRIu64 " takes %" PRIu64
		" MiB, and there is no such memory", n, bytes >> 20);
}

struct memory *
memory_new(const struct dedup_plan *plan, size_t value_bytes, const struct op_context *ctx,
	struct failure *why)
{
	struct state_options options = {.tool = "sk-dedup", .value_bytes = value_bytes,
		.expires = plan->within_us > 0};
	struct memory *m = mem_zalloc(sizeof(*m));

	m->plan = plan;
	options.shape = buf_cstr((struct buf *)(uintptr_t)&plan->shape);
	m->state = state_new(&options, ctx);
	state_on_evict(m->state, count_evicted, m);
	if (plan->approx && make_filter(m, ctx->place->max_memory, why) < 0) {
		memory_free(m);
		return NULL;
	}
	return m;
}

void
memory_free(struct memory *m)
{
	if (!m)
		return;
	approx_free(m->approx);
	state_free(m->state);
	free(m->task);
	free(m);
}

struct state *
memory_state(struct memory *m)
{
	return m->state;
}

static inline struct task *
task_of(const struct memory *m, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < m->ntasks && m->task[i].id != id; i++)
		;
	return &m->task[i];
}

/* ---- keys -------------------------------------------------------------------------- */

struct key128
memory_key(const struct memory *m, struct slice identity)
{
	return state_key(m->state, identity);
}

void
memory_key_all(const struct memory *m, const struct slice *identity, size_t n,
	struct key128 *keys)
{
	state_key_all(m->state, identity, n, keys);
}

void
memory_prefetch(const struct memory *m, uint32_t task, struct key128 key)
{
	if (m->approx)
		approx_prefetch(m->approx, key);
	else
		state_prefetch(m->state, task, key);
}

static int64_t
before(int64_t us, int64_t by)
{
	return us < INT64_MIN + by ? INT64_MIN : us - by;
}

bool
memory_is_late(const struct memory *m, uint32_t task, int64_t us)
{
	int64_t watermark_us = task_of(m, task)->watermark_us;

	return watermark_us != TIME_NONE && us < before(watermark_us, m->plan->within_us);
}

static enum memory_says
take_timed(struct memory *m, uint32_t task, struct key128 key, int64_t us,
	struct failure *why)
{
	struct slice bytes = slice_of((const char *)&us, sizeof(us)), had;
	int64_t from_us;
	int rc;

	if (memory_is_late(m, task, us))
		return MEMORY_LATE;
	rc = state_add(m->state, task, key, bytes, &had, why);
	if (rc)
		return rc < 0 ? MEMORY_FAILED : MEMORY_NEW;
	memcpy(&from_us, had.p, sizeof(from_us));
	if (before(us, m->plan->within_us) > from_us)
		return state_put(m->state, task, key, bytes, why) < 0 ? MEMORY_FAILED :
			MEMORY_NEW;
	if (m->plan->refresh && us > from_us &&
		state_set(m->state, task, key, bytes, why) < 0)
		return MEMORY_FAILED;
	return MEMORY_SEEN;
}

static int
full(const struct memory *m, struct failure *why)
{
	fail(why, EXIT_OS, "the filter is full: %" PRIu64 " keys", approx_keys(m->approx));
	fail_hint(why, "--approx N is for N keys; give it more");
	return MEMORY_FAILED;
}

enum memory_says
memory_take(struct memory *m, uint32_t task, struct key128 key, int64_t us,
	struct failure *why)
{
	int rc;

	if (m->plan->within_us)
		return take_timed(m, task, key, us, why);
	if (!m->approx)
		return (enum memory_says)state_add(m->state, task, key, (struct slice){"", 0},
			NULL, why);
	rc = approx_add(m->approx, key);
	return (enum memory_says)(rc < 0 ? full(m, why) : rc);
}

size_t
memory_take_all(struct memory *m, uint32_t task, const struct key128 *key, size_t n,
	uint8_t *fresh, struct failure *why)
{
	size_t i;
	int rc;

	if (!m->approx)
		return state_add_all(m->state, task, key, n, fresh, why);
	for (i = 0; i < n; i++) {
		if (i + NEAR < n)
			approx_prefetch(m->approx, key[i + NEAR]);
		rc = approx_add(m->approx, key[i]);
		if (rc < 0) {
			full(m, why);
			break;
		}
		fresh[i] = (uint8_t)rc;
	}
	return i;
}

/* ---- callbacks --------------------------------------------------------------------- */

int
memory_assign(struct memory *m, uint32_t task, struct failure *why)
{
	if (state_assign(m->state, task, why) < 0)
		return -1;
	m->task = mem_grow(m->task, &m->cap_tasks, m->ntasks + 1, sizeof(*m->task));
	m->task[m->ntasks++] = (struct task){task, TIME_NONE, INT64_MIN};
	return 0;
}

int
memory_revoke(struct memory *m, uint32_t task, struct failure *why)
{
	*task_of(m, task) = m->task[--m->ntasks];
	return state_revoke(m->state, task, why);
}

int
memory_rollback(struct memory *m, uint64_t epoch, struct failure *why)
{
	size_t i;

	if (state_rollback(m->state, epoch, why) < 0)
		return -1;
	if (m->approx)
		approx_clear(m->approx);
	for (i = 0; i < m->ntasks; i++)
		m->task[i] = (struct task){m->task[i].id, TIME_NONE, INT64_MIN};
	return 0;
}

int
memory_barrier(struct memory *m, uint64_t epoch, struct failure *why)
{
	return state_barrier(m->state, epoch, why);
}

int
memory_watermark(struct memory *m, uint32_t task, int64_t us, struct failure *why)
{
	struct task *t = task_of(m, task);
	int64_t step = m->plan->within_us / FORGET_STEPS + 1;

	t->watermark_us = us;
	if (!m->plan->within_us)
		return 0;
	us = before(before(us, m->plan->within_us), m->plan->within_us);
	if (us < INT64_MIN + step)
		return 0;
	us -= (us % step + step) % step;
	if (us <= t->forgotten_us)
		return 0;
	t->forgotten_us = us;
	return state_expire(m->state, task, us, why);
}

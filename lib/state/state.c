/* Keys and values of a state. */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

struct state *
state_new(const struct state_options *options, const struct op_context *ctx)
{
	struct state *s = mem_zalloc(sizeof(*s));

	s->opt = *options;
	s->place = ctx->place;
	s->variable = options->value_bytes == STATE_VARIABLE;
	s->entry = sizeof(struct key128) +
		(s->variable ? sizeof(struct held *) : (options->value_bytes + 7) / 8 * 8);
	s->max_memory = options->max_memory;
	s->max_keys = options->max_keys;
	if (s->place) {
		s->evict = s->place->evict;
		if (!s->max_memory)
			s->max_memory = s->place->max_memory;
		if (!s->max_keys)
			s->max_keys = s->place->max_keys;
	}
	if (!s->max_memory)
		s->max_memory = state_default_memory();
	if (!s->max_keys)
		s->max_keys = UINT64_MAX;
	if (s->evict)
		s->entry += sizeof(uint64_t);
	s->secret = keyed_draw();
	s->folder.lock = -1;
	s->block = 1 << 20;
	s->least = 64 << 20;
	s->piece = 16 << 20;
	s->alone = 4 << 20;
	return s;
}

void
state_free(struct state *s)
{
	struct failure ignored;

	if (!s)
		return;
	while (s->ntasks)
		state_revoke(s, s->task[0]->id, &ignored);
	folder_release(&s->folder);
	state_elders_release(s);
	spares_release(&s->spares);
	free(s->task);
	free(s);
}

void
state_on_evict(struct state *s, int (*evicted)(void *, uint32_t, struct key128, struct slice),
	void *arg)
{
	s->evicted = evicted;
	s->evicted_arg = arg;
}

void
state_own(struct state *s, struct key128 key)
{
	s->own = key;
	s->has_own = true;
}

bool
state_is_kept(const struct state *s)
{
	return s->durable;
}

uint64_t
state_keys(const struct state *s)
{
	return s->keys;
}

uint64_t
state_memory(const struct state *s)
{
	return s->tables + s->values + s->buffers;
}

struct key128
state_key(const struct state *s, struct slice bytes)
{
	return keyed_hash(&s->secret, bytes);
}

void
state_key_all(const struct state *s, const struct slice *bytes, size_t n, struct key128 *keys)
{
	keyed_hash_all(&s->secret, bytes, n, keys);
}

/* ---- values ------------------------------------------------------------------------ */

static inline void
set_value(struct state *s, char *slot, struct slice value, bool fresh)
{
	/* It may move: what state_edit gave is no good any more. */
	s->version += !fresh && s->variable && held_of(slot)->cap < value.n;
	s->values += (uint64_t)value_put(s, slot, value, fresh, 0);
}

static void
drop_value(struct state *s, char *slot)
{
	s->version++;
	if (s->variable)
		s->values += (uint64_t)value_forget(s, slot);
}

/* ---- tasks ------------------------------------------------------------------------- */

struct task *
state_task(const struct state *s, uint32_t id)
{
	size_t i;

	for (i = 0; i < s->ntasks; i++)
		if (s->task[i]->id == id)
			return s->task[i];
	return NULL;
}

static inline struct task *
task_of(struct state *s, uint32_t id)
{
	if (__builtin_expect(!s->last || s->last->id != id, 0))
		s->last = state_task(s, id);
	return s->last;
}

static int
unassigned(uint32_t id, struct failure *why)
{
	return fail(why, EXIT_INTERNAL, "state of task %u, which is not assigned", id);
}

void
state_drop(struct state *s, struct task *t, char *slot)
{
	drop_value(s, slot);
	parts_remove(&t->parts, slot);
	s->keys--;
}

void
state_empty(struct state *s, struct task *t)
{
	unsigned i;
	char *slot;

	for (i = 0; i < PARTS && s->variable; i++)
		for (slot = parts_next(&t->parts, i, NULL); slot;
			slot = parts_next(&t->parts, i, slot))
			drop_value(s, slot);
	s->keys -= parts_count(&t->parts);
	s->tables -= t->parts.memory;
	parts_release(&t->parts);
	parts_init(&t->parts, s->entry);
	t->parts.roomy = s->variable && !s->evict;
	t->horizon = INT64_MIN;
	t->horizon_moved = false;
	t->stamp = t->credit = 0;
	t->hand = 0;
	s->nelders = 0;
}

/* ---- expiry ------------------------------------------------------------------------ */

struct sweep {
	struct state *s;
	struct task *t;
};

static bool
sweep_gone(void *arg, char *slot)
{
	struct sweep *w = arg;

	if (!state_gone(w->s, w->t, slot))
		return false;
	drop_value(w->s, slot);
	return true;
}

void
state_sweep(struct state *s, struct task *t, unsigned part)
{
	struct sweep w = {s, t};

	if (!s->opt.expires || t->parts.part[part].swept == t->horizon)
		return;
	s->tables -= t->parts.memory;
	s->keys -= parts_sweep(&t->parts, part, sweep_gone, &w);
	s->tables += t->parts.memory;
	t->parts.part[part].swept = t->horizon;
}

/* Each call pays for some slots to be looked at, and a part's turn comes when as many are
 * paid for as it has. */
#define CREDIT 64

int
state_expire(struct state *s, uint32_t task, int64_t us, struct failure *why)
{
	struct task *t = task_of(s, task);

	if (!t)
		return unassigned(task, why);
	if (us > t->horizon) {
		t->horizon = us;
		t->horizon_moved = true;
	}
	t->credit += CREDIT;
	if (t->credit >= t->parts.part[t->hand].slots + CREDIT) {
		t->credit -= t->parts.part[t->hand].slots;
		state_sweep(s, t, t->hand);
		t->hand = (t->hand + 1) % PARTS;
	}
	return 0;
}

/* ---- the calls --------------------------------------------------------------------- */

static inline bool
fits(const struct state *s, struct slice value)
{
	return s->variable ? value.n <= STATE_VALUE_MAX : value.n == s->opt.value_bytes;
}

static int
misfit(const struct state *s, struct slice value, struct failure *why)
{
	if (s->variable)
		return fail(why, EXIT_DATA, "a value of %zu bytes is too large for the state",
			value.n);
	return fail(why, EXIT_INTERNAL, "a value of %zu bytes in a state of %zu", value.n,
		s->opt.value_bytes);
}

/* Looks again only where the table had to change. */
static inline char *
take(struct state *s, struct task *t, struct key128 key, char *slot, struct slice value,
	size_t room, struct failure *why)
{
	uint64_t bytes = s->variable ? held_bytes(value.n + room) : 0;
	bool there;

	if (__builtin_expect(!slot || s->keys >= s->max_keys || state_is_over(s, bytes), 0)) {
		if (state_room(s, t, key, bytes, 1, why) < 0)
			return NULL;
		slot = parts_look(&t->parts, key, &there);
	}
	parts_take(&t->parts, key, slot);
	s->keys++;
	t->credit += 4;
	if (s->evict)
		*slot_stamp(s, slot) = t->stamp++;
	s->values += (uint64_t)(s->variable ? value_new(s, slot, value, room) :
		value_put(s, slot, value, true, room));
	return slot;
}

char *
state_take(struct state *s, struct task *t, struct key128 key, char *slot, struct slice value,
	size_t room, struct failure *why)
{
	return take(s, t, key, slot, value, room, why);
}

bool
state_get(struct state *s, uint32_t task, struct key128 key, struct slice *value)
{
	struct task *t = task_of(s, task);
	bool there;
	char *slot;

	if (!t)
		return false;
	slot = parts_look(&t->parts, key, &there);
	if (!there || state_gone(s, t, slot))
		return false;
	*value = state_value(s, slot);
	return true;
}

/* The key had a value that expired: it is made anew in the same slot. */
static void
renew(struct state *s, struct task *t, char *slot)
{
	drop_value(s, slot);
	if (s->evict)
		*slot_stamp(s, slot) = t->stamp++;
}

int
state_add(struct state *s, uint32_t task, struct key128 key, struct slice value,
	struct slice *had, struct failure *why)
{
	struct task *t = task_of(s, task);
	bool there;
	char *slot;

	if (__builtin_expect(!t, 0))
		return unassigned(task, why);
	slot = parts_look(&t->parts, key, &there);
	if (there && !state_gone(s, t, slot)) {
		if (had)
			*had = state_value(s, slot);
		return 0;
	}
	if (__builtin_expect(!fits(s, value), 0))
		return misfit(s, value, why);
	if (there) {
		renew(s, t, slot);
		set_value(s, slot, value, true);
	} else {
		slot = take(s, t, key, slot, value, 0, why);
		if (!slot)
			return -1;
	}
	return log_put(s, t, slot, why) < 0 ? -1 : 1;
}

int
state_put(struct state *s, uint32_t task, struct key128 key, struct slice value,
	struct failure *why)
{
	struct task *t = task_of(s, task);
	uint64_t bytes;
	bool there;
	char *slot;

	if (__builtin_expect(!t, 0))
		return unassigned(task, why);
	if (__builtin_expect(!fits(s, value), 0))
		return misfit(s, value, why);
	slot = parts_look(&t->parts, key, &there);
	if (there && s->variable && held_of(slot)->cap < value.n) {
		bytes = held_bytes(value.n + value.n / 4);
		if (state_is_over(s, bytes) && state_room(s, t, key, bytes, 0, why) < 0)
			return -1;
		slot = parts_look(&t->parts, key, &there);
	}
	if (there && state_gone(s, t, slot)) {
		renew(s, t, slot);
		set_value(s, slot, value, true);
	} else if (there) {
		set_value(s, slot, value, false);
	} else {
		slot = take(s, t, key, slot, value, 0, why);
		if (!slot)
			return -1;
	}
	return log_put(s, t, slot, why);
}

int
state_set(struct state *s, uint32_t task, struct key128 key, struct slice value,
	struct failure *why)
{
	struct task *t = task_of(s, task);
	bool there = false;
	char *slot = t ? parts_look(&t->parts, key, &there) : NULL;

	if (!t)
		return unassigned(task, why);
	if (!there || state_gone(s, t, slot) || state_value(s, slot).n != value.n)
		return fail(why, EXIT_INTERNAL, "a value is set that state does not have");
	set_value(s, slot, value, false);
	return log_put(s, t, slot, why);
}

int
state_remove(struct state *s, uint32_t task, struct key128 key, struct failure *why)
{
	struct task *t = task_of(s, task);
	bool there = false;
	char *slot = t ? parts_look(&t->parts, key, &there) : NULL;

	if (!t)
		return unassigned(task, why);
	if (!there)
		return 0;
	state_drop(s, t, slot);
	return log_remove(s, t, key, why);
}

int
state_each(struct state *s, uint32_t task,
	int (*visit)(void *arg, struct key128, struct slice value), void *arg)
{
	struct task *t = task_of(s, task);
	int result = 0;
	unsigned i;
	char *slot;

	for (i = 0; t && i < PARTS && result == 0; i++)
		for (slot = parts_next(&t->parts, i, NULL); slot && result == 0;
			slot = parts_next(&t->parts, i, slot))
			if (!state_gone(s, t, slot))
				result = visit(arg, slot_key(slot), state_value(s, slot));
	return result;
}

void
state_prefetch(const struct state *s, uint32_t task, struct key128 key)
{
	if (s->last && s->last->id == task)
		parts_prefetch(&s->last->parts, key);
}

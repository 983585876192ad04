/* Values where they lie. */
#include "state/spot.h"

#include "state/internal.h"

static inline struct task *
task_of(const struct state *s, uint32_t id)
{
	return __builtin_expect(s->last && s->last->id == id, 1) ? s->last :
		state_task(s, id);
}

char *
state_edit(struct state *s, uint32_t task, struct key128 key, size_t *n, struct failure *why)
{
	struct task *t = task_of(s, task);
	struct held *h;
	bool there = false;
	char *slot = t ? parts_look(&t->parts, key, &there) : NULL;

	why->status = 0;
	if (!t)
		fail(why, EXIT_INTERNAL, "state of task %u, which is not assigned", task);
	if (!there || state_gone(s, t, slot) || log_put(s, t, slot, why) < 0)
		return NULL;
	h = held_of(slot);
	*n = h->n;
	return h->p;
}

const uint64_t *
state_version(const struct state *s)
{
	return &s->version;
}

bool
state_find(const struct state *s, uint32_t task, struct key128 key, struct state_spot *spot)
{
	struct task *t = task_of(s, task);
	bool there = false;
	char *slot = t ? parts_look_at_four(&t->parts, key, &there) : NULL;

	*spot = (struct state_spot){{NULL, 0}, t, slot};
	if (!there || state_gone(s, t, slot))
		return false;
	spot->value = state_value(s, slot);
	return true;
}

char *
state_make(struct state *s, struct state_spot *spot, struct key128 key, size_t n, size_t room,
	struct failure *why)
{
	struct task *t = spot->task;
	char *slot = spot->slot;
	bool there;

	/* It has expired. */
	if (slot && key128_eq(slot_key(slot), key) && (key.hi | key.lo || t->parts.zero)) {
		state_drop(s, t, slot);
		slot = parts_look(&t->parts, key, &there);
	}
	slot = state_take(s, t, key, slot, slice_of(NULL, n), room, why);
	return slot && log_put(s, t, slot, why) == 0 ? held_of(slot)->p : NULL;
}

int
state_append(struct state *s, struct state_spot *spot, struct slice tail, struct failure *why)
{
	struct held *h = held_of(spot->slot);
	size_t n = h->n + tail.n;
	uint64_t bytes;

	if (n > h->cap) {
		bytes = held_bytes(n + n / 4);
		if (state_is_over(s, bytes))
			return 0;
		s->version++;
		s->values += (uint64_t)value_grow(spot->slot, n + n / 4);
		h = held_of(spot->slot);
	}
	copy_short(h->p + h->n, tail.p, tail.n);
	h->n = (uint32_t)n;
	spot->value = slice_of(h->p, n);
	return log_put(s, spot->task, spot->slot, why) < 0 ? -1 : 1;
}

int
state_remove_spot(struct state *s, struct state_spot *spot, struct failure *why)
{
	struct key128 key = slot_key(spot->slot);

	state_drop(s, spot->task, spot->slot);
	return log_remove(s, spot->task, key, why);
}

/* ---- bringing near ----------------------------------------------------------------- */

void
state_prefetch_all(const struct state *s, uint32_t task, const struct key128 *key, size_t n)
{
	const struct task *t = task_of(s, task);
	size_t i;

	for (i = 0; t && i < n; i++)
		parts_prefetch(&t->parts, key[i]);
}

PREFETCHES static inline void
prefetch_value(const char *p)
{
	__builtin_prefetch(p, 1);
	__builtin_prefetch(p + 64, 1);
	__builtin_prefetch(p + 128, 1);
	__builtin_prefetch(p + 192, 1);
}

/* The slot among the first four that begins so, *there all ones, or another one, and zeros: one
 * word of a key is enough where it is looked at again. */
static inline char *
guess(const struct parts *t, struct key128 key, size_t entry, uintptr_t *there)
{
	const struct part *p = &t->part[part_of(key)];
	size_t home = part_home(p, key), i;
	unsigned is = 0;
	char *slot;
	uint64_t word;

	*there = 0;
	if (__builtin_expect(p->slots < 4, 0))
		return t->zero_slot;
	home -= home + 4 > p->slots ? home + 4 - p->slots : 0;
	slot = p->slot + home * entry;
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		memcpy(&word, slot + i * entry + offsetof(struct key128, lo), sizeof(word));
		is |= (unsigned)(word == key.lo) << i;
	}
	*there = -(uintptr_t)(is != 0);
	return slot + (unsigned)__builtin_ctz(is | 1u << 4) % 4 * entry;
}

void
state_near_all(const struct state *s, uint32_t task, const struct key128 *key, size_t n,
	struct state_near *near)
{
	struct task *t = task_of(s, task);
	size_t i, entry = s->entry;
	uintptr_t there, value;
	char *slot;

	near->task = t;
	near->now = NULL;
	if (!t || !s->variable || s->opt.expires)
		return;
	near->now = &t->parts.moved;
	near->moved = t->parts.moved;
	/* No branch: whether a key is there is nothing that it could learn. */
	for (i = 0; i < n; i++) {
		slot = guess(&t->parts, key[i], entry, &there);
		near->slot[i] = slot;
		value = (uintptr_t)held_of(slot);
		prefetch_value((const char *)((value & there) | ((uintptr_t)slot & ~there)));
	}
}

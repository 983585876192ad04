/* Values of no fixed size: each an allocation, with room to grow. */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

/* Give a value room for cap bytes or a few more. */
static int64_t
value_grow(char *slot, size_t cap)
{
	struct held *h = held_of(slot);
	uint64_t had = held_bytes(h->cap);

	cap = held_bytes(cap) - 8 - sizeof(*h);
	h = mem_realloc(h, sizeof(*h) + cap);
	h->cap = (uint32_t)cap & 0x7fffffff;
	memcpy(slot + sizeof(struct key128), &h, sizeof(h));
	return (int64_t)(held_bytes(cap) - had);
}

static struct held *
held_new(char *slot, size_t cap)
{
	struct held *h;

	cap = held_bytes(cap) - 8 - sizeof(*h);
	h = mem_alloc(sizeof(*h) + cap);
	h->dirty = 0;
	h->cap = (uint32_t)cap & 0x7fffffff;
	memcpy(slot + sizeof(struct key128), &h, sizeof(h));
	return h;
}

int64_t
value_put(const struct state *s, char *slot, struct slice value, bool fresh, size_t room)
{
	struct held *h;
	int64_t more = 0;

	if (!s->variable) {
		if (value.n)
			memmove(slot + sizeof(struct key128), value.p, value.n);
		return 0;
	}
	if (fresh) {
		h = held_new(slot, value.n + room);
		more = (int64_t)held_bytes(h->cap);
	} else {
		h = held_of(slot);
		if (h->cap < value.n)
			more = value_grow(slot, value.n + value.n / 4);
		h = held_of(slot);
	}
	if (value.n && value.p)
		memmove(h->p, value.p, value.n);
	h->n = (uint32_t)value.n;
	return more;
}

int64_t
value_drop(const struct state *s, char *slot)
{
	struct held *h;
	int64_t less;

	if (!s->variable)
		return 0;
	h = held_of(slot);
	less = (int64_t)held_bytes(h->cap);
	free(h);
	return -less;
}

/* ---- where it lies --------------------------------------------------------------------- */

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
state_find(const struct state *s, uint32_t task, struct key128 key, struct state_near near,
	struct state_spot *spot)
{
	struct task *t = task_of(s, task);
	char *slot = (char *)(uintptr_t)near.slot;
	bool there = t && slot && near.moved == t->parts.moved &&
		key128_eq(slot_key(slot), key);

	if (!there)
		slot = t ? parts_look(&t->parts, key, &there) : NULL;
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

struct state_near
state_near(const struct state *s, uint32_t task, struct key128 key)
{
	struct state_near none = {NULL, 0};
	const char *slot, *p;
	bool there;

	if (!s->variable || !s->last || s->last->id != task)
		return none;
	slot = parts_look(&s->last->parts, key, &there);
	if (!there || slot == s->last->parts.zero_slot)
		return none;
	p = (const char *)held_of(slot);
	__asm__ volatile("" : : "r"(p)); /* see parts_prefetch */
	__builtin_prefetch(p, 1);
	__builtin_prefetch(p + 64, 1);
	__builtin_prefetch(p + 128, 1);
	__builtin_prefetch(p + 192, 1);
	return (struct state_near){slot, s->last->parts.moved};
}

/* Values of no fixed size: each an allocation, with room to grow. */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

/* What it has room for, of so many bytes of the heap. */
static size_t
cap_of(uint64_t bytes)
{
	return bytes - 8 - sizeof(struct held);
}

int64_t
value_grow(char *slot, size_t cap)
{
	struct held *h = held_of(slot);
	uint64_t had = held_bytes(h->cap);

	cap = cap_of(held_bytes(cap));
	h = mem_realloc(h, sizeof(*h) + cap);
	h->cap = (uint32_t)cap & 0x7fffffff;
	memcpy(slot + sizeof(struct key128), &h, sizeof(h));
	return (int64_t)(held_bytes(cap) - had);
}

static void
hold(char *slot, struct held *h, size_t cap)
{
	h->dirty = 0;
	h->cap = (uint32_t)cap & 0x7fffffff;
	memcpy(slot + sizeof(struct key128), &h, sizeof(h));
}

static void
fill(struct held *h, struct slice value)
{
	if (value.n && value.p)
		memmove(h->p, value.p, value.n);
	h->n = (uint32_t)value.n;
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
		more = (int64_t)held_bytes(value.n + room);
		h = mem_alloc((size_t)more - 8);
		hold(slot, h, cap_of((uint64_t)more));
	} else {
		h = held_of(slot);
		if (h->cap < value.n)
			more = value_grow(slot, value.n + value.n / 4);
		h = held_of(slot);
	}
	fill(h, value);
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

/* ---- memory for the next one ------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
#define SPARES 0 /* who uses what is gone is to be seen */
#else
#define SPARES 256
#endif

int64_t
value_new(struct state *s, char *slot, struct slice value, size_t room)
{
	uint64_t bytes = held_bytes(value.n + room);
	struct held **first = &s->spares.first[bytes / 16 < SPARES_OF ? bytes / 16 : 0];
	struct held *h = *first;

	if (h) {
		memcpy(first, h->p, sizeof(h));
		s->spares.n--;
	} else {
		h = mem_alloc(bytes - 8);
	}
	hold(slot, h, cap_of(bytes));
	fill(h, value);
	return (int64_t)bytes;
}

int64_t
value_forget(struct state *s, char *slot)
{
	struct held *h = held_of(slot), **first;
	uint64_t bytes = held_bytes(h->cap);

	if (bytes / 16 < SPARES_OF && s->spares.n + 1 <= SPARES) {
		first = &s->spares.first[bytes / 16];
		memcpy(h->p, first, sizeof(h));
		*first = h;
		s->spares.n++;
	} else {
		free(h);
	}
	return -(int64_t)bytes;
}

void
spares_release(struct spares *s)
{
	struct held *h, *next;
	size_t i;

	for (i = 0; i < SPARES_OF; i++)
		for (h = s->first[i]; h; h = next) {
			memcpy(&next, h->p, sizeof(next));
			free(h);
		}
	*s = (struct spares){{NULL}, 0};
}

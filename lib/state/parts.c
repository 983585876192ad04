/* Parts of a table: where they lie, how they grow and shrink. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "state/parts.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

#define LEAST 8             /* slots of a part */
#define MAPPED (64u << 10)  /* bytes from which a part has pages of its own */

void
parts_init(struct parts *t, size_t entry)
{
	memset(t, 0, sizeof(*t));
	t->entry = entry;
	t->zero_slot = mem_zalloc(entry);
}

/* Memory as the system counts it. */
static uint64_t
part_bytes(const struct parts *t, uint64_t slots)
{
	uint64_t n = slots * t->entry;

	return n < MAPPED ? n : (n + 4095) & ~UINT64_C(4095);
}

/* Pages that are mapped are zero, and go back to the system the moment that they are free:
 * the heap would keep some of what a hundred growing parts leave behind. */
static void
part_new(struct parts *t, struct part *p, uint64_t slots)
{
	uint64_t bytes = part_bytes(t, slots);
	void *m = MAP_FAILED;

	if (bytes >= MAPPED)
		m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	p->mapped = m != MAP_FAILED;
	p->slot = p->mapped ? m : mem_zalloc(bytes);
	p->slots = (uint32_t)slots;
	p->full = (uint32_t)(slots - slots / 10 - (slots < 10));
	p->n = 0;
	t->memory += bytes;
}

static void
part_release(struct parts *t, struct part *p)
{
	uint64_t bytes = part_bytes(t, p->slots);

	if (!p->slots)
		return;
	t->memory -= bytes;
	if (p->mapped)
		munmap(p->slot, bytes);
	else
		free(p->slot);
	p->slot = NULL;
	p->slots = p->full = p->n = 0;
}

void
parts_release(struct parts *t)
{
	unsigned i;

	for (i = 0; i < PARTS; i++)
		part_release(t, &t->part[i]);
	free(t->zero_slot);
	memset(t, 0, sizeof(*t));
}

/* Move all entries of p into a part of so many slots. Both are walked in order. */
static void
part_resize(struct parts *t, struct part *p, uint64_t slots)
{
	size_t entry = t->entry, i, at;
	struct part old = *p;
	char *slot;

	part_new(t, p, slots);
	for (i = 0, slot = old.slot; i < old.slots; i++, slot += entry) {
		if (slot_free(slot))
			continue;
		at = part_home(p, slot_key(slot));
		while (!slot_free(p->slot + at * entry))
			at = at + 1 == p->slots ? 0 : at + 1;
		memcpy(p->slot + at * entry, slot, entry);
		p->n++;
	}
	part_release(t, &old);
}

static uint64_t
next_size(const struct part *p)
{
	uint64_t slots = p->slots ? p->slots + (p->slots + 2) / 3 : LEAST;

	return slots < UINT32_MAX ? slots : UINT32_MAX;
}

uint64_t
parts_growth(const struct parts *t, struct key128 key)
{
	const struct part *p = &t->part[part_of(key)];

	return part_bytes(t, next_size(p)) - part_bytes(t, p->slots);
}

void
parts_grow(struct parts *t, struct key128 key)
{
	struct part *p = &t->part[part_of(key)];

	part_resize(t, p, next_size(p));
}

void
parts_expect(struct parts *t, unsigned i, uint64_t n)
{
	struct part *p = &t->part[i];
	uint64_t slots = n + n / 4 + LEAST;

	if (n > p->full && slots < UINT32_MAX)
		part_resize(t, p, slots);
}

/* The entries behind it that want to be nearer to their home close the gap. */
void
parts_remove(struct parts *t, char *slot)
{
	size_t entry = t->entry, hole, at, home;
	struct part *p;

	t->n--;
	if (slot == t->zero_slot) {
		t->zero = false;
		return;
	}
	p = &t->part[part_of(slot_key(slot))];
	p->n--;
	hole = at = (size_t)(slot - p->slot) / entry;
	for (;;) {
		at = at + 1 == p->slots ? 0 : at + 1;
		slot = p->slot + at * entry;
		if (slot_free(slot))
			break;
		home = part_home(p, slot_key(slot));
		/* Is home not within (hole, at], going round? */
		if (hole < at ? home <= hole || home > at : home <= hole && home > at) {
			memcpy(p->slot + hole * entry, slot, entry);
			hole = at;
		}
	}
	memset(p->slot + hole * entry, 0, entry);
}

char *
parts_next(const struct parts *t, unsigned i, char *slot)
{
	const struct part *p = &t->part[i];
	char *end;

	if (p->slots && slot != t->zero_slot) {
		end = p->slot + p->slots * t->entry;
		for (slot = slot ? slot + t->entry : p->slot; slot < end; slot += t->entry)
			if (!slot_free(slot))
				return slot;
		slot = NULL;
	}
	return i == 0 && t->zero && slot != t->zero_slot ? t->zero_slot : NULL;
}

/* A blanked entry leaves a gap in the order of probing, so a part that lost any is made
 * anew. */
uint64_t
parts_sweep(struct parts *t, unsigned i, bool (*gone)(void *arg, char *slot), void *arg)
{
	struct part *p = &t->part[i];
	uint64_t before = t->n, left = 0, slots, k;
	char *slot = p->slot;

	if (i == 0 && t->zero && gone(arg, t->zero_slot))
		parts_remove(t, t->zero_slot);
	for (k = 0; k < p->slots; k++, slot += t->entry) {
		if (slot_free(slot))
			continue;
		if (gone(arg, slot))
			memset(slot, 0, sizeof(struct key128));
		else
			left++;
	}
	if (left < p->n) {
		t->n -= p->n - left;
		slots = left + left / 3 + LEAST;
		part_resize(t, p, slots < p->slots / 4 * 3 ? slots : p->slots);
	}
	return before - t->n;
}

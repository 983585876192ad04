/* Parts of a table: where they lie, how they grow and shrink. */
#include "state/parts.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"

#define LEAST 8             /* slots of a part */
#define REGION (4u << 20)   /* bytes from which a table is one region */
#define MUCH (64u << 20)    /* bytes from which a table grows by less */
#define AT_ONCE 4           /* parts that move together */

void
parts_init(struct parts *t, size_t entry)
{
	memset(t, 0, sizeof(*t));
	t->entry = entry;
	t->zero_slot = mem_zalloc(entry);
}

static void
part_is(struct part *p, char *slot, uint64_t slots)
{
	p->slot = slot;
	p->slots = (uint32_t)slots;
	p->full = (uint32_t)(slots - slots / 4);
	p->n = 0;
}

/* Put an entry into a part that has room and does not have it. */
static inline void
put(struct part *p, const char *from, size_t entry)
{
	size_t at = part_home(p, slot_key(from));

	while (!slot_free(p->slot + at * entry))
		at = at + 1 == p->slots ? 0 : at + 1;
	memcpy(p->slot + at * entry, from, entry);
	p->n++;
}

/*
 * The same for all of some slots, in order, into a part that has nothing yet. Most entries come
 * in the order of their homes, so that each goes home or behind the last one, and nothing is
 * looked for: run is where the full slots in front of next begin, and only where the home of an
 * entry lies before them there may be a free one sooner. No other step depends on what is in a
 * slot, for what is free is written too, to where the next entry may go.
 */
static inline __attribute__((always_inline)) void
put_in_order(struct part *p, const char *slot, const char *end, size_t entry)
{
	char *const to = p->slot;
	const uint64_t slots = p->slots;
	uint64_t next = 0, run = 0, home, at, full, before;
	uint32_t n = 0;
	struct key128 key;

	for (; slot < end; slot += entry) {
		key = slot_key(slot);
		full = (key.hi | key.lo) != 0;
		home = part_home(p, key);
		at = home > next ? home : next;
		before = full & (home < run);
		if (__builtin_expect(before | (at >= slots), 0)) {
			if (!full)
				continue;
			put(p, slot, entry);
			next += next < slots && !slot_free(to + next * entry);
			continue;
		}
		memcpy(to + at * entry, slot, entry);
		run = at > next ? at : run;
		next = at + full;
		n += (uint32_t)full;
	}
	p->n += n;
}

/* The first slots may have entries from the end of the part, that went round it. */
static void
put_all(struct part *p, const char *slot, uint64_t slots, size_t entry)
{
	const char *first = slot, *end = slot + slots * entry;

	while (slot < end && !slot_free(slot))
		slot += entry;
	if (entry == sizeof(struct key128))
		put_in_order(p, slot, end, sizeof(struct key128));
	else
		put_in_order(p, slot, end, entry);
	for (; first < slot; first += entry)
		put(p, first, entry);
}

/* ---- a region ---------------------------------------------------------------------- */

static uint64_t
bytes_of(const struct parts *t, uint64_t slots)
{
	return pages_round(slots * PARTS * t->entry);
}

/* Part i goes to its new place, which reaches over its old one, if it is one of the first,
 * and over old places of parts that have left them. */
static void
move_part(struct parts *t, unsigned i)
{
	struct part *p = &t->part[i], old = *p;
	uint64_t was = t->slots * t->entry, is = t->wide * t->entry, end = was * PARTS;
	char *to = t->region + i * is, *copy = NULL;

	if (i * is < (i + 1) * was)
		old.slot = copy = mem_dup(old.slot, was);
	if (i * is < end)
		memset(to, 0, (i + 1) * is < end ? is : end - i * is);
	part_is(p, to, t->wide);
	put_all(p, old.slot, old.slots, t->entry);
	free(copy);
}

static void
move_down_to(struct parts *t, unsigned i)
{
	while (t->unmoved > i)
		move_part(t, --t->unmoved);
	if (!t->unmoved)
		t->slots = t->wide;
}

static void
widen(struct parts *t, uint64_t slots)
{
	uint64_t bytes = bytes_of(t, slots);
	unsigned i;

	if (bytes > t->reach) {
		t->region = pages_grow(t->region, t->reach, bytes);
		t->memory += bytes - t->reach;
		t->reach = bytes;
	}
	for (i = 0; i < PARTS; i++)
		t->part[i].slot = t->region + i * t->slots * t->entry;
	t->wide = slots;
	t->unmoved = PARTS;
}

static void
free_all(struct parts *t)
{
	unsigned i;

	if (t->region)
		pages_free(t->region, t->reach);
	for (i = 0; i < PARTS && !t->region; i++)
		free(t->part[i].slot);
	memset(t->part, 0, sizeof(t->part));
	t->region = NULL;
	t->memory = t->reach = t->slots = t->wide = t->unmoved = 0;
}

void
parts_release(struct parts *t)
{
	free_all(t);
	free(t->zero_slot);
	memset(t, 0, sizeof(*t));
}

/* The slots that each part gets for so many keys in all, spread as a hash does. */
static uint64_t
slots_for(uint64_t n)
{
	uint64_t each = n / PARTS;

	return each + each / 3 + each / 32 + LEAST;
}

/* Have all entries in a table that is as large as n keys need. What is moved is given back
 * on the way. */
static void
refit(struct parts *t, uint64_t n)
{
	uint64_t slots = slots_for(n), i;
	struct parts next = {.entry = t->entry};
	struct part *p;

	for (i = 0; i < PARTS; i++)
		while (slots - slots / 4 < t->part[i].n + t->part[i].n / 16)
			slots += slots / 8;
	if (slots * PARTS * t->entry >= REGION) {
		next.memory = next.reach = bytes_of(t, slots);
		next.region = pages_new(next.reach);
		next.slots = next.wide = slots;
	} else {
		next.memory = slots * PARTS * t->entry;
	}
	for (i = 0; i < PARTS; i++) {
		p = &next.part[i];
		part_is(p, next.region ? next.region + i * slots * t->entry
				       : mem_zalloc(slots * t->entry), slots);
		p->swept = t->part[i].swept;
		put_all(p, t->part[i].slot, t->part[i].slots, t->entry);
		if (t->region)
			pages_forget(t->region, 0,
				(size_t)(t->part[i].slot - t->region));
	}
	free_all(t);
	memcpy(t->part, next.part, sizeof(t->part));
	t->region = next.region;
	t->memory = next.memory;
	t->reach = next.reach;
	t->slots = next.slots;
	t->wide = next.wide;
}

/* ---- growing ----------------------------------------------------------------------- */

static uint64_t
next_size(const struct part *p)
{
	uint64_t slots = p->slots + p->slots / 2 + LEAST / 2;

	return slots < UINT32_MAX ? slots : UINT32_MAX;
}

static bool
becomes_region(const struct parts *t, const struct part *p)
{
	return t->memory + (next_size(p) - p->slots) * t->entry >= REGION;
}

uint64_t
parts_growth(const struct parts *t, struct key128 key)
{
	const struct part *p = &t->part[part_of(key)];
	uint64_t bytes, n;

	if (t->unmoved)
		return 0;
	if (t->region)
		return bytes_of(t, t->slots + t->slots / 16) - t->reach;
	if (!becomes_region(t, p))
		return (next_size(p) - p->slots) * t->entry;
	n = parts_count(t);
	bytes = bytes_of(t, slots_for(n + n / 16));
	return bytes > t->memory ? bytes - t->memory : 0;
}

/* Up to a half more, or a quarter where that is much: in whole large pages, if that is not much
 * less. */
static void
begin(struct parts *t, uint64_t most)
{
	uint64_t least = t->slots + t->slots / 16, slots = t->slots, large;

	slots += t->reach < MUCH ? slots / 2 : slots / 4;
	while (slots > least && bytes_of(t, slots) - t->reach > most)
		slots -= slots / 64;
	large = bytes_of(t, slots) / PAGES_LARGE * PAGES_LARGE / PARTS / t->entry;
	if (large >= least)
		slots = large;
	widen(t, slots > least ? slots : least);
}

static void
grow_part(struct parts *t, struct part *p)
{
	struct part old = *p;
	uint64_t slots = next_size(p);

	part_is(p, mem_zalloc(slots * t->entry), slots);
	if (t->roomy)
		p->full = (uint32_t)(slots / 2);
	put_all(p, old.slot, old.slots, t->entry);
	t->memory += (slots - old.slots) * t->entry;
	free(old.slot);
}

/* As much as a part may hold while others are still to catch up, or it is to move. */
static uint32_t
utmost(const struct part *p)
{
	return p->slots - p->slots / 6;
}

/* Parts reach their bound one soon after the other, so each moves some of the last ones, and
 * goes on with a little more until its turn comes. */
void
parts_grow(struct parts *t, struct key128 key, uint64_t most)
{
	unsigned i = part_of(key);
	struct part *p = &t->part[i];
	uint64_t n;

	t->moved++;
	if (!t->region && !becomes_region(t, p)) {
		grow_part(t, p);
		return;
	}
	n = parts_count(t);
	if (!t->region)
		refit(t, n + n / 16);
	if (p->n < p->full)
		return;
	if (!t->unmoved && p->n < utmost(p) && n < t->slots * PARTS / 4 * 3) {
		p->full = utmost(p);
		return;
	}
	if (!t->unmoved)
		begin(t, most);
	move_down_to(t, t->unmoved > AT_ONCE ? t->unmoved - AT_ONCE : 0);
	if (i < t->unmoved && p->full < utmost(p))
		p->full = utmost(p);
	if (p->n >= p->full)
		move_down_to(t, i);
	if (p->n >= p->full)
		parts_grow(t, key, UINT64_MAX);
}

void
parts_expect(struct parts *t, uint64_t n)
{
	uint64_t slots, now = parts_count(t);

	t->moved++;
	n = n > now ? n : now;
	slots = slots_for(n);
	if (slots * PARTS * t->entry < REGION)
		return;
	move_down_to(t, 0);
	if (!t->region) {
		refit(t, n);
	} else if (slots > t->slots) {
		widen(t, slots);
		move_down_to(t, 0);
	}
}

/* ---- single slots ------------------------------------------------------------------ */

/* Most entries are a key and a pointer. */
static inline void
move_entry(char *to, const char *from, size_t entry)
{
	if (entry == sizeof(struct key128) + sizeof(void *))
		memcpy(to, from, sizeof(struct key128) + sizeof(void *));
	else
		memcpy(to, from, entry);
}

/* The entries behind it that want to be nearer to their home close the gap. Only that of a free
 * slot's key counts. */
void
parts_remove(struct parts *t, char *slot)
{
	size_t entry = t->entry;
	char *hole = slot, *end, *home;
	struct part *p;

	if (slot == t->zero_slot) {
		t->zero = false;
		return;
	}
	p = &t->part[part_of(slot_key(slot))];
	p->n--;
	end = p->slot + p->slots * entry;
	for (;;) {
		slot += entry;
		if (slot == end)
			slot = p->slot;
		if (slot_free(slot))
			break;
		home = p->slot + part_home(p, slot_key(slot)) * entry;
		/* Is home not within (hole, slot], going round? */
		if (hole < slot ? home <= hole || home > slot : home <= hole && home > slot) {
			move_entry(hole, slot, entry);
			hole = slot;
		}
	}
	memset(hole, 0, sizeof(struct key128));
}

uint64_t
parts_count(const struct parts *t)
{
	uint64_t n = t->zero;
	unsigned i;

	for (i = 0; i < PARTS; i++)
		n += t->part[i].n;
	return n;
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

/* A blanked entry leaves a gap in the order of probing, so a part that lost any is put
 * together again. */
uint64_t
parts_sweep(struct parts *t, unsigned i, bool (*gone)(void *arg, char *slot), void *arg)
{
	struct part *p = &t->part[i];
	uint64_t went = 0, left = 0, k, n;
	uint32_t full = p->full;
	char *slot = p->slot, *kept;

	if (i == 0 && t->zero && gone(arg, t->zero_slot)) {
		parts_remove(t, t->zero_slot);
		went++;
	}
	for (k = 0; k < p->slots; k++, slot += t->entry) {
		if (slot_free(slot))
			continue;
		if (gone(arg, slot))
			memset(slot, 0, sizeof(struct key128));
		else
			left++;
	}
	if (left == p->n)
		return went;
	t->moved++;
	went += p->n - left;
	kept = mem_alloc(left * t->entry);
	for (k = 0, slot = kept; k < p->slots; k++) {
		if (slot_free(p->slot + k * t->entry))
			continue;
		memcpy(slot, p->slot + k * t->entry, t->entry);
		slot += t->entry;
	}
	if (!t->region && left < p->slots / 3) {
		t->memory -= p->slots * t->entry;
		free(p->slot);
		k = left + left / 2 + LEAST;
		part_is(p, mem_zalloc(k * t->entry), k);
		t->memory += k * t->entry;
	} else {
		memset(p->slot, 0, p->slots * t->entry);
		part_is(p, p->slot, p->slots);
		p->full = full;
	}
	put_all(p, kept, left, t->entry);
	free(kept);
	n = parts_count(t);
	if (t->region && n < t->slots * PARTS / 4)
		refit(t, n + n / 4);
	return went;
}

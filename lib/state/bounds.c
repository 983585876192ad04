/*
 * What a state may take, and what gives way to more: first what expired, and then, where the
 * user says so, the keys that were made first. Each slot has the number of its making then,
 * eight bytes, and the log keeps it, so that a run that is resumed gives up the same keys.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/internal.h"

struct elder {
	uint64_t stamp;
	struct key128 key;
	struct task *task;
};

static void
least_of_file(const char *path, uint64_t *bytes)
{
	FILE *f = fopen(path, "re");
	unsigned long long n;

	if (!f)
		return;
	if (fscanf(f, "%llu", &n) == 1 && n < *bytes)
		*bytes = n;
	fclose(f);
}

uint64_t
state_default_memory(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char line[512] = "", path[600], *end;
	FILE *f = fopen("/proc/self/cgroup", "re");

	/* 0::/a/b: the limits of b, of a, and of the root of the mount. */
	while (f && fgets(line, sizeof(line), f) && strncmp(line, "0::", 3) != 0)
		line[0] = '\0';
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = '\0';
	for (end = line + strlen(line); line[0] && end > line + 2; end = strrchr(line, '/')) {
		*end = '\0';
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
		least_of_file(path, &bytes);
		if (!line[3])
			break;
	}
	least_of_file("/sys/fs/cgroup/memory.max", &bytes);
	return bytes / 4;
}

/* ---- the oldest -------------------------------------------------------------------- */

void
state_elders_release(struct state *s)
{
	free(s->elder);
	s->elder = NULL;
	s->nelders = s->cap_elders = 0;
}

/* What the operator has of its own in all tasks: so many keys, and bytes of their values. */
static uint64_t
own_keys(const struct state *s, uint64_t *bytes)
{
	uint64_t n = 0;
	const char *slot;
	bool there;
	size_t i;

	*bytes = 0;
	for (i = 0; s->has_own && i < s->ntasks; i++) {
		slot = parts_look(&s->task[i]->parts, s->own, &there);
		if (!there)
			continue;
		n++;
		*bytes += s->variable ? held_bytes(state_value(s, slot).n) : 0;
	}
	return n;
}

static inline bool
is_own(const struct state *s, struct key128 key)
{
	return s->has_own && key128_eq(s->own, key);
}

/* Keys that the bounds count. */
static uint64_t
counted(const struct state *s)
{
	uint64_t bytes;

	return s->keys - own_keys(s, &bytes);
}

/* The youngest first: they are taken from the end. Of tasks with one number, the lower. */
static int
younger(const void *a, const void *b)
{
	const struct elder *x = a, *y = b;

	if (x->stamp != y->stamp)
		return x->stamp < y->stamp ? 1 : -1;
	return (x->task->id < y->task->id) - (x->task->id > y->task->id);
}

/* All keys up to a number below which there are not too many: a sixteenth of them, so that
 * each key that goes costs a look at sixteen. */
static void
find_elders(struct state *s)
{
	uint64_t oldest = UINT64_MAX, want = s->keys / 16 + 64, limit, step, n;
	struct task *t;
	unsigned part;
	size_t i, k;
	char *slot;

	/* How the numbers lie: counted in steps of a width, from the oldest on. */
	uint64_t newest = 0, count[256] = {0};

	for (i = 0; i < s->ntasks; i++) {
		t = s->task[i];
		for (part = 0; part < PARTS; part++)
			for (slot = parts_next(&t->parts, part, NULL); slot;
				slot = parts_next(&t->parts, part, slot)) {
				if (is_own(s, slot_key(slot)))
					continue;
				n = *slot_stamp(s, slot);
				oldest = n < oldest ? n : oldest;
				newest = n > newest ? n : newest;
			}
	}
	step = (newest - oldest) / 256 + 1;
	for (i = 0; i < s->ntasks; i++) {
		t = s->task[i];
		for (part = 0; part < PARTS; part++)
			for (slot = parts_next(&t->parts, part, NULL); slot;
				slot = parts_next(&t->parts, part, slot))
				if (!is_own(s, slot_key(slot)))
					count[(*slot_stamp(s, slot) - oldest) / step]++;
	}
	for (k = 0, n = 0; k < 256 && (n == 0 || n + count[k] <= want); k++)
		n += count[k];
	limit = oldest + k * step;
	s->elder = mem_grow(s->elder, &s->cap_elders, n, sizeof(*s->elder));
	s->nelders = 0;
	for (i = 0; i < s->ntasks; i++) {
		t = s->task[i];
		for (part = 0; part < PARTS; part++)
			for (slot = parts_next(&t->parts, part, NULL); slot;
				slot = parts_next(&t->parts, part, slot))
				if (*slot_stamp(s, slot) < limit && s->nelders < n &&
					!is_own(s, slot_key(slot)))
					s->elder[s->nelders++] = (struct elder){
						*slot_stamp(s, slot), slot_key(slot), t};
	}
	qsort(s->elder, s->nelders, sizeof(*s->elder), younger);
}

/* Give up the oldest key but this one: 1; 0: there is none. */
static int
evict(struct state *s, const struct task *t, struct key128 spare, struct failure *why)
{
	struct elder e;
	struct slice value;
	bool there, gone;
	char *slot;

	if (counted(s) == 0)
		return 0;
	for (;;) {
		if (!s->nelders)
			find_elders(s);
		if (!s->nelders)
			return 0;
		e = s->elder[--s->nelders];
		slot = parts_look(&e.task->parts, e.key, &there);
		if (!there || *slot_stamp(s, slot) != e.stamp)
			continue;
		if (e.task != t || !key128_eq(e.key, spare))
			break;
		if (counted(s) == 1)
			return 0;
	}
	gone = state_gone(s, e.task, slot);
	value = state_value(s, slot);
	if (!gone && s->evicted && s->evicted(s->evicted_arg, e.task->id, e.key, value) < 0)
		return fail(why, EXIT_INTERNAL, "a key could not be given up");
	state_drop(s, e.task, slot);
	if (log_remove(s, e.task, e.key, why) < 0)
		return -1;
	return 1;
}

/* ---- room -------------------------------------------------------------------------- */

static uint64_t
taken(const struct state *s)
{
	uint64_t own, bytes;

	if (s->evict) {
		own = own_keys(s, &bytes);
		return asked_bytes(s, s->keys - own) + s->values - bytes + s->buffers;
	}
	return s->tables + s->values + s->buffers;
}

static void
sweep_all(struct state *s)
{
	unsigned part;
	size_t i;

	for (i = 0; i < s->ntasks; i++)
		for (part = 0; part < PARTS; part++)
			state_sweep(s, s->task[i], part);
	s->rest = s->keys / 8;
}

static bool
beyond(const struct state *s, uint64_t bytes, unsigned keys)
{
	return counted(s) + keys > s->max_keys || taken(s) + bytes > s->max_memory;
}

static int
full(const struct state *s, unsigned keys, struct failure *why)
{
	if (counted(s) + keys > s->max_keys) {
		fail(why, EXIT_OS, "state is full: %llu keys",
			(unsigned long long)s->max_keys);
		fail_hint(why, "--max-keys takes more; --on-full evict gives up the oldest");
	} else {
		fail(why, EXIT_OS, "state is full: %llu keys take %llu MiB",
			(unsigned long long)counted(s),
			(unsigned long long)(taken(s) >> 20));
		fail_hint(why, "--max-memory takes more; --on-full evict gives up the oldest");
	}
	return -1;
}

int
state_room(struct state *s, struct task *t, struct key128 key, uint64_t bytes,
	unsigned keys, struct failure *why)
{
	unsigned count = is_own(s, key) ? 0 : keys;
	uint64_t before, more;
	bool there;
	int got;

	if (s->evict && count < keys)
		bytes = 0;
	if (bytes > s->max_memory)
		return full(s, 0, why);
	if (keys && !parts_look(&t->parts, key, &there))
		state_sweep(s, t, part_of(key));
	for (;;) {
		more = bytes;
		if (keys && !parts_look(&t->parts, key, &there))
			more += s->evict ? 0 : parts_growth(&t->parts, key);
		if (s->evict)
			more += count * s->entry * 7 / 4;
		if (!beyond(s, more, count))
			break;
		if (s->opt.expires && s->rest == 0) {
			before = s->keys;
			sweep_all(s);
			if (s->keys < before)
				continue;
		}
		if (!s->evict)
			return full(s, count, why);
		if (s->rest)
			s->rest--;
		got = evict(s, t, key, why);
		if (got < 0)
			return -1;
		if (got == 0)
			return full(s, count, why);
	}
	if (keys && !parts_look(&t->parts, key, &there)) {
		before = t->parts.memory;
		parts_grow(&t->parts, key, s->evict ? UINT64_MAX
			: s->max_memory - taken(s) - bytes);
		s->tables += t->parts.memory - before;
	}
	if (!s->evict)
		s->rest = 0;
	return 0;
}

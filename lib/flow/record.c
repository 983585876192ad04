/* Blocks, and what expressions can ask of a record's origin. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "flow/flow.h"

#define BLOCK_ALIGN ((size_t)64)

const char *const flow_vars[] = {
	"topic", "key", "partition", "offset", "ts", "time", "headers", "name", NULL,
};

/* Where a vector begins: what is loaded as one then lies in one line of the cache. */
static char *
aligned(char *p)
{
	return p + (-(uintptr_t)p & (BLOCK_ALIGN - 1));
}

void
block_reserve(struct block *b, size_t n)
{
	size_t need = n + JSON_PADDING + BLOCK_ALIGN, kept = b->cap, at;

	if (need <= b->cap)
		return;
	at = kept ? (size_t)(b->p - b->own) : 0;
	b->own = mem_grow(b->own, &b->cap, need, 1);
	b->p = aligned(b->own);
	if (kept && b->p != b->own + at)
		memmove(b->p, b->own + at, kept - BLOCK_ALIGN);
}

void
block_release(struct block *b)
{
	free(b->own);
	buf_release(&b->notes);
	*b = (struct block){0};
}

struct input *
record_input(const struct record *r)
{
	return r->block->origin ? r->block->origin[r->index].input : r->block->input;
}

static struct value
string_or_null(struct slice s)
{
	return s.p ? value_string(s) : value_null();
}

/* Integers below 2^53 are exact in a double; anything larger keeps its digits. */
static struct value
whole(int64_t n, struct arena *a)
{
	struct buf b = {0};
	struct value v;

	if (n > -(1LL << 53) && n < 1LL << 53)
		return value_double((double)n);
	buf_addf(&b, "%lld", (long long)n);
	v = (struct value){.kind = VALUE_LITERAL, .u.text = arena_copy(a, buf_slice(&b))};
	buf_release(&b);
	return v;
}

static struct value
headers(const struct meta *m, struct arena *a)
{
	struct value *list, *pair;
	size_t i;

	list = arena_alloc(a, (m->nheaders + 1) * sizeof(*list));
	for (i = 0; i < m->nheaders; i++) {
		pair = arena_alloc(a, 2 * sizeof(*pair));
		pair[0] = value_string(m->header[i].name);
		pair[1] = string_or_null(m->header[i].value);
		list[i] = (struct value){.kind = VALUE_ARRAY, .u.array = {pair, 2}};
	}
	return (struct value){.kind = VALUE_ARRAY, .u.array = {list, m->nheaders}};
}

static struct value
event_time(int64_t us, struct arena *a)
{
	struct buf b = {0};
	struct value v;

	if (us == TIME_NONE)
		return value_null();
	time_add_rfc3339(&b, us);
	v = value_string(arena_copy(a, buf_slice(&b)));
	buf_release(&b);
	return v;
}

struct value
record_var(void *arg, unsigned index)
{
	static const struct meta none = {.ts_ms = TIME_NONE, .time_us = TIME_NONE};
	struct record_vars *v = arg;
	const struct record *r = v->record;
	const struct meta *m = r->meta ? r->meta : &none;
	const struct input *in = record_input(r);

	if (index >= FLOW_NVARS)
		return v->more(v->arg, index);
	switch (index) {
	case 0:
		if (m->topic.p)
			return value_string(m->topic);
		return strcmp(in->name, "-") == 0 ? value_null() :
			value_string(slice_str(in->name));
	case 1:
		return string_or_null(m->key);
	case 2:
		return value_double((double)(r->meta ? m->partition : in->partition));
	case 3:
		return whole(r->meta ? m->offset : (int64_t)r->offset, v->arena);
	case 4:
		return m->ts_ms == TIME_NONE ? value_null() : whole(m->ts_ms, v->arena);
	case 5:
		return event_time(r->time_us != TIME_NONE ? r->time_us : m->time_us, v->arena);
	case 6:
		return headers(m, v->arena);
	default:
		return value_string(slice_str(v->stage));
	}
}

void
record_add_identity(const struct record *r, struct buf *b)
{
	const struct input *in = record_input(r);
	struct buf canonical = {0};
	char hex[33];

	if (r->meta && r->meta->topic.p) {
		buf_add_slice(b, r->meta->topic);
		buf_addf(b, "-%d-%lld", r->meta->partition, (long long)r->meta->offset);
	} else if (strcmp(in->name, "-") != 0) {
		buf_addf(b, "%s@%llu", in->name, (unsigned long long)r->offset);
	} else {
		struct value v = record_value(r);

		value_add_canonical(&canonical, &v);
		hash_hex128(canonical.p, canonical.n, hex);
		buf_adds(b, hex);
		buf_release(&canonical);
	}
}

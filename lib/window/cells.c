/* Cells in the state. */
#include "window/cells.h"

#include <stdlib.h>

#include "base/mem.h"

#define RECENT 512 /* cells that are found without a look at the state */

struct doomed {
	uint32_t task;
	struct key128 key;
};

struct cells {
	struct state *state;
	struct cell_keys keys;
	const uint64_t *version;
	uint64_t rooms;          /* that were made: who has a cell open doesn't know of them */
	const struct fold *fold;
	size_t nfolds, fixed;
	uint64_t evicted;
	void (*lost)(void *, struct key128, struct slice,
		void (*)(struct cells *, struct key128));
	void *lost_arg;
	uint32_t lost_task;
	struct doomed *doomed;   /* to be taken out, since what belongs to it went */
	size_t ndoomed, cap_doomed;
	struct fold_scratch nowhere; /* for what is added to a cell that is given up meanwhile */
	struct cell_head no_head;
	struct buf room;
	struct cell *recent[RECENT];
};

/* ---- given up ---------------------------------------------------------------------- */

static struct key128
room_key(struct key128 cell, unsigned i)
{
	return (struct key128){cell.hi, cell.lo + (i + 1) * UINT64_C(0x9E3779B97F4A7C15)};
}

static void
doom(struct cells *c, uint32_t task, struct key128 key)
{
	c->doomed = mem_grow(c->doomed, &c->cap_doomed, c->ndoomed + 1, sizeof(*c->doomed));
	c->doomed[c->ndoomed++] = (struct doomed){task, key};
}

static void
doom_cell(struct cells *c, struct key128 key)
{
	doom(c, c->lost_task, key);
}

void
cells_on_lost(struct cells *c, void (*lost)(void *, struct key128, struct slice,
	void (*)(struct cells *, struct key128)), void *arg)
{
	c->lost = lost;
	c->lost_arg = arg;
}

static int
given_up(void *arg, uint32_t task, struct key128 key, struct slice value)
{
	const struct cell_head *h = (const void *)value.p;
	struct cells *c = arg;
	unsigned i;

	if (h->kind == KIND_ROOM) {
		doom(c, task, ((const struct room_head *)(const void *)h)->cell);
		return 0;
	}
	if (h->kind == KIND_INDEX && c->lost) {
		c->lost_task = task;
		c->lost(c->lost_arg, key, value, doom_cell);
		return 0;
	}
	c->evicted += h->kind == KIND_CELL || h->kind == KIND_EVENTS;
	for (i = 0; i < c->nfolds && h->kind == KIND_CELL; i++)
		if (h->rooms >> i & 1)
			doom(c, task, room_key(key, i));
	return 0;
}

uint64_t
cells_evicted(const struct cells *c)
{
	return c->evicted;
}

int
cells_tidy(struct cells *c, struct failure *why)
{
	struct doomed d;
	struct slice v;

	while (c->ndoomed) {
		d = c->doomed[--c->ndoomed];
		if (!state_get(c->state, d.task, d.key, &v))
			continue;
		if (*v.p == KIND_CELL) {
			c->evicted++;
			if (cells_remove(c, d.task, d.key, why) < 0)
				return -1;
		} else if (state_remove(c->state, d.task, d.key, why) < 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- making ------------------------------------------------------------------------ */

struct cells *
cells_new(const struct state_options *options, const struct op_context *ctx,
	const struct fold *fold, size_t nfolds, size_t fixed)
{
	struct cells *c = mem_zalloc(sizeof(*c));
	struct state_options own = *options;

	own.value_bytes = STATE_VARIABLE;
	c->state = state_new(&own, ctx);
	state_on_evict(c->state, given_up, c);
	c->keys.state = c->state;
	c->version = state_version(c->state);
	c->fold = fold;
	c->nfolds = nfolds;
	c->fixed = fixed;
	fold_scratch_init(&c->nowhere, fixed, nfolds);
	return c;
}

void
cells_free(struct cells *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < RECENT; i++)
		cell_free(c->recent[i]);
	state_free(c->state);
	fold_scratch_release(&c->nowhere);
	buf_release(&c->room);
	free(c->doomed);
	free(c);
}

struct state *
cells_state(const struct cells *c)
{
	return c->state;
}

struct cell *
cell_new(struct cells *cells)
{
	struct cell *c = mem_zalloc(sizeof(*c));

	c->cells = cells;
	c->own = mem_array(cells->nfolds + 1, sizeof(*c->own));
	return c;
}

void
cell_free(struct cell *c)
{
	if (!c)
		return;
	free(c->own);
	free(c);
}

const struct cell_keys *
cells_keys(const struct cells *c)
{
	return &c->keys;
}

void
cells_assigned(struct cells *c)
{
	atomic_fetch_add(&c->keys.assigned, 1);
}

struct key128
cells_owner(const struct cells *c, struct slice identity)
{
	return state_key(c->state, identity);
}

static inline uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
	x = (x ^ x >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
	return x ^ x >> 33;
}

/* The owner is a hash under a secret, so what is made of it has but to differ from instant to
 * instant: mixed() is one to one. */
struct key128
cells_key(struct key128 owner, int64_t us)
{
	uint64_t hi = owner.hi ^ mixed((uint64_t)us + 1);

	return (struct key128){hi, (owner.lo << 29 | owner.lo >> 35) +
		hi * UINT64_C(0x9E3779B97F4A7C15)};
}

/* What a cell that is open goes by; it never goes back. */
static inline uint64_t
version_of(const struct cells *c)
{
	return *c->version + c->rooms;
}

/* ---- opening ----------------------------------------------------------------------- */

static int grow(struct fold_cell *, unsigned i, size_t n, struct failure *why);

static void
point(struct cell *c, char *value)
{
	c->head = (struct cell_head *)(void *)value;
	c->fold.fixed = value + sizeof(*c->head);
	c->fold.room = c->own;
	c->fold.grow = grow;
}

static void
point_room(struct cell *c, unsigned i, char *value, size_t n)
{
	c->own[i].p = value + sizeof(struct room_head);
	c->own[i].n = n - sizeof(struct room_head);
}

/* Its rooms. 1; 0: one was given up; -1. */
static int
open_rooms(struct cell *c, struct failure *why)
{
	struct cells *cells = c->cells;
	size_t n;
	unsigned i;
	char *p;

	for (i = 0; i < cells->nfolds; i++) {
		c->own[i].n = 0;
		if (!(c->head->rooms >> i & 1))
			continue;
		p = state_edit(cells->state, c->task, room_key(c->key, i), &n, why);
		if (!p)
			return why->status ? -1 : 0;
		point_room(c, i, p, n);
	}
	return 1;
}

int
cells_open(struct cell *c, uint32_t task, struct key128 key, struct failure *why)
{
	struct cells *cells = c->cells;
	uint64_t version;
	size_t n;
	char *p;
	int rc;

	c->task = task;
	c->key = key;
	do {
		version = version_of(cells);
		p = state_edit(cells->state, task, key, &n, why);
		if (!p)
			return why->status ? -1 : 0;
		point(c, p);
		rc = open_rooms(c, why);
		if (rc == 0) {
			cells->evicted++;
			return cells_remove(cells, task, key, why);
		}
		c->version = version;
	} while (rc > 0 && version != version_of(cells));
	return rc;
}

/* The cell was given up while something was added to it: what follows goes nowhere. */
static void
lose(struct cell *c)
{
	struct fold_scratch *nowhere = &c->cells->nowhere;

	fold_scratch_clear(nowhere);
	c->fold = nowhere->cell;
	c->fold.arg = nowhere;
	c->cells->no_head = (struct cell_head){0};
	c->head = &c->cells->no_head;
	c->version = version_of(c->cells);
}

int
cells_make(struct cell *c, uint32_t task, struct key128 key, const struct cell_head *head,
	struct slice key_text, struct failure *why)
{
	struct cells *cells = c->cells;
	struct cell_head h = *head;
	int rc;

	h.kind = KIND_CELL;
	h.key_n = (uint32_t)key_text.n;
	buf_reset(&cells->room);
	buf_add(&cells->room, &h, sizeof(h));
	buf_reserve(&cells->room, cells->fixed);
	memset(cells->room.p + cells->room.n, 0, cells->fixed);
	cells->room.n += cells->fixed;
	buf_add_slice(&cells->room, key_text);
	if (state_put(cells->state, task, key, buf_slice(&cells->room), why) < 0)
		return -1;
	rc = cells_open(c, task, key, why);
	if (rc == 0)
		lose(c);
	return rc < 0 ? -1 : 0;
}

bool
cells_look(struct cell *c, uint32_t task, struct key128 key)
{
	struct cells *cells = c->cells;
	struct slice v;
	unsigned i;

	if (!state_get(cells->state, task, key, &v))
		return false;
	c->task = task;
	c->key = key;
	point(c, (char *)(uintptr_t)v.p);
	for (i = 0; i < cells->nfolds; i++) {
		c->own[i].n = 0;
		if (!(c->head->rooms >> i & 1))
			continue;
		if (!state_get(cells->state, task, room_key(key, i), &v))
			return false;
		point_room(c, i, (char *)(uintptr_t)v.p, v.n);
	}
	return true;
}

int
cells_ready(struct cell *c, struct failure *why)
{
	int rc;

	if (__builtin_expect(c->version == version_of(c->cells), 1))
		return 0;
	if (cell_is_lost(c))
		return 0;
	rc = cells_open(c, c->task, c->key, why);
	if (rc == 0)
		lose(c);
	return rc < 0 ? -1 : 0;
}

static int
grow(struct fold_cell *fold, unsigned i, size_t n, struct failure *why)
{
	struct cell *c = (struct cell *)fold;
	struct cells *cells = c->cells;
	struct room_head head = {.kind = KIND_ROOM, .cell = c->key};
	struct buf *b = &cells->room;

	buf_reset(b);
	buf_reserve(b, sizeof(head) + n);
	buf_add(b, &head, sizeof(head));
	buf_add(b, c->own[i].n ? c->own[i].p : "", c->own[i].n);
	memset(b->p + b->n, 0, n - c->own[i].n);
	b->n = sizeof(head) + n;
	if (!(c->head->rooms >> i & 1)) {
		c->head->rooms |= (uint64_t)1 << i;
		cells->rooms++;
	}
	if (state_put(cells->state, c->task, room_key(c->key, i), buf_slice(b), why) < 0)
		return -1;
	if (b->cap > 1 << 20)
		buf_release(b);
	c->version = version_of(cells) - 1;
	if (cells_ready(c, why) < 0)
		return -1;
	/* Of a cell that is lost meanwhile, the room that was asked for. */
	if (cell_is_lost(c) && c->fold.room[i].n < n)
		return c->fold.grow(&c->fold, i, n, why);
	return 0;
}

void
cells_key_seen(struct cell *c, struct slice text)
{
	char *at = (char *)(c->head + 1) + c->cells->fixed;
	struct slice was = slice_of(at, c->head->key_n);

	if (cell_is_lost(c) || text.n > was.n ||
		(text.n == was.n && slice_cmp(text, was) >= 0))
		return;
	memcpy(at, text.p, text.n);
	c->head->key_n = (uint32_t)text.n;
}

int
cells_remove(struct cells *c, uint32_t task, struct key128 key, struct failure *why)
{
	const struct cell_head *h;
	uint64_t rooms;
	struct slice v;
	unsigned i;

	if (!state_get(c->state, task, key, &v))
		return 0;
	h = (const void *)v.p;
	rooms = h->rooms;
	for (i = 0; i < c->nfolds; i++)
		if (rooms >> i & 1 &&
			state_remove(c->state, task, room_key(key, i), why) < 0)
			return -1;
	return state_remove(c->state, task, key, why);
}

/* ---- those used last --------------------------------------------------------------- */

struct cell *
cells_recent(struct cells *cells, uint32_t task, struct key128 owner, int64_t us)
{
	struct cell *c = cells->recent[owner.lo % RECENT];
	const struct cell_head *h;

	if (!c || c->version != version_of(cells) || c->task != task)
		return NULL;
	h = c->head;
	return key128_eq(h->owner, owner) && us >= h->span.start_us && us < h->span.end_us ?
		c : NULL;
}

struct cell *
cells_remember(struct cells *cells, uint32_t task, struct key128 owner)
{
	struct cell **c = &cells->recent[owner.lo % RECENT];

	if (!*c)
		*c = cell_new(cells);
	(*c)->task = task;
	return *c;
}

/*
 * The key of a piece is a hash of its group's key and its place, under the state's secret, so
 * nothing has to be looked up to find it. The hashed bytes begin with a zero, which no key of
 * a group does: that is JSON text.
 */
#include "group/pieces.h"

#include <stdlib.h>

#include "base/mem.h"
#include "group/group.h"

enum { OF_PIECE = 1, OF_VALUE = 2 };

struct piece_name {
	uint8_t zero, of;
	uint8_t pad[2];
	uint32_t stream;
	struct key128 key;
	uint64_t made;
	uint64_t index; /* of a value: absent, its canonical form comes here */
};

static struct piece_name
name_of(const struct pieces *p, int of, uint32_t stream)
{
	return (struct piece_name){.of = (uint8_t)of, .stream = stream, .key = p->key,
		.made = p->made};
}

static struct key128
piece_key(const struct pieces *p, uint32_t stream, uint32_t index)
{
	struct piece_name name = name_of(p, OF_PIECE, stream);

	name.index = index;
	return state_key(p->state, slice_of((const char *)&name, sizeof(name)));
}

static struct key128
value_key(const struct pieces *p, uint32_t stream, struct slice canonical)
{
	struct piece_name name = name_of(p, OF_VALUE, stream);
	struct buf b = {0};
	struct key128 key;

	buf_add(&b, &name, offsetof(struct piece_name, index));
	buf_add_slice(&b, canonical);
	key = state_key(p->state, buf_slice(&b));
	buf_release(&b);
	return key;
}

/* ---- what is fresh ----------------------------------------------------------------- */

void
pieces_forget(struct pieces *p)
{
	if (!p->nfresh && !p->seen.n)
		return;
	p->nfresh = 0;
	buf_reset(&p->text);
	table_release(&p->seen);
}

void
pieces_place(struct pieces *p, struct state *state, uint32_t task, struct key128 key,
	uint64_t made)
{
	p->state = state;
	p->task = task;
	p->key = key;
	p->made = made;
	pieces_forget(p);
}

void
pieces_release(struct pieces *p)
{
	free(p->fresh);
	buf_release(&p->text);
	table_release(&p->seen);
	*p = (struct pieces){0};
}

void
pieces_add(struct pieces *p, uint32_t stream, uint32_t index, struct slice text)
{
	p->fresh = mem_grow(p->fresh, &p->cap, p->nfresh + 1, sizeof(*p->fresh));
	p->fresh[p->nfresh++] = (struct fresh_piece){stream, index, p->text.n, text.n};
	buf_add_slice(&p->text, text);
}

bool
pieces_saw(struct pieces *p, uint32_t stream, struct slice canonical)
{
	struct key128 key = value_key(p, stream, canonical);
	struct slice kept;
	bool made;

	if (state_get(p->state, p->task, key, &kept))
		return true;
	table_put(&p->seen, slice_of((const char *)&key, sizeof(key)), &made);
	return !made;
}

static int
put(struct pieces *p, struct key128 key, enum entry_is is, struct slice text, struct buf *room,
	struct failure *why)
{
	struct entry_head head = {.expires_us = INT64_MAX, .is = (uint8_t)is};

	buf_reset(room);
	buf_add(room, &head, sizeof(head));
	buf_add_slice(room, text);
	return state_put(p->state, p->task, key, buf_slice(room), why);
}

int
pieces_keep(struct pieces *p, struct failure *why)
{
	struct table_entry *e;
	struct buf room = {0};
	struct key128 key;
	size_t i;
	int rc = 0;

	if (!p->nfresh && !p->seen.n)
		return 0;
	for (i = 0; i < p->nfresh && rc == 0; i++)
		rc = put(p, piece_key(p, p->fresh[i].stream, p->fresh[i].index), ENTRY_PIECE,
			slice_of(p->text.p + p->fresh[i].at, p->fresh[i].n), &room, why);
	for (e = table_next(&p->seen, NULL); e && rc == 0; e = table_next(&p->seen, e)) {
		memcpy(&key, e->key.p, sizeof(key));
		rc = put(p, key, ENTRY_SEEN, (struct slice){0}, &room, why);
	}
	buf_release(&room);
	pieces_forget(p);
	return rc;
}

/* ---- reading ----------------------------------------------------------------------- */

bool
pieces_step(const struct pieces *p, struct piece_iter *it)
{
	const struct fresh_piece *f;
	struct slice kept;

	if (it->index == it->n)
		return false;
	while (it->fresh < p->nfresh && p->fresh[it->fresh].stream != it->stream)
		it->fresh++;
	f = p->fresh + it->fresh;
	if (it->fresh < p->nfresh && f->index == it->index) {
		it->text = slice_of(p->text.p + f->at, f->n);
		it->fresh++;
	} else if (state_get(p->state, p->task, piece_key(p, it->stream, it->index), &kept)) {
		it->text = slice_of(kept.p + sizeof(struct entry_head),
			kept.n - sizeof(struct entry_head));
	} else {
		return false;
	}
	it->index++;
	return true;
}

int
pieces_missing(const struct piece_iter *it, struct failure *why)
{
	return fail(why, EXIT_INTERNAL, "piece %u of %u of a group is missing in the state",
		it->index, it->n);
}

int
pieces_add_text(const struct pieces *p, uint32_t stream, uint32_t n, struct buf *b,
	struct failure *why)
{
	struct piece_iter it = {.stream = stream, .n = n};

	while (pieces_step(p, &it))
		buf_add_slice(b, it.text);
	return it.index == n ? 0 : pieces_missing(&it, why);
}

/* ---- removing ---------------------------------------------------------------------- */

/* The values that a field has seen stand in its text. */
static int
remove_seen(const struct pieces *p, const struct stored_field *f, struct failure *why)
{
	struct buf text = {0}, canonical = {0};
	struct json_scan scan = {0};
	struct json_iter it;
	struct json_doc d;
	int rc = pieces_add_text(p, f->stream, f->pieces, &text, why);

	buf_add_slice(&text, f->value);
	if (rc == 0)
		rc = json_doc_of(&scan, buf_slice(&text), &d, why);
	if (rc == 0)
		json_enter(&d, 0, &it);
	while (rc == 0 && json_step(&d, &it)) {
		buf_reset(&canonical);
		json_canonical(&canonical, &d, it.value);
		rc = state_remove(p->state, p->task,
			value_key(p, f->stream, buf_slice(&canonical)), why);
	}
	json_scan_release(&scan);
	buf_release(&text);
	buf_release(&canonical);
	return rc;
}

static int
remove_stream(const struct pieces *p, uint32_t stream, uint32_t n, struct failure *why)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (state_remove(p->state, p->task, piece_key(p, stream, i), why) < 0)
			return -1;
	return 0;
}

int
pieces_remove(const struct pieces *p, struct slice kept, struct failure *why)
{
	struct group_head h = group_head_of(kept);
	struct slice whole = group_whole_of(kept, h.e.key_n);
	struct stored_field f;

	if (h.e.kind == WHOLE_LIST)
		return remove_stream(p, 0, (uint32_t)h.pieces, why);
	if (h.e.kind != WHOLE_FIELDS)
		return 0;
	while (field_step(&whole, &f)) {
		if (!f.pieces)
			continue;
		if (f.stream & STREAM_UNIQUE && remove_seen(p, &f, why) < 0)
			return -1;
		if (remove_stream(p, f.stream, f.pieces, why) < 0)
			return -1;
	}
	return 0;
}

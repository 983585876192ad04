/*
 * note_short: the texts behind the note of a line where all of them are short and stand as they
 * are wanted, as they mostly do. Internal to the notes: it is part of their loop over the lines.
 */
#ifndef SK_JOIN_NOTE_SHORT_H
#define SK_JOIN_NOTE_SHORT_H

#include "base/table.h"
#include "join/notes.h"
#include "json/plain.h"

/* The item in front of its text, which ends there: whole, up to a multiple of 8 bytes. */
static inline void
note_end_text(const struct notes *n, enum join_side side, struct note *note, char *text, char *end,
	struct buf *b)
{
	static const uint64_t zeros;
	struct item *i;

	note->text_at = (uint32_t)(text - b->p);
	note->content_n = (uint32_t)(end - text) - note->key_n;
	memcpy(end, &zeros, sizeof(zeros));
	b->n = ((size_t)(end - b->p) + 7) & ~(size_t)7;
	if (!n->runs)
		return;
	i = (struct item *)(void *)text - 1;
	/* One by one: gcc fills a struct as a string, which takes as long as all else. */
	i->before = 0;
	i->kafka_n = ITEM_NO_KAFKA_KEY;
	i->side = side;
	i->rank = side;
	i->paired = i->removes = i->done = i->laid = false;
	i->us = note->us;
	i->until_us = join_until(n->plan, side == SIDE_LEFT, note->us);
	i->hash = note->hash;
	i->key_n = note->key_n;
	i->content_n = note->content_n;
}

/* Texts of which all are short, one behind the other. */
struct note_shorts {
	char *p;
	json_bytes del;  /* not 0: there is one, or there is behind them */
};

/* False: it is not plain, or not short. */
static inline bool
note_add_one(struct note_shorts *s, const struct json_doc *d, uint32_t at)
{
	const char *from = d->base + d->pos[at];
	uint32_t wide = d->pos[at + 1] - d->pos[at];
	json_bytes a, b;

	memcpy(&a, from, sizeof(a));
	memcpy(&b, from + sizeof(a), sizeof(b));
	memcpy(s->p, &a, sizeof(a));
	memcpy(s->p + sizeof(a), &b, sizeof(b));
	s->del |= (json_bytes)(a == 0x7F) | (json_bytes)(b == 0x7F);
	s->p += wide;
	return !((unsigned)json_opens(d, at) | (wide > NOTES_SHORT) |
		((unsigned char)from[wide - 1] <= ' '));
}

/* Alone: gcc would read several at once, and wait until what was just written is in the cache. */
static inline void
note_copy_end(char *to, uint32_t end)
{
	__asm__("" : "+r"(end));
	memcpy(to, &end, sizeof(end));
}

/* Tell the key of a line without a backslash, append its text and the content, and say so in the
 * note; where records may be taken together, the item that it is all of. There is room. False:
 * not all of it is short and stands as it is wanted, and what was said doesn't hold. */
static inline bool
notes_add_short(const struct notes *n, enum join_side side, const struct json_doc *d,
	struct note *note, struct buf *b)
{
	size_t members = n->nmembers[side], i;
	uint32_t end[PICK_WANTS], at = note->at[n->key[side]];
	char *text = b->p + b->n + (n->runs ? sizeof(struct item) : 0), *ends;
	struct note_shorts s = {.p = text};

	if (at == JSON_NONE || !note_add_one(&s, d, at))
		return false;
	note->key_at = d->pos[at];
	note->key_n = (uint32_t)(s.p - text);
	if (*text != '"' && !json_plain_is_canonical(slice_of(text, note->key_n)))
		return false;
	for (i = 0; i < members; i++) {
		if (n->member[side][i] >= 0) {
			at = note->at[n->member[side][i]];
			if (at == JSON_NONE || !note_add_one(&s, d, at))
				return false;
		}
		end[i] = (uint32_t)(s.p - text) - note->key_n;
	}
	if (__builtin_expect(json_any_byte(s.del), 0))
		return false;
	ends = s.p;
	for (i = 0; i < members; i++)
		note_copy_end(ends + i * sizeof(*end), end[i]);
	note->hash = hash64(text, note->key_n, n->seed);
	note_end_text(n, side, note, text, ends + members * sizeof(*end), b);
	return true;
}

#endif

/* The texts behind the notes of a block. */
#include "join/notes.h"
#include "json/plain.h"

#define SHORT 32 /* bytes of a text that is */

void
notes_add_value(struct buf *b, const struct json_doc *d, uint32_t t)
{
	struct slice text = json_plain_text(d, t);

	if (text.n)
		buf_add_slice(b, text);
	else
		json_add_compact(b, d, t);
}

/* The texts of a side's members, as they stand if they stand compact; else from others. */
static size_t
find_texts(const struct notes *n, enum join_side side, const struct json_doc *d,
	const struct note *note, struct slice *text, struct buf *others)
{
	size_t i, from, bytes = 0;
	bool odd[PICK_WANTS];
	uint32_t at;

	buf_reset(others);
	for (i = 0; i < n->nmembers[side]; i++) {
		at = note->at[n->member[side][i]];
		text[i] = at == JSON_NONE ? SLICE("null") : json_plain_text(d, at);
		odd[i] = !text[i].n;
		if (odd[i]) {
			from = others->n;
			json_add_compact(others, d, at);
			text[i].n = others->n - from;
		}
		bytes += text[i].n;
	}
	for (from = i = 0; i < n->nmembers[side] && others->n; i++)
		if (odd[i]) {
			text[i].p = others->p + from;
			from += text[i].n;
		}
	return bytes;
}

/* The item in front of its text, which ends there: whole, up to a multiple of 8 bytes. */
static inline void
end_text(const struct notes *n, enum join_side side, struct note *note, char *text, char *end,
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
	i->id = 0;
	i->next = i->prev = NULL;
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

/* As add_text, where all texts are plain and short: nothing but one branch depends on them. */
static inline bool
add_short(const struct notes *n, enum join_side side, const struct json_doc *d, size_t note_at,
	struct buf *b)
{
	size_t members = n->nmembers[side], i;
	struct note *note;
	uint32_t end[PICK_WANTS] = {0}, at, wide;
	unsigned odd = d->flags; /* there may be a backslash */
	char *text, *p;

	buf_reserve(b, sizeof(struct item) + (members + 2) * SHORT + sizeof(end));
	note = (struct note *)(void *)(b->p + note_at);
	if (note->key_n > SHORT)
		return false;
	text = b->p + b->n + (n->runs ? sizeof(struct item) : 0);
	memcpy(text, d->base + note->key_at, SHORT);
	p = text + note->key_n;
	for (i = 0; i < members; i++) {
		at = note->at[n->member[side][i]];
		if (at == JSON_NONE)
			return false;
		wide = d->pos[at + 1] - d->pos[at];
		odd |= (unsigned)json_opens(d, at) | (wide > SHORT) |
			((unsigned char)d->base[d->pos[at + 1] - 1] <= ' ') |
			json_has_del(d->base + d->pos[at], wide % 64);
		if (__builtin_expect(odd, 0))
			return false;
		memcpy(p, d->base + d->pos[at], SHORT);
		p += wide;
		end[i] = (uint32_t)(p - text) - note->key_n;
	}
	memcpy(p, end, 4 * sizeof(*end));
	if (members > 4)
		memcpy(p + 4 * sizeof(*end), end + 4, (members - 4) * sizeof(*end));
	end_text(n, side, note, text, p + members * sizeof(*end), b);
	return true;
}

/* Add the text of the key, and the content; where records may be taken together, behind the item
 * that it is all of. */
static void
add_text(const struct notes *n, enum join_side side, const struct json_doc *d, size_t note_at,
	struct buf *b, struct buf *others)
{
	struct note *note = (struct note *)(void *)(b->p + note_at);
	struct slice text[PICK_WANTS];
	size_t bytes = find_texts(n, side, d, note, text, others), i;
	uint32_t end = 0;
	char *start, *p;

	buf_reserve(b, sizeof(struct item) + note->key_n + bytes + sizeof(text) + 8);
	note = (struct note *)(void *)(b->p + note_at);
	p = b->p + b->n + (n->runs ? sizeof(struct item) : 0);
	start = p;
	copy_short(p, d->base + note->key_at, note->key_n);
	p += note->key_n;
	for (i = 0; i < n->nmembers[side]; i++) {
		copy_short(p, text[i].p, text[i].n);
		p += text[i].n;
		end += (uint32_t)text[i].n;
		memcpy(p + (bytes - end) + i * sizeof(end), &end, sizeof(end));
	}
	end_text(n, side, note, start, p + n->nmembers[side] * sizeof(end), b);
}

void
notes_add_text(const struct notes *n, enum join_side side, const struct json_doc *d,
	size_t note_at, struct buf *b, struct buf *others)
{
	if (!add_short(n, side, d, note_at, b))
		add_text(n, side, d, note_at, b, others);
}

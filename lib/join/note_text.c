/* The texts behind the notes of a block. */
#include "join/note_short.h"
#include "json/plain.h"

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
	int want;

	buf_reset(others);
	for (i = 0; i < n->nmembers[side]; i++) {
		want = n->member[side][i];
		at = want < 0 ? 0 : note->at[want];
		text[i] = want < 0 ? SLICE("") : at == JSON_NONE ? SLICE("null") :
			json_plain_text(d, at);
		odd[i] = want >= 0 && !text[i].n;
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

void
notes_add_text(const struct notes *n, enum join_side side, const struct json_doc *d,
	size_t note_at, struct buf *b, struct buf *others)
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
	note_end_text(n, side, note, start, p + n->nmembers[side] * sizeof(end), b);
}

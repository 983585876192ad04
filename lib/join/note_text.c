/* The texts behind the notes of a block. */
#include "base/table.h"
#include "join/notes.h"
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
struct shorts {
	char *p;
	json_bytes del;  /* not 0: there is one, or there is behind them */
};

/* False: it is not plain, or not short. */
static inline bool
add_short(struct shorts *s, const struct json_doc *d, uint32_t at)
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

bool
notes_add_short(const struct notes *n, enum join_side side, const struct json_doc *d,
	struct note *note, struct buf *b)
{
	size_t members = n->nmembers[side], i;
	uint32_t end[PICK_WANTS], at = note->at[n->key[side]];
	char *text = b->p + b->n + (n->runs ? sizeof(struct item) : 0), *ends;
	struct shorts s = {.p = text};

	if (at == JSON_NONE || !add_short(&s, d, at))
		return false;
	note->key_at = d->pos[at];
	note->key_n = (uint32_t)(s.p - text);
	if (*text != '"' && !json_plain_is_canonical(slice_of(text, note->key_n)))
		return false;
	for (i = 0; i < NOTES_FEW; i++)
		end[i] = 0;
	for (i = 0; i < members; i++) {
		if (n->member[side][i] >= 0) {
			at = note->at[n->member[side][i]];
			if (at == JSON_NONE || !add_short(&s, d, at))
				return false;
		}
		end[i] = (uint32_t)(s.p - text) - note->key_n;
	}
	if (__builtin_expect(json_any_byte(s.del), 0))
		return false;
	ends = s.p;
	memcpy(ends, end, NOTES_FEW * sizeof(*end));
	if (members > NOTES_FEW)
		memcpy(ends + NOTES_FEW * sizeof(*end), end + NOTES_FEW,
			(members - NOTES_FEW) * sizeof(*end));
	note->hash = hash64(text, note->key_n, n->seed);
	end_text(n, side, note, text, ends + members * sizeof(*end), b);
	return true;
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
	end_text(n, side, note, start, p + n->nmembers[side] * sizeof(end), b);
}

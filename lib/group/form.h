/*
 * form: how objects that are picked (expr/pick.h) are written as a group has them, as fields or
 * as members, piece by piece: bytes that are always the same, and behind them, most times, the
 * text of a member. All objects of a filter have as many pieces, so which of them it is is
 * nothing that a branch has to learn; some pieces are nothing.
 */
#ifndef SK_GROUP_FORM_H
#define SK_GROUP_FORM_H

#include "expr/pick.h"
#include "group/group.h"
#include "json/plain.h"

#define FORM_WIDE 32    /* bytes of a piece, and of a text; all of them are copied */
#define FORM_PIECES 8
#define FORM_ROOM ((FORM_PIECES + 1) * 2 * FORM_WIDE)
_Static_assert(FORM_WIDE <= JSON_PADDING, "so many may be read");

struct form_piece {
	char bytes[FORM_WIDE];
	uint32_t n;
	uint32_t want, is_text; /* the member's text counts: all bits are set, or none is */
	int32_t size_at;        /* where its size is to be written, from here on; of members, where
				   it is written over */
	uint32_t truth_at;      /* the bit that says whether it is true */
};

struct form {
	struct form_piece piece[FORM_PIECES];
	uint64_t truths;        /* of the rest */
};

/* The forms of all objects, the caller's to free, and how many pieces each of them has. 0: they
 * have none: a part would be empty, or of too many pieces. members: as those, not as fields. */
uint32_t forms_make(const struct pick *, bool members, struct form **);

/* Append a field, or a member, with that text. */
void form_add(struct buf *, bool members, const struct pick_member *, struct slice text);

static inline bool
form_is_true(struct slice text)
{
	return *text.p != 'n' && *text.p != 'f';
}

/* The text of a scalar goes to a place, with what is behind it up to FORM_WIDE bytes. Returns
 * its bytes, and sets *odd if it is not plain or has more of them. The line has no flags. */
static inline uint32_t
form_put_plain(char *to, const struct json_doc *d, uint32_t t, unsigned *odd)
{
	const char *p = d->base + d->pos[t];
	uint32_t n = d->pos[t + 1] - d->pos[t];

	*odd |= (unsigned)(n > FORM_WIDE) | (unsigned)((*p | 0x20) == '{') |
		(unsigned)((unsigned char)p[n - 1] <= ' ') | (unsigned)json_has_del(p, n & 63);
	memcpy(to, p, FORM_WIDE);
	return n;
}

/* An object goes to a place where there is FORM_ROOM. Returns its bytes; 0: not all of its texts
 * are there, short and plain. */
static inline uint32_t
form_put(const struct form *f, uint32_t npieces, bool members, const struct json_doc *d,
	const uint32_t *at, char *to, uint64_t *truths)
{
	const struct form_piece *p = f->piece, *end = p + npieces;
	uint64_t true_ones = f->truths;
	unsigned odd = 0;
	char *from = to;
	uint32_t n;

	for (; p < end; p++) {
		if (__builtin_expect(at[p->want] == JSON_NONE, 0))
			return 0;
		memcpy(to, p->bytes, FORM_WIDE);
		to += p->n;
		n = form_put_plain(to, d, at[p->want], &odd) & p->is_text;
		true_ones |= (uint64_t)((p->is_text & 1) & (*to != 'n') & (*to != 'f')) <<
			p->truth_at;
		if (!members)
			memcpy(to - p->n + p->size_at, &n, sizeof(n));
		to += n;
	}
	*truths = true_ones;
	return odd ? 0 : (uint32_t)(to - from);
}

#endif

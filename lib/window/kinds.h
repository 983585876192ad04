/* kinds: what the files that implement aggregate functions share. Internal to the room. */
#ifndef SK_WINDOW_KINDS_H
#define SK_WINDOW_KINDS_H

#include "window/fold.h"

/* One function, of the many that share an implementation: func tells which. */
struct fold_kind {
	const char *name;
	size_t fixed;        /* bytes */
	bool numbers;        /* takes numbers alone */
	int (*add)(const struct fold *, struct fold_cell *, unsigned i,
		const struct fold_input *, struct fold_work *, struct failure *why);
	int (*merge)(const struct fold *, struct fold_cell *, unsigned i,
		const struct fold_cell *from, struct fold_work *, struct failure *why);
	void (*render)(const struct fold *, const struct fold_cell *, unsigned i,
		struct fold_work *, struct buf *);
	void (*save)(const struct fold *, const struct fold_cell *, unsigned i,
		struct fold_work *, struct buf *);
	int (*take)(const struct fold *, struct fold_cell *, unsigned i,
		const struct json_doc *, uint32_t t, struct fold_work *, struct failure *why);
};

extern const struct fold_kind fold_kind[FOLD_FUNCS];

/* Declares the five of a family. */
#define FOLD_FAMILY(family) \
	int family##_add(const struct fold *, struct fold_cell *, unsigned, \
		const struct fold_input *, struct fold_work *, struct failure *); \
	int family##_merge(const struct fold *, struct fold_cell *, unsigned, \
		const struct fold_cell *, struct fold_work *, struct failure *); \
	void family##_render(const struct fold *, const struct fold_cell *, unsigned, \
		struct fold_work *, struct buf *); \
	void family##_save(const struct fold *, const struct fold_cell *, unsigned, \
		struct fold_work *, struct buf *); \
	int family##_take(const struct fold *, struct fold_cell *, unsigned, \
		const struct json_doc *, uint32_t, struct fold_work *, struct failure *)

FOLD_FAMILY(exact);   /* sum avg stddev: exact.c */
FOLD_FAMILY(pick);    /* min max first last argmin argmax: pick.c */
FOLD_FAMILY(bag);     /* list set distinct topk: bag.c */
FOLD_FAMILY(hll);     /* approx_distinct: hll.c */
FOLD_FAMILY(sketch);  /* quantile: sketch.c */

#define EXACT_BYTES 32  /* a sum */
#define BOX_BYTES 40    /* a value */
#define BAG_BYTES 8
#define HLL_BYTES 8
#define SKETCH_BYTES 32

static inline char *
fold_fixed(const struct fold *f, const struct fold_cell *c)
{
	return c->fixed + f->at;
}

/* Texts of a room: two at most, by number. */
struct slice fold_text(const struct fold_cell *, unsigned i, unsigned which);
int fold_set_text(struct fold_cell *, unsigned i, unsigned which, struct slice,
	struct fold_work *, struct failure *why);

/* A sum can be made of it: no more than 1,000 digits, before the point or behind it. */
bool exact_is_measurable(struct slice number);

/* The form that equal values share; lives until the work is used again. */
struct slice fold_canonical(struct fold_work *, const struct fold_value *);

/* So many more; -1: it would be more than 2^63. */
int fold_count_more(const struct fold *, uint64_t *n, uint64_t more, struct failure *why);

/* Reading what fold_save wrote. */
int fold_no_partial(const struct fold *, struct failure *why); /* -1 */
bool fold_read_whole(const struct json_doc *, uint32_t t, uint64_t *);
bool fold_read_time(const struct json_doc *, uint32_t t, int64_t *us);
/* Compact text, in the buf. */
struct fold_value fold_read_value(const struct json_doc *, uint32_t t, struct buf *);

#endif

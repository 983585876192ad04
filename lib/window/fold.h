/*
 * fold: aggregate functions, as what they keep of the values that they were given.
 *
 * What is kept of many values is the same in whatever order they came, and two that were kept
 * apart can be merged. So a result depends neither on the order of arrival nor on the cuts
 * along which partial results were made: first, last and list go by (time, value), and where
 * values are equal and their texts are not (1 and 1.0), the shorter text stays, then the one
 * that sorts first.
 *
 *	count             records, or outputs of an expression, null too
 *	sum avg stddev    from exact sums of decimals as they are written
 *	min max           in jq's order of values
 *	first last        by time
 *	list              by time
 *	set distinct      the values that differ; how many those are
 *	approx_distinct   HyperLogLog: exact to 512, then within 0.81 % (standard error)
 *	quantile          DDSketch: within 1 % of the value, relative error
 *	topk              the most frequent, with their counts
 *	argmin argmax     what belongs to the least, the greatest; of equal ones, the first
 *
 * Of a cell (one key in one window) each fold has some bytes of a fixed number, all zero
 * before the first value, and may have a room of any size besides. Both are plain bytes
 * without pointers, which are kept, moved and read again as they are, in this process or the
 * next one on this machine.
 */
#ifndef SK_WINDOW_FOLD_H
#define SK_WINDOW_FOLD_H

#include "expr/expr.h"
#include "time/time.h"

enum fold_func {
	FOLD_COUNT, FOLD_SUM, FOLD_AVG, FOLD_STDDEV, FOLD_MIN, FOLD_MAX, FOLD_FIRST, FOLD_LAST,
	FOLD_LIST, FOLD_SET, FOLD_DISTINCT, FOLD_APPROX_DISTINCT, FOLD_QUANTILE, FOLD_TOPK,
	FOLD_ARGMIN, FOLD_ARGMAX, FOLD_FUNCS
};

/* Names as the command line has them; NULL behind the last. */
extern const char *const fold_func_name[FOLD_FUNCS + 1];

/* One function of a command line. */
struct fold {
	enum fold_func func;
	struct slice name;   /* of the member of the result; borrowed */
	double quantile;     /* 0 to 1 */
	uint32_t most;       /* topk */
	uint32_t at;         /* set by fold_place: where its fixed bytes are */
};

/* Give each fold its place in a cell. Returns the fixed bytes of all, a multiple of 8. */
size_t fold_place(struct fold *, size_t n);

/* ---- values ------------------------------------------------------------------------ */

/* A value that is folded. text is compact JSON; a small number is m × 10^-scale. */
struct fold_value {
	struct slice text;
	enum json_type type;
	bool small;
	uint8_t scale;
	int64_t m;
};

struct fold_input {
	int64_t us;               /* event time */
	struct fold_value value;
	struct fold_value what;   /* argmin, argmax */
};

/* Read a scalar's or any other compact text. */
struct fold_value fold_value_of(struct slice text);

/* The same for a number, where it is short and in plain digits; else small is unset. */
bool fold_small(const char *p, size_t n, int64_t *m, uint8_t *scale);

/* Memory for one caller at a time. {0} and fold_work_release. */
struct fold_work {
	struct json_scan scan, other;
	struct buf text, more, key, key2;
	const char *problem;
};
void fold_work_release(struct fold_work *);

/* jq's order of values, numbers as exact decimals: <0, 0, >0. */
int fold_cmp(struct fold_work *, const struct fold_value *, const struct fold_value *);

/* The same, and equal values by length and bytes of their texts. */
int fold_order(struct fold_work *, const struct fold_value *, const struct fold_value *);

/* ---- cells ------------------------------------------------------------------------- */

struct fold_room {
	char *p;
	size_t n;                 /* 0: there is none */
};

/* What is kept of a cell, and how its rooms grow. */
struct fold_cell {
	char *fixed;
	struct fold_room *room;   /* one a fold */
	/* Make room i hold n bytes, more than now: those it has stay, the others are zero.
	 * fixed may have moved as well. */
	int (*grow)(struct fold_cell *, unsigned i, size_t n, struct failure *why);
	void *arg;
};

/* Can the fold take this value? -1: a bad record. Null is for nobody to ask: it is passed
 * over, by all but count. */
int fold_check(const struct fold *, const struct fold_input *, struct fold_work *,
	struct failure *why);

/* Does it take numbers alone? Of them it can take all that are small, and need not be asked. */
bool fold_takes_numbers(const struct fold *);

/* Add what was checked. -1: no memory for it (the state's bounds). i: number of the fold. */
int fold_add(const struct fold *, struct fold_cell *, unsigned i, const struct fold_input *,
	struct fold_work *, struct failure *why);

/* Add what another cell has kept. */
int fold_merge(const struct fold *, struct fold_cell *, unsigned i,
	const struct fold_cell *from, struct fold_work *, struct failure *why);

/* Append the result, as JSON. */
void fold_render(const struct fold *, const struct fold_cell *, unsigned i, struct fold_work *,
	struct buf *);

/* Append all that is kept, as JSON, for fold_take, which adds it to a cell. fold_take: -1, a
 * bad record, or no memory. */
void fold_save(const struct fold *, const struct fold_cell *, unsigned i, struct fold_work *,
	struct buf *);
int fold_take(const struct fold *, struct fold_cell *, unsigned i, const struct json_doc *,
	uint32_t t, struct fold_work *, struct failure *why);

/* A cell in memory of its own. */
struct fold_scratch {
	struct fold_cell cell;
	size_t fixed, nfolds;
	size_t *cap;
};
void fold_scratch_init(struct fold_scratch *, size_t fixed_bytes, size_t nfolds);
void fold_scratch_clear(struct fold_scratch *);  /* nothing was added */
void fold_scratch_release(struct fold_scratch *);

#endif

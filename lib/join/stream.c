/* Records of the stream: looked up in a table, or paired. */
#include "join/stream.h"

#define SLOTS_AHEAD 16 /* records */
#define ITEMS_AHEAD 8

/* The row that is there, or is not. */
static int
look_up(struct stream *s, const struct record *r, struct emit *e, struct failure *why)
{
	struct item_parts of;
	struct slice row;

	if (sides_key(s->sides, SIDE_LEFT, &of, why) < 0)
		return -1;
	row = rows_find(s->table, of.hash, of.key);
	if (!row.p && s->plan->missing == MISSING_DEAD)
		return fail_record(why, "unmatched", "the table has no row with its key");
	if (row.p ? s->plan->type != JOIN_ANTI : s->plan->missing == MISSING_EMIT)
		if (result_of_record(s->result, e, r, s->sides, row, why) < 0)
			return -1;
	emit_drop(e);
	return 0;
}

/* On one side: 1; 0: it is too late. */
static int
add_on(struct stream *s, enum join_side side, const struct record *r, struct emit *e,
	struct failure *why)
{
	struct item_parts of;

	if (sides_item(s->sides, side, &of, why) < 0)
		return -1;
	if (pairs_is_late(s->pairs, r->task, &of))
		return 0;
	emit_hold(e);
	return pairs_add(s->pairs, r->task, &of, e, why) < 0 ? -1 : 1;
}

static int
add(struct stream *s, const struct record *r, struct emit *e, struct failure *why)
{
	int left = 0, right = 0;
	struct item_parts of;
	bool on[2];

	if (sides_of(s->sides, on, why) < 0)
		return -1;
	if (!on[SIDE_LEFT] && !on[SIDE_RIGHT]) {
		emit_drop(e);
		return 0;
	}
	/* Both are looked at before the first of them is kept. */
	if (on[SIDE_LEFT] && on[SIDE_RIGHT] && sides_item(s->sides, SIDE_RIGHT, &of, why) < 0)
		return -1;
	if (on[SIDE_LEFT] && (left = add_on(s, SIDE_LEFT, r, e, why)) < 0)
		return -1;
	if (on[SIDE_RIGHT] && (right = add_on(s, SIDE_RIGHT, r, e, why)) < 0)
		return -1;
	if (left || right)
		return 0;
	if (s->late_outlet >= 0)
		emit_same(e, (unsigned)s->late_outlet, r);
	emit_late(e);
	return 0;
}

/* Bring near what the records behind this one will look at. */
static void
look_ahead(struct stream *s, const struct record *r)
{
	uint64_t hash;

	if (s->pairs && !pairs_looks_ahead(s->pairs, r->task))
		return;
	if (sides_ahead(s->sides, r, SLOTS_AHEAD, &hash)) {
		if (s->pairs)
			pairs_ahead(s->pairs, r->task, hash, false);
		else
			rows_prefetch(s->table, hash);
	}
	if (sides_ahead(s->sides, r, ITEMS_AHEAD, &hash)) {
		if (s->pairs)
			pairs_ahead(s->pairs, r->task, hash, true);
		else
			rows_prefetch_row(s->table, hash);
	}
}

int
stream_take(struct stream *s, const struct record *r, struct emit *e, struct failure *why)
{
	int rc;

	look_ahead(s, r);
	sides_begin(s->sides, r);
	rc = s->pairs ? add(s, r, e, why) : look_up(s, r, e, why);
	sides_done(s->sides);
	return rc;
}

int
stream_account(const struct stream *s, struct failure *why)
{
	uint64_t lost = s->pairs ? pairs_given_up(s->pairs) : 0, skipped;
	const char *first;

	skipped = result_skipped(s->result, &first);
	if (!lost && !skipped)
		return 0;
	if (skipped)
		fail(why, EXIT_SOME_BAD, "%llu result%s could not be made; the first: %s",
			(unsigned long long)skipped, skipped == 1 ? "" : "s", first);
	else
		fail(why, EXIT_SOME_BAD, "%llu record%s given up for the bounds of the state",
			(unsigned long long)lost, lost == 1 ? " was" : "s were");
	if (lost && skipped)
		fail_within(why, "%llu record%s given up for the bounds of the state; ",
			(unsigned long long)lost, lost == 1 ? " was" : "s were");
	return -1;
}

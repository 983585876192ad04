/*
 * emit: how an operator says what a record becomes.
 *
 * Emissions of one record appear together or, if record() returns -1, not at all. They keep
 * their order on each port. A record that leads to no emission is told so: emit_drop (by a
 * rule that the user stated), emit_hold (it is in the state), emit_late.
 *
 *	struct buf *b = emit_begin(e, 0, r);
 *	value_add_json(b, &v);
 *	emit_end(e);
 */
#ifndef SK_FLOW_EMIT_H
#define SK_FLOW_EMIT_H

#include "flow/flow.h"

/* This record is in hand: what is emitted until the next one is its. The driver does it for
 * record(). */
void emit_record(struct emit *, const struct record *);

/* The record as it came, byte for byte; not copied where it can be helped. */
void emit_same(struct emit *, unsigned outlet, const struct record *);

/* A new record derived from parent (its origin, key and headers go along; may be NULL).
 * Append one JSON text, without line feed, to the returned buf, then emit_end(). What stands
 * in the buf before is not the caller's. */
struct buf *emit_begin(struct emit *, unsigned outlet, const struct record *parent);
void emit_end(struct emit *);

/*
 * Of operator.noted: the buf into which lines for an outlet may go one behind the other, each with
 * its line feed, without being told of one by one; NULL: they have to be emitted. Nothing else is
 * emitted before the end, of which so many of the lines are.
 */
struct buf *emit_many_begin(struct emit *, unsigned outlet);
void emit_many_end(struct emit *, size_t lines);

/* The same as emit_begin for a record that no other is the parent of, at an instant of event
 * time. */
struct buf *emit_begin_made(struct emit *, unsigned outlet, int64_t time_us);

/* The same for an outlet that is a template: name fills its "{}". The caller has checked the
 * name (text_is_component), and that it may be used. */
void emit_same_named(struct emit *, unsigned outlet, struct slice name, const struct record *);
struct buf *emit_begin_named(struct emit *, unsigned outlet, struct slice name,
	const struct record *parent);

/* The same for a value whose text is there, and may be anything. Line feeds, white space of
 * json, become blanks where the sink takes lines. -1: it is no JSON, and lines can't carry it:
 * nothing was emitted. */
int emit_bytes(struct emit *, unsigned outlet, const struct record *parent, struct slice,
	bool json);

/* A dead letter of something that is no record: what records led to and what then went wrong.
 * It stands in the order of emissions, and the run ends with EXIT_SOME_BAD. Only where
 * flow_options.dead_letter is given. type: as in fail_record; key, value: JSON texts. */
void emit_dead(struct emit *, const char *type, const char *message, struct slice key,
	struct slice value);

/* Between two emissions, where a callback may make much of little: what has come together goes
 * out once it is much, on one thread. It isn't taken back then, if the record turns out bad. -1. */
int emit_relieve(struct emit *, struct failure *why);

/* Do lines to this outlet, which is no template, leave as envelopes? */
bool emit_as_envelope(const struct emit *, unsigned outlet);

void emit_drop(struct emit *); /* dropped by a stated rule */
void emit_hold(struct emit *); /* kept in the operator's state */
void emit_late(struct emit *); /* came too late; an emission to a side outlet may go along */

#endif

/*
 * kept: a record that outlives its block, as bytes that an operator may put into its state.
 *
 *	1   'p': the text is the value; 'e': it is an envelope
 *	8   event time, us; TIME_NONE
 *	... the text, one line
 */
#ifndef SK_FLOW_KEPT_H
#define SK_FLOW_KEPT_H

#include "flow/envelope.h"

/* Append a record as it came. What is known of it goes along if it came with that, or if
 * envelope: it will leave as one. */
void kept_add(struct buf *, const struct record *, bool envelope);

/* One thread's memory to read them; {0} is fine. */
struct kept_reader {
	struct json_scan scan;
	struct json_doc doc;
	struct envelope_reader envelope;
	struct input input;
	struct block block;    /* an empty one */
	char nothing[1];
};

/* The record again, to be emitted; it lives until the next call, and borrows bytes. -1: these
 * bytes are not one's. */
int kept_read(struct kept_reader *, struct slice bytes, struct record *, struct failure *why);
void kept_reader_release(struct kept_reader *);

#endif

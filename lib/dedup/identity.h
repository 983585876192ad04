/*
 * identity: what of a record tells it from all others, as bytes that equal records, and only
 * those, share.
 *
 * By -k it is the canonical form of the key; by --canonical that of the content, which is the
 * record without what --ignore names and without the tag; else the bytes of the record. A
 * record that has a key of its own (Kafka's) is the same as another only with the same key:
 * two tombstones are not one.
 */
#ifndef SK_DEDUP_IDENTITY_H
#define SK_DEDUP_IDENTITY_H

#include "dedup/plan.h"
#include "flow/flow.h"

struct identity {
	const struct dedup_plan *plan;
	const char *stage;
	struct expr_run *key;
	struct json_name name;     /* of a key that is one field */
	bool is_field, finds;      /* finds: it can be looked for without tokens */
	const uint32_t *value;     /* where it is in each line of the block that was looked at */
	struct buf room;
};

void identity_init(struct identity *, const struct dedup_plan *, const char *stage);
void identity_release(struct identity *);

/* It lives until the next call. -1: a bad record, it has none. */
int identity_of(struct identity *, const struct record *, struct slice *, struct failure *why);

/* Is it told by the bytes of a plain record, whatever else is known of it? */
bool identity_is_bytes(const struct identity *);

/* The same as identity_of, of a line that is a plain record, without tokens; false: they must
 * tell. First look at its block. On one thread at a time, but not that of identity_of. */
void identity_look(struct identity *, const struct json_scan *);
bool identity_ask(const struct identity *, const struct json_scan *, size_t line,
	struct slice *);

#endif

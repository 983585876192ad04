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
	struct buf room;
};

void identity_init(struct identity *, const struct dedup_plan *, const char *stage);
void identity_release(struct identity *);

/* It lives until the next call. -1: a bad record, it has none. */
int identity_of(struct identity *, const struct record *, struct slice *, struct failure *why);

/* Is it told by the bytes of a plain record, whatever else is known of it? */
bool identity_is_bytes(const struct identity *);

/* Where the key is in each line of a block, if it is one field and that can be looked for without
 * tokens; else NULL. On any thread, as identity_ask is. */
const uint32_t *identity_look(const struct identity *, const struct json_scan *);
/* The same as identity_of, of a line that is a plain record, without tokens; false: they must
 * tell. value: what identity_look said of its block. */
bool identity_ask(const struct identity *, const struct json_scan *, const uint32_t *value,
	size_t line, struct slice *);

#endif

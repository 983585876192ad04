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
	struct json_finder finder;
	bool is_field, finds;
	struct buf room;
};

void identity_init(struct identity *, const struct dedup_plan *, const char *stage);
void identity_release(struct identity *);

/* It lives until the next call. -1: a bad record, it has none. */
int identity_of(struct identity *, const struct record *, struct slice *, struct failure *why);

/* The same of a line without tokens, that is a plain record; false: the tokens must tell.
 * Lines are asked in order. */
bool identity_ask(struct identity *, const struct json_doc *, struct slice *);

#endif

/*
 * additions: what records get on their way out: an id made of their content, in a field
 * (--tag) and as key and header (--key-by-id), and the mark of a duplicate (--mark).
 *
 * The id is the SHA-256, in lower-case hexadecimal, of the canonical form (json_canonical) of
 * the record without what --ignore names and without the tag itself. So it is the same
 * wherever and whenever it is made, and whoever makes it.
 */
#ifndef SK_DEDUP_ADDITIONS_H
#define SK_DEDUP_ADDITIONS_H

#include "base/sha.h"
#include "dedup/plan.h"
#include "flow/emit.h"

#define ADDITIONS_HEADER "messageId"
#define ADDITIONS_MARK "_duplicate"

struct additions {
	const struct dedup_plan *plan;
	const char *stage;
	struct sha *sha;           /* NULL: no id is asked for */
	struct expr_run *assign;
	const struct record *record;
	struct arena arena;
	struct buf content;
	char id[SHA_HEX];
	struct header *header;
	size_t cap_headers;
};

void additions_init(struct additions *, const struct dedup_plan *, const char *stage);
void additions_release(struct additions *);

/* Can the record get its id? -1: it is a bad one. What fits is written without fail. */
int additions_fit(struct additions *, const struct record *, struct failure *why);

/* Write to outlet 0 the record with all that it gets. */
int additions_write(struct additions *, struct emit *, const struct record *, bool duplicate,
	struct failure *why);

/* Append the content of a record: what its id is the hash of. */
void additions_content(const struct dedup_plan *, struct buf *, const struct record *);

#endif

/*
 * envelope: a line that carries a record and what Kafka knows of it.
 *
 *	{"topic":T,"partition":P,"offset":O,"ts":MS,"time":RFC3339,"key":K,
 *	 "headers":[[NAME,VALUE],...],"value":V}
 */
#ifndef SK_FLOW_ENVELOPE_H
#define SK_FLOW_ENVELOPE_H

#include "base/arena.h"
#include "flow/flow.h"

/* One thread's memory for reading them. */
struct envelope_reader {
	struct arena arena;
	struct buf bytes;          /* a decoded value_b64 */
	struct json_scan scan;     /* of bytes */
	struct json_doc doc;
	struct meta meta;
};

/* Fill r->meta, root, doc and bytes from the envelope that doc is; r->line is set already.
 * They live until the next call. -1: it is none. */
int envelope_read(struct envelope_reader *, const struct json_doc *doc, struct record *r,
	struct failure *why);
/* The same for a message whose value no line can hold (meta->odd). */
void envelope_read_odd(struct envelope_reader *, struct record *r);
void envelope_reader_release(struct envelope_reader *);

/* Append the envelope of a record up to its value. */
void envelope_add_prefix(struct buf *, const struct record *parent);
/* And its value, in place of "value": where it is written otherwise. */
void envelope_add_value(struct buf *, const struct record *);
/* In place of "value":, with which the buf ends, append "value_b64":"...". */
void envelope_add_b64(struct buf *, struct slice bytes);
/* Append "name":STRING, or null, or "name_b64":..., with a comma after it. */
void envelope_add_bytes(struct buf *, const char *name, struct slice s);
/* Append "headers":[...]; m may be NULL. */
void envelope_add_headers(struct buf *, const struct meta *m);

#endif

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
	/* What the last one had that was written as we do it: */
	struct buf head;           /* {"topic":T,"partition":P,"offset": */
	size_t head_topic_n;       /* bytes of T, with its quotes; 0: null */
	int32_t head_partition;
	struct time_memo memo;
};

/* Fill r->meta, root, doc and bytes from the envelope that doc is; r->line is set already.
 * They live until the next call. -1: it is none. */
int envelope_read(struct envelope_reader *, const struct json_doc *doc, struct record *r,
	struct failure *why);
/* The same for a message whose value no line can hold (meta->odd). */
void envelope_read_odd(struct envelope_reader *, struct record *r);
void envelope_reader_release(struct envelope_reader *);

/* What is known of those written before, {0} at first; one thread's. */
struct envelope_writer {
	struct buf head;           /* a topic, then {"topic":T,"partition":P,"offset": of it */
	size_t topic_n;
	bool has_topic;
	int32_t partition;
	int64_t ts_ms;
	char ts[20];               /* its digits, */
	size_t ts_n;               /* and how many; 0: none is known */
	struct time_memo memo;
};

void envelope_writer_release(struct envelope_writer *);

/* Append the envelope of a record up to its value. The writer may be NULL: slower. */
void envelope_add_prefix(struct envelope_writer *, struct buf *, const struct record *parent);
/* And its value, in place of "value": where it is written otherwise. */
void envelope_add_value(struct buf *, const struct record *);
/* In place of "value":, with which the buf ends, append "value_b64":"...". */
void envelope_add_b64(struct buf *, struct slice bytes);
/* Append "name":STRING, or null, or "name_b64":..., with a comma after it. */
void envelope_add_bytes(struct buf *, const char *name, struct slice s);
/* Append "headers":[...]; m may be NULL. */
void envelope_add_headers(struct buf *, const struct meta *m);

#endif

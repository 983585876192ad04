/*
 * What the files of a producer share; nobody else includes it. produce.c sends, many.c several
 * at a time; transact.c commits what was sent, or makes it void.
 */
#ifndef SK_KAFKA_PRODUCER_H
#define SK_KAFKA_PRODUCER_H

#include "base/table.h"
#include "kafka/client.h"
#include "kafka/produce.h"

struct kafka_producer {
	struct kafka_client client; /* first: the handle's opaque */
	struct kafka_produce ask;
	struct table topics; /* struct kafka_topic * by name */
	uint32_t batch_bytes;
	uint32_t largest;    /* message.max.bytes */
	unsigned unpolled;
	uint64_t queued, queued_bytes; /* not reported yet; bytes of values and keys */
	uint64_t room, room_bytes;     /* what librdkafka queues at the most */
	bool whole;                    /* something had headers, whose bytes are not counted */
	rd_kafka_message_t *many;      /* room of many.c */
	int transaction_ms;  /* transaction.timeout.ms; 0: it has none */
	int64_t begun_ns;    /* the newest transaction, on the monotonic clock */
	bool doomed;         /* what is reported now is void anyway */
	bool spent;          /* a request of its may be under way still */
};

/* What librdkafka would refuse, or change. */
int producer_check(const struct kafka_topic *, const struct kafka_send *, struct failure *why);

/* n more records are queued. */
int producer_queued(struct kafka_producer *, size_t n, uint64_t bytes, struct failure *why);

/* librdkafka did not queue a record. */
int producer_not_queued(struct kafka_producer *, const struct kafka_topic *,
	rd_kafka_resp_err_t, struct failure *why);

/* Of a producer with transactions: what it died of. */
int producer_fenced(struct kafka_producer *, struct failure *why);

#endif

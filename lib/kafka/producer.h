/*
 * What the files of a producer share; nobody else includes it. produce.c sends; transact.c
 * commits what was sent, or makes it void.
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
	int transaction_ms;  /* transaction.timeout.ms; 0: it has none */
	int64_t begun_ns;    /* the newest transaction, on the monotonic clock */
	bool doomed;         /* what is reported now is void anyway */
	bool spent;          /* a request of its may be under way still */
};

/* Of a producer with transactions: what it died of. */
int producer_fenced(struct kafka_producer *, struct failure *why);

#endif

/*
 * What the files of a producer share; nobody else includes it. produce_open.c begins, and knows
 * topics; produce.c sends, many.c several at a time, twin.c by two clients; transact.c commits
 * what was sent, or makes it void.
 */
#ifndef SK_KAFKA_PRODUCER_H
#define SK_KAFKA_PRODUCER_H

#include "base/table.h"
#include "kafka/client.h"
#include "kafka/produce.h"

/* Of the topics that are known at the start. */
struct producer_limits {
	uint32_t smallest, largest; /* max.message.bytes */
	uint32_t partitions;        /* of all */
};

struct kafka_producer {
	struct kafka_client client; /* first: the handle's opaque */
	struct kafka_produce ask;
	struct producer_limits limits;
	struct kafka_producer *twin; /* sends to odd partitions; NULL: this one sends to all */
	bool alone;                  /* and there will be none */
	uint32_t turn;               /* with a twin: the next partition of what has no key */
	int64_t counted_ns;          /* when partitions were counted */
	int count_ms;                /* and how often: topic.metadata.refresh.interval.ms */
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

/* As kafka_producer_open(), of topics whose limits are known. */
struct kafka_producer *producer_open(const struct kafka_config *, const struct kafka_produce *,
	const struct producer_limits *, struct failure *why);

/* The number of partitions; -1: why. */
int producer_partitions(struct kafka_client *, rd_kafka_topic_t *, int wait_ms,
	struct failure *why);

/* max.message.bytes of a topic, or a broker's default where we may not ask. */
uint32_t producer_topic_limit(rd_kafka_t *, const char *name);
void producer_topic_free(struct kafka_topic *);

/* A record's delivery report. */
void producer_on_delivery(rd_kafka_t *, const rd_kafka_message_t *, void *);

/* There is no room in the queue: have a twin from now on, if that may help. 1: what is sent next
 * may go to it; 0: none, wait for room; -1: the producer is dead. */
int twin_open(struct kafka_producer *, struct failure *why);

/* With a twin: the partition that a record goes to. */
int32_t twin_partition(struct kafka_producer *, const struct kafka_topic *,
	const struct kafka_send *);

/* With a twin: count partitions again, now and then; topics may get more. */
void twin_count(struct kafka_producer *);

/* Run delivery reports, and wait for one a moment. */
int producer_wait(struct kafka_producer *, struct failure *why);

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

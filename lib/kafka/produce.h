/*
 * produce: records into topics, each done only by its delivery report.
 *
 *	p = kafka_producer_open(config, &(struct kafka_produce){.delivered = f}, why);
 *	t = kafka_producer_topic(p, "orders", why);
 *	kafka_producer_send(p, t, &(struct kafka_send){.key = k, .value = v, ...}, why);
 *	...                                  delivered(arg, opaque, NULL or a failure)
 *	kafka_producer_flush(p, 60000, why);
 *	kafka_producer_close(p);
 *
 * Idempotent, acks=all, zstd, and keys where the Java clients put them, unless the config
 * says otherwise. Delivery reports come inside of send, poll and flush, on their thread.
 * What is queued is bounded (queue.buffering.max.kbytes and .messages); send waits for
 * room. A producer that had to, has no transactions and was not told how much to queue, or where
 * keys go, sends by two clients from then on, each to half of the partitions: librdkafka
 * compresses all that goes to a broker in one thread.
 */
#ifndef SK_KAFKA_PRODUCE_H
#define SK_KAFKA_PRODUCE_H

#include "flow/flow.h"
#include "kafka/config.h"

struct kafka_producer;

/* A topic that is there. Lives as long as the producer. */
struct kafka_topic {
	const char *name;
	int32_t partitions;
	uint32_t max_bytes;  /* of a record: the topic's max.message.bytes */
	void *handle, *twin; /* the room's own */
};

struct kafka_produce {
	/* Topics that are known beforehand: they bound the size of a batch, so that a
	 * broker never refuses records for their neighbours. */
	const char *const *topics;
	size_t ntopics;
	int connect_ms;      /* how long to wait for a broker */
	const char *transaction; /* the name of its transactions, transact.h; NULL: none */
	int transaction_ms;  /* how long one may take, unless the config says; 0: the default */
	/* The record sent with opaque was stored (why NULL), or never will be: EXIT_DATA
	 * if the broker refused it for what it is. */
	void (*delivered)(void *arg, void *opaque, const struct failure *why);
	void *arg;
};

struct kafka_send {
	int32_t partition;   /* -1: by the key, and at random without one */
	int64_t ts_ms;       /* TIME_NONE: now */
	struct slice key;    /* p == NULL: none */
	struct slice value;  /* p == NULL: a tombstone */
	const struct header *header;
	size_t nheaders;
	void *opaque;
};

/* NULL: EXIT_UNAVAILABLE, EXIT_NOPERM, EXIT_CONFIG; EXIT_CANTCREATE if a topic isn't
 * there: none is made. The config outlives the producer. */
struct kafka_producer *kafka_producer_open(const struct kafka_config *,
	const struct kafka_produce *, struct failure *why);

/* Find a topic, once; its metadata is at hand then, which would cost the first
 * transaction a second. One whose max.message.bytes is below the size of a batch as the
 * first topics fixed it is refused: EXIT_CONFIG, with the setting that mends it. */
const struct kafka_topic *kafka_producer_topic(struct kafka_producer *, const char *name,
	struct failure *why);

/* Queue one record; its bytes are copied. A record that is too large or names a partition
 * that isn't there is a bad record: EXIT_DATA, and nothing is reported for it later. */
int kafka_producer_send(struct kafka_producer *, const struct kafka_topic *,
	const struct kafka_send *, struct failure *why);

/* Queue n records, in order, which costs less than one by one. Those before *taken are queued;
 * where it fails, that is the one that it failed on. */
int kafka_producer_send_many(struct kafka_producer *, const struct kafka_topic *,
	const struct kafka_send *, size_t n, size_t *taken, struct failure *why);

/* Run the delivery reports that have come. -1: the producer is dead (EXIT_FENCED,
 * ...). */
int kafka_producer_poll(struct kafka_producer *, struct failure *why);

/* Records queued and not reported yet. */
size_t kafka_producer_pending(const struct kafka_producer *);

/* Wait until every record is reported. EXIT_UNAVAILABLE after wait_ms. */
int kafka_producer_flush(struct kafka_producer *, int wait_ms, struct failure *why);

/* Drop what is not reported, and free all; NULL is fine. */
void kafka_producer_close(struct kafka_producer *);

#endif

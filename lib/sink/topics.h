/*
 * topics: what the files of the topics' sinks share; nobody else includes it. kafka.c makes
 * records into messages, topics.c finds topics and the producers that send to them, commit.c
 * commits what was sent.
 */
#ifndef SK_SINK_TOPICS_H
#define SK_SINK_TOPICS_H

#include "base/buf.h"
#include "base/table.h"
#include "kafka/produce.h"
#include "sink/kafka.h"

#define CONNECT_MS 30000

struct kafka_output {
	struct kafka_output_options opt;
	struct kafka_producer **producer;
	size_t nproducers, cap_producers;
	struct table topics;             /* name -> struct found * */
	bool failed;
	struct failure why;              /* with failed */
	struct committer committer;
	struct kafka_producer *commits;  /* with transactions; NULL before its begin */
	char *app;
	int transaction_ms;
	bool plain;                      /* sinks send by producers of their own */
	struct buf last;                 /* the position that came last, as text */
	bool looked;                     /* for another copy */
	bool alone;                      /* nobody else had committed of this stream */
};

struct found {
	const struct kafka_topic *topic; /* NULL: why it is not to be had */
	struct kafka_producer *producer;
	struct failure why;
};

/* Whether a topic is there and for us is asked once. NULL: why not. */
const struct found *output_find_topic(struct kafka_output *, const char *name,
	struct failure *why);

/* A topic that isn't there, may not be written to, or has no room for the producer's batches:
 * whoever names it is to blame, others go on. */
bool output_is_refusal(const struct failure *why);

/* -1: a record was not delivered, or a failure that ends all sinks was told. */
int output_check(struct kafka_output *, struct failure *why);

/* Every record that was sent is reported. -2: why says it of no sink. */
int output_sync(struct kafka_output *, struct failure *why);

/* A producer's report; arg is the output. */
void output_delivered(void *arg, void *opaque, const struct failure *why);

/* Fenced: if the group knows no other copy, it was the brokers, and the job may go on from its
 * last commit. */
void output_look_for_copy(struct kafka_output *, struct failure *why);

#endif

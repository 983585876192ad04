/*
 * kafka: topics as sinks. All of a run share one producer.
 *
 *	kafka:TOPIC?key=EXPR&partition=EXPR&header.NAME=EXPR&ts=EXPR
 *
 * Such a sink takes records, and envelope lines. Key, headers and timestamp are the record's
 * unless an expression says otherwise; it sees the value as "." and the rest in its variables. A
 * null value is a tombstone. TOPIC may hold {EXPR}: then the value decides the topic, among
 * those that --allow names.
 */
#ifndef SK_SINK_KAFKA_H
#define SK_SINK_KAFKA_H

#include "flow/flow.h"
#include "kafka/admin.h"
#include "kafka/config.h"

struct kafka_output;

struct kafka_output_options {
	const struct kafka_config *config; /* borrowed */
	const char *const *allow;          /* globs of topics that data may choose */
	size_t nallow;
	const struct kafka_new_topic *create; /* make topics that are missing, like this one;
						 NULL: make none */
};

/* Connects to nothing yet. */
struct kafka_output *kafka_output_new(const struct kafka_output_options *);

/* After its sinks are closed; what was not delivered is dropped. NULL is fine. */
void kafka_output_free(struct kafka_output *);

/*
 * A sink for the URI. NULL: EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_CANTCREATE (there is no such
 * topic). flush runs delivery reports without waiting, sync waits for all. A record that
 * cannot be sent for what it is fails the sink with EXIT_DATA.
 */
struct sink *kafka_sink_open(struct kafka_output *, const char *uri, struct failure *why);

/*
 * Who commits, in one transaction with what the sinks send, the place of a source (flow.h).
 * The output's, and it works without any sink as well. begin gives all topics that were found to
 * one producer, and so those that are found later: one that takes less than a batch of it is
 * refused, EXIT_CONFIG, with the setting that mends it.
 */
struct committer *kafka_output_committer(struct kafka_output *);

#endif

/*
 * kafka_options: the options of a kafka: source, and what it must not read: the topics that the
 * same run writes.
 */
#ifndef SK_SOURCE_KAFKA_OPTIONS_H
#define SK_SOURCE_KAFKA_OPTIONS_H

#include "kafka/consume.h"
#include "kafka/uri.h"

/* group, offset, until, partition, merge and isolation; what borrows from the URI, and from
 * *partitions, which is the caller's. EXIT_USAGE. */
int kafka_take_options(struct kafka_consume *, const struct kafka_uri *, int32_t **partitions,
	struct failure *why);

/* Of these sinks (NULL behind the last; NULL: none), add the topics as a regular expression, or
 * nothing. */
void written_find(const char *const *sinks, struct buf *expression);

/* EXIT_USAGE if a topic that has no end is written too (exclude). */
int written_check(const struct kafka_consume *, struct failure *why);

#endif

/* kafka: topics as a source. source_open() comes here for URIs that begin with kafka: */
#ifndef SK_SOURCE_KAFKA_H
#define SK_SOURCE_KAFKA_H

#include "flow/flow.h"
#include "kafka/config.h"

/*
 * kafka:TOPIC[,TOPIC...] or kafka:^REGEX, with the options group, offset, until, partition
 * and isolation (streamkit-uri(7)). The config is borrowed for the life of the source.
 * One block is out at a time: read() takes back what the last block's meta points at.
 */
struct source *kafka_source_open(const char *uri, const struct kafka_config *,
	struct failure *why);

#endif

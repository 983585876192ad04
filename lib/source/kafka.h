/* kafka: topics as a source. source_open() comes here for URIs that begin with kafka: */
#ifndef SK_SOURCE_KAFKA_H
#define SK_SOURCE_KAFKA_H

#include "source/source.h"

/*
 * kafka:TOPIC[,TOPIC...] or kafka:^REGEX, with the options group, offset, until, partition,
 * isolation and merge (streamkit-uri(7)). The config is borrowed for the life of the source.
 * One block is out at a time: read() takes back what the last block's meta points at.
 *
 * A topic that the run writes to (options' sinks) is none that a pattern means, and where
 * it is named by itself a read without an end is refused: EXIT_USAGE.
 */
struct source *kafka_source_open(const char *uri, const struct source_options *,
	struct failure *why);

#endif

/* capture: a folder of captured records as a source. source_open() comes here. */
#ifndef SK_SOURCE_CAPTURE_H
#define SK_SOURCE_CAPTURE_H

#include "source/source.h"

/*
 * capture:DIR, with the options topic, partition, from, to and merge (streamkit-uri(7)). What
 * the folder holds is looked up here; what is captured later is not read. NULL: EXIT_USAGE,
 * EXIT_NOINPUT for a folder or a topic that isn't there, EXIT_DATA for a segment that is
 * missing or has another size than the manifest says.
 */
struct source *capture_source_open(const char *uri, const struct source_options *,
	struct failure *why);

#endif

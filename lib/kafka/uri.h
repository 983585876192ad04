/*
 * uri: "kafka:TOPIC[,TOPIC...][?NAME=VALUE&...]" taken apart.
 *
 * Options are parted by "&"; in a value, %26 is "&", %25 is "%", and any other %HH the byte
 * with that number. A "?" in a regex of topics is written %3F.
 */
#ifndef SK_KAFKA_URI_H
#define SK_KAFKA_URI_H

#include "base/failure.h"

struct kafka_option {
	char *name, *value; /* owned by the uri */
};

struct kafka_uri {
	char **topic;       /* names, or one "^REGEX"; NULL-ended */
	size_t ntopics;
	struct kafka_option *option;
	size_t noptions;
};

/* EXIT_USAGE: no topic, an option without "=", a bad %. */
int kafka_uri_parse(const char *uri, struct kafka_uri *, struct failure *why);
void kafka_uri_release(struct kafka_uri *);

#endif

/*
 * properties: a file of properties as text, and the Java client's names in librdkafka's
 * words. Private to this room; knows neither librdkafka nor what a property may be.
 */
#ifndef SK_KAFKA_PROPERTIES_H
#define SK_KAFKA_PROPERTIES_H

#include "base/failure.h"

struct property {
	char *name, *value; /* owned */
	unsigned line;      /* where it begins, from 1 */
};

struct properties {
	struct property *v;
	size_t n, cap;
};

/* A name without the "topic." that kcat puts in front of properties of topics; some of
 * librdkafka's own begin so too. */
struct slice property_name(struct slice name);

/* Parse a file's text, by the rules of .properties files (java) or of kcat. Fails with
 * EXIT_CONFIG and "LINE: text". A later line of the same name stands behind the
 * earlier. */
int properties_read(struct properties *, struct slice text, bool java,
	struct failure *why);

/* Translate the names and values that are the Java client's; what concerns Java alone is
 * taken out. Fails as properties_read does. */
int properties_translate(struct properties *, struct failure *why);

/* Frees all; {0} is fine. */
void properties_release(struct properties *);

#endif

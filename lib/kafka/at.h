/* at: where to read from, as a user says it. */
#ifndef SK_KAFKA_AT_H
#define SK_KAFKA_AT_H

#include "kafka/consume.h"

/* "earliest", "latest", "N", "-N" (from the end), "@TIME" (RFC 3339, or "@-2h": two hours
 * ago), with n the number, or the time in ms. EXIT_USAGE. */
int kafka_at_parse(const char *text, enum kafka_at *, int64_t *n, struct failure *why);

#endif

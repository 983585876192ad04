/*
 * align: of a consumer's partitions, those that are further in event time than others are held
 * until the others have come up, so that no more is kept for them than that. One that is read
 * to its end is waited for by nobody.
 */
#ifndef SK_SOURCE_ALIGN_H
#define SK_SOURCE_ALIGN_H

#include "kafka/consume.h"

/* Hold those that are more than by_us ahead, or ahead of one that has told no time yet, and let
 * the others go on. Between two reads. */
int align_places(struct kafka_consumer *, int64_t by_us, struct failure *why);

#endif

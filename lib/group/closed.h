/*
 * closed: the keys of the groups that were finished last, in the order in which they were, so
 * that the eldest can be forgotten. The keys themselves stand in the state, as marks that
 * hold their number; this is made again from them. 24 bytes a key.
 */
#ifndef SK_GROUP_CLOSED_H
#define SK_GROUP_CLOSED_H

#include "base/keyed.h"

struct closed_key {
	uint64_t number;
	struct key128 key;
};

/* {0} is empty. */
struct closed {
	struct closed_key *key; /* a ring: n of them from first on */
	size_t first, n, cap;
	uint64_t next;          /* number of the next one */
};

/* Take in one more; its number. */
uint64_t closed_add(struct closed *, struct key128);
/* Where more than max are there, the eldest, taken out: true. */
bool closed_eldest(struct closed *, uint64_t max, struct key128 *);

/* Making it again: all of them, in any order, then in order. */
void closed_found(struct closed *, uint64_t number, struct key128);
void closed_sort(struct closed *);

void closed_release(struct closed *);

#endif

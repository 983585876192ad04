/* What keyed_hash_all does of inputs of few words, eight at a time; nobody else includes it. */
#ifndef SK_BASE_KEYED_EIGHT_H
#define SK_BASE_KEYED_EIGHT_H

#include "base/keyed.h"

#define KEYED_LANES 8
#define KEYED_WORDS (KEYED_SHORT / 8 + 1) /* of an input, the last one included, at the most */

/* word[i]: word i of each input, of which each has n. */
void keyed_eight(const struct keyed *, const uint64_t (*word)[KEYED_LANES], size_t n,
	struct key128 *out);

#endif

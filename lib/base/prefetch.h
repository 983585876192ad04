/*
 * prefetch: functions that bring near what will be looked at. One that does nothing else has no
 * effect, thinks gcc, and leaves its calls out, unless it is always part of its caller.
 *
 *	PREFETCHES static inline void
 *	table_prefetch(const struct table *t, uint64_t hash)
 */
#ifndef SK_BASE_PREFETCH_H
#define SK_BASE_PREFETCH_H

#define PREFETCHES __attribute__((always_inline))

#endif

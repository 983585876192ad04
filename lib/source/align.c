/* Partitions, held in step. */
#include "source/align.h"

/* The oldest of the newest times of partitions from which more is to come, INT64_MAX without
 * one: what is held has more, whatever it was asked last. INT64_MIN: one has told none yet. */
static int64_t
hindmost(struct kafka_place *const *place, size_t n)
{
	int64_t us = INT64_MAX;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct kafka_place *p = place[i];

		if (!p->assigned || p->ended || (p->at_end && !p->held))
			continue;
		if (!p->input.seen)
			return INT64_MIN;
		if (p->input.newest_us < us)
			us = p->input.newest_us;
	}
	return us;
}

int
align_places(struct kafka_consumer *c, int64_t by_us, struct failure *why)
{
	struct kafka_place *const *place;
	int64_t last, most;
	size_t n, i;

	place = kafka_consumer_places(c, &n);
	last = hindmost(place, n);
	most = last > INT64_MAX - by_us ? INT64_MAX : last == INT64_MIN ? last : last + by_us;
	for (i = 0; i < n; i++) {
		struct kafka_place *p = place[i];
		bool ahead = p->assigned && !p->ended && p->input.seen &&
			p->input.newest_us > most;

		if (ahead != p->held && kafka_consumer_hold(c, p, ahead, why) < 0)
			return -1;
	}
	return 0;
}

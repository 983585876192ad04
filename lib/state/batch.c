/* Keys that come together: each is brought near in memory while others are looked up. */
#include "state/internal.h"

#define NEAR 16 /* keys ahead */

/* Has a slot nothing but a key, which stays as it is? */
static bool
is_plain(const struct state *s)
{
	return s->entry == sizeof(struct key128) && !s->opt.expires;
}

/* Keys from *i on, up to one that is not like the others: its part has to grow, or a bound is
 * reached. */
static int
add_plain(struct state *s, struct task *t, const struct key128 *key, size_t n, size_t *at,
	uint8_t *made, struct failure *why)
{
	uint64_t had = s->keys, room = s->max_keys > had ? s->max_keys - had : 0, fresh = 0;
	bool durable = s->durable, there;
	size_t i = *at;
	char *slot;
	int rc = 0;

	for (; i < n && fresh < room; i++) {
		if (i + NEAR < n)
			parts_prefetch(&t->parts, key[i + NEAR]);
		slot = parts_look(&t->parts, key[i], &there);
		made[i] = !there;
		if (there)
			continue;
		if (__builtin_expect(!slot, 0))
			break;
		parts_take(&t->parts, key[i], slot);
		fresh++;
		if (durable && (rc = log_put(s, t, slot, why)) < 0)
			break;
	}
	s->keys += fresh;
	t->credit += 4 * fresh;
	*at = i;
	return rc;
}

size_t
state_add_all(struct state *s, uint32_t task, const struct key128 *key, size_t n,
	uint8_t *made, struct failure *why)
{
	struct task *t = is_plain(s) ? state_task(s, task) : NULL;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		if (t && add_plain(s, t, key, n, &i, made, why) < 0)
			break;
		if (i == n)
			break;
		rc = state_add(s, task, key[i], (struct slice){"", 0}, NULL, why);
		if (rc < 0)
			break;
		made[i] = (uint8_t)rc;
	}
	return i;
}

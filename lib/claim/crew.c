/* Hands, berths, and one lock. */
#include "claim/crew.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

#define KEPT_BYTES ((size_t)8 << 20) /* of a berth, for the next payload */

struct crew {
	const struct claim_options *opt;
	bool puts;
	size_t n;                  /* berths, in a ring */
	struct transfer *berth;
	size_t first, used;        /* those that were begun and not returned, in order */
	pthread_t *hand;
	size_t hands;              /* started */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool over;
};

struct crew *
crew_new(const struct claim_options *opt, size_t n, bool puts)
{
	struct crew *c = mem_zalloc(sizeof(*c));

	c->opt = opt;
	c->puts = puts;
	c->n = n;
	c->berth = mem_array(n, sizeof(*c->berth));
	c->hand = mem_array(n, sizeof(*c->hand));
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	pthread_cond_init(&c->done, NULL);
	return c;
}

void
crew_free(struct crew *c)
{
	size_t i;

	if (!c)
		return;
	crew_forget(c, NULL);
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	for (i = 0; i < c->hands; i++)
		pthread_join(c->hand[i], NULL);
	for (i = 0; i < c->n; i++)
		buf_release(&c->berth[i].fetched.content);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->done);
	free(c->berth);
	free(c->hand);
	free(c);
}

/* The oldest transfer that waits for a hand. */
static struct transfer *
waiting(struct crew *c)
{
	struct transfer *t;
	size_t i;

	for (i = 0; i < c->used; i++) {
		t = &c->berth[(c->first + i) % c->n];
		if (t->state == BERTH_WAITS)
			return t;
	}
	return NULL;
}

static void *
work(void *arg)
{
	struct crew *c = arg;
	struct transfer *t;
	struct failure why;
	struct porter *p = porter_new(c->opt, &why);

	pthread_mutex_lock(&c->lock);
	for (;;) {
		t = waiting(c);
		if (!t && c->over)
			break;
		if (!t) {
			pthread_cond_wait(&c->work, &c->lock);
			continue;
		}
		t->state = BERTH_RUNS;
		pthread_mutex_unlock(&c->lock);
		if (!p) {
			t->why = why;
			t->rc = -1;
		} else {
			t->rc = c->puts ? porter_put(p, t->payload, &t->claim, &t->why) :
				porter_get(p, &t->claim, &t->fetched, &t->why);
		}
		pthread_mutex_lock(&c->lock);
		t->state = BERTH_DONE;
		pthread_cond_signal(&c->done);
	}
	pthread_mutex_unlock(&c->lock);
	porter_free(p);
	return NULL;
}

struct transfer *
crew_berth(struct crew *c)
{
	return c->used < c->n ? &c->berth[(c->first + c->used) % c->n] : NULL;
}

int
crew_begin(struct crew *c, struct transfer *t, const struct record *r, struct failure *why)
{
	int rc;

	t->block = r->block->number;
	t->record = r->index;
	if (c->hands < c->n && c->hands <= c->used) {
		rc = pthread_create(&c->hand[c->hands], NULL, work, c);
		if (rc && !c->hands)
			return fail(why, EXIT_OS, "cannot start a thread: %s", strerror(rc));
		c->hands += !rc;
	}
	pthread_mutex_lock(&c->lock);
	t->state = BERTH_WAITS;
	c->used++;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static void
await(struct crew *c, struct transfer *t)
{
	pthread_mutex_lock(&c->lock);
	while (t->state != BERTH_DONE)
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void
crew_return(struct crew *c, struct transfer *t)
{
	pthread_mutex_lock(&c->lock);
	t->state = BERTH_FREE;
	c->first = (c->first + 1) % c->n;
	c->used--;
	pthread_mutex_unlock(&c->lock);
	if (t->fetched.content.cap > KEPT_BYTES)
		buf_release(&t->fetched.content);
}

/* The first transfer is not wanted: if no hand has it, none gets it. */
static void
give_up(struct crew *c)
{
	struct transfer *t = &c->berth[c->first];

	pthread_mutex_lock(&c->lock);
	if (t->state == BERTH_WAITS)
		t->state = BERTH_DONE;
	pthread_mutex_unlock(&c->lock);
	await(c, t);
	crew_return(c, t);
}

struct transfer *
crew_take(struct crew *c, const struct record *r)
{
	struct transfer *t;

	while (c->used) {
		t = &c->berth[c->first];
		if (t->block > r->block->number ||
			(t->block == r->block->number && t->record > r->index))
			return NULL;
		if (t->block == r->block->number && t->record == r->index) {
			await(c, t);
			return t;
		}
		give_up(c);
	}
	return NULL;
}

void
crew_forget(struct crew *c, const struct block *b)
{
	while (c->used && (!b || c->berth[c->first].block <= b->number))
		give_up(c);
}

/* A ring of blocks between the thread that reads and who takes them. */
#include "join/row_blocks.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cpus.h"
#include "base/mem.h"

#define RING 4

struct slot {
	struct row_block b;
	struct failure why;
	int rc;                /* of the read */
};

struct row_blocks {
	struct source *source;
	const struct sides *sides;
	bool threaded, begun;
	bool first_is_read;
	struct slot slot[RING];
	pthread_t thread;
	pthread_mutex_t lock;  /* guards what follows */
	pthread_cond_t filled, emptied;
	size_t first, n;       /* slots from first on are filled; the first may be in hand */
	bool taken;            /* it is */
	bool stop;
};

struct row_blocks *
row_blocks_new(struct source *source, const struct sides *sides, bool alone)
{
	struct row_blocks *r = mem_zalloc(sizeof(*r));

	r->source = source;
	r->sides = sides;
	r->threaded = !alone && cpus_usable() > 1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->filled, NULL);
	pthread_cond_init(&r->emptied, NULL);
	return r;
}

static int
read_block(struct row_blocks *r, struct slot *s)
{
	struct block *b = &s->b.block;

	b->too_long = 0;
	b->origin = NULL;
	b->meta = NULL;
	return r->source->read(r->source, b, &s->why);
}

static void
look(struct row_blocks *r, struct slot *s)
{
	const struct source *source = r->source;

	if (s->rc <= 0)
		return;
	s->b.part = source->total_bytes ?
		(double)source->done_bytes / (double)source->total_bytes : 0;
	if (s->b.block.too_long)
		return;
	json_scan_block(&s->b.scan, s->b.block.p, s->b.block.n, false);
	sides_note(r->sides, &s->b.scan, &s->b.block.notes);
}

/* ---- the thread -------------------------------------------------------------------- */

static struct slot *
await_free(struct row_blocks *r)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&r->lock);
	while (r->n == RING && !r->stop)
		pthread_cond_wait(&r->emptied, &r->lock);
	if (!r->stop)
		s = &r->slot[(r->first + r->n) % RING];
	pthread_mutex_unlock(&r->lock);
	return s;
}

static void *
run(void *arg)
{
	struct row_blocks *r = arg;
	struct slot *s;
	int off, rc = 1;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
	while (rc > 0 && (s = await_free(r))) {
		/* Only here may it be ended: a pipe may never give more. */
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &off);
		rc = read_block(r, s);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
		s->rc = rc;
		look(r, s);
		pthread_mutex_lock(&r->lock);
		r->n++;
		pthread_cond_signal(&r->filled);
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

void
row_blocks_free(struct row_blocks *r)
{
	size_t i;

	if (!r)
		return;
	if (r->threaded && r->begun) {
		pthread_mutex_lock(&r->lock);
		r->stop = true;
		pthread_cond_signal(&r->emptied);
		pthread_mutex_unlock(&r->lock);
		pthread_cancel(r->thread);
		pthread_join(r->thread, NULL);
	}
	for (i = 0; i < RING; i++) {
		block_release(&r->slot[i].b.block);
		json_scan_release(&r->slot[i].b.scan);
	}
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->filled);
	pthread_cond_destroy(&r->emptied);
	free(r);
}

/* ---- who takes the blocks ---------------------------------------------------------- */

static struct slot *
await_filled(struct row_blocks *r)
{
	struct slot *s;

	pthread_mutex_lock(&r->lock);
	if (r->taken) {
		r->first = (r->first + 1) % RING;
		r->n--;
		pthread_cond_signal(&r->emptied);
	}
	while (!r->n)
		pthread_cond_wait(&r->filled, &r->lock);
	r->taken = true;
	s = &r->slot[r->first];
	pthread_mutex_unlock(&r->lock);
	return s;
}

/* Where there is only little, no thread is worth it. */
static void
begin(struct row_blocks *r)
{
	if (r->threaded)
		r->threaded = pthread_create(&r->thread, NULL, run, r) == 0;
	r->begun = true;
}

int
row_blocks_next(struct row_blocks *r, struct row_block **b, struct failure *why)
{
	struct slot *s = &r->slot[RING - 1];

	if (r->first_is_read && !r->begun)
		begin(r);
	r->first_is_read = true;
	if (r->threaded && r->begun) {
		s = await_filled(r);
	} else {
		s->rc = read_block(r, s);
		look(r, s);
	}
	*b = &s->b;
	if (s->rc < 0)
		*why = s->why;
	return s->rc;
}

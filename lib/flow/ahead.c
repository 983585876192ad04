/*
 * A ring of blocks that circulate between the two threads: the reading one fills a slot, the
 * other swaps it with the block that it is done with.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "flow/ahead.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/mem.h"

#define SLOTS 3

struct slot {
	struct block block;
	struct json_scan scan;
	struct taken taken;
	struct failure why;
	int rc;              /* of the read */
};

struct ahead {
	struct flow *flow;
	void *op;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled, emptied;
	size_t first, n;     /* filled slots */
	bool stop;
	struct slot slot[SLOTS];
	atomic_bool lazy;    /* how the next block is to be scanned */
	uint64_t number;     /* of scans: each has its own */
};

bool
ahead_is_fit(const struct flow *f)
{
	const struct flow_options *opt = f->opt;
	cpu_set_t cpus;

	if (!(f->op->flags & OP_STATE) || opt->jobs > 1 || opt->one_thread ||
		!f->source->position || f->source->one_block || opt->time.idle_us)
		return false;
	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

/* ---- the thread ------------------------------------------------------------------------ */

static void
fill(struct ahead *a, struct slot *s)
{
	int off;

	/* Only here may it be ended: a pipe may never give more. */
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &off);
	s->rc = flow_read(a->flow, &s->block, &s->taken, 0, &s->why);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
	if (s->rc <= 0 || s->block.too_long)
		return;
	/* Who has looked at another scan knows it by its number. */
	s->scan.number = a->number++;
	worker_scan(a->flow, a->op, &s->scan, &s->block, atomic_load(&a->lazy));
}

static void *
run(void *arg)
{
	struct ahead *a = arg;
	struct slot *s;
	int off, rc = 1;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
	while (rc > 0) {
		pthread_mutex_lock(&a->lock);
		while (a->n == SLOTS && !a->stop)
			pthread_cond_wait(&a->emptied, &a->lock);
		s = &a->slot[(a->first + a->n) % SLOTS];
		rc = a->stop ? 0 : 1;
		pthread_mutex_unlock(&a->lock);
		if (!rc)
			break;
		fill(a, s);
		rc = s->rc;
		pthread_mutex_lock(&a->lock);
		a->n++;
		pthread_cond_signal(&a->filled);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

struct ahead *
ahead_start(struct worker *w)
{
	struct ahead *a = mem_zalloc(sizeof(*a));
	pthread_condattr_t monotonic;

	a->flow = w->flow;
	a->op = w->op;
	a->number = w->scan.number;
	atomic_store(&a->lazy, worker_is_lazy(w));
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->filled, &monotonic);
	pthread_cond_init(&a->emptied, NULL);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&a->thread, NULL, run, a) == 0)
		return a;
	free(a);
	return NULL;
}

void
ahead_stop(struct ahead *a)
{
	size_t i;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->emptied);
	pthread_mutex_unlock(&a->lock);
	pthread_cancel(a->thread);
	pthread_join(a->thread, NULL);
	for (i = 0; i < SLOTS; i++) {
		block_release(&a->slot[i].block);
		json_scan_release(&a->slot[i].scan);
	}
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->filled);
	pthread_cond_destroy(&a->emptied);
	free(a);
}

/* ---- the other ------------------------------------------------------------------------- */

static void
swap(struct worker *w, struct slot *s)
{
	struct block block = w->block;
	struct json_scan scan = w->scan;

	w->block = s->block;
	w->scan = s->scan;
	w->taken = s->taken;
	s->block = block;
	s->scan = scan;
}

int
ahead_take(struct ahead *a, struct worker *w, int64_t wake_ns)
{
	struct timespec at = {.tv_sec = wake_ns / 1000000000, .tv_nsec = wake_ns % 1000000000};
	struct slot *s;
	int rc = 0;

	atomic_store(&a->lazy, worker_is_lazy(w));
	pthread_mutex_lock(&a->lock);
	while (a->n == 0 && rc != ETIMEDOUT)
		rc = wake_ns ? pthread_cond_timedwait(&a->filled, &a->lock, &at) :
			pthread_cond_wait(&a->filled, &a->lock);
	if (a->n == 0) {
		pthread_mutex_unlock(&a->lock);
		w->block.n = 0;
		w->block.too_long = 0;
		w->scan.nlines = w->scan.feeds = 0;
		return 1;
	}
	s = &a->slot[a->first];
	rc = s->rc;
	w->why = s->why;
	swap(w, s);
	/* The end stays where it is. */
	if (rc > 0) {
		a->first = (a->first + 1) % SLOTS;
		a->n--;
		pthread_cond_signal(&a->emptied);
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

bool
ahead_waits(struct ahead *a)
{
	bool waits;

	pthread_mutex_lock(&a->lock);
	waits = a->n == 0;
	pthread_mutex_unlock(&a->lock);
	return waits;
}

/*
 * A ring of slots. One thread at a time reads: it begins the next slot, and so blocks stand in
 * the order in which they were read. What is read each thread scans for itself; of a plain file
 * it reads most of it beside the others too (source.leaves). Who takes blocks takes the first
 * slot, once it is full, and gives back what it is done with.
 *
 * The memory of a block and of its scan, some hundred KiB that are written from end to end, goes
 * back to the thread that filled it, and what came back last is used first: it is near that
 * thread's processor, and to write to what is near another one takes longer.
 *
 * To sleep and to be woken costs as much as a good part of a block. So a thread that found all
 * slots full is not woken before half of them are free again. And one that finds itself on the
 * processor of who takes blocks leaves it (cpus.h).
 */
#include "flow/ahead.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cpus.h"
#include "base/mem.h"

#define SPARE 3 /* slots, beside one a thread */
#define PATIENCE 256

struct slot {
	struct block block;
	struct json_scan scan;
	struct taken taken;
	struct failure why;
	size_t owner;        /* the hand that fills it */
	int rc;              /* of the read */
	bool full;           /* read and scanned */
};

/* What a slot gets to be filled. */
struct gear {
	struct block block;
	struct json_scan scan;
};

struct hand {
	struct ahead *ahead;
	pthread_t thread;
	struct gear *spare;  /* that it has filled before */
	size_t nspare;
	unsigned together, patience; /* blocks that it began where blocks are taken */
};

struct ahead {
	struct flow *flow;
	void *op;
	struct hand *hand;   /* the first is who takes blocks; then the threads */
	size_t nthreads, nhands;
	size_t owner;        /* the hand that filled the block in hand */
	bool helps;          /* who finds no block reads one: a read never waits */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled, emptied;
	struct slot *slot;
	size_t nslots, first, begun; /* slots from first on */
	bool reading;        /* somebody is at it */
	bool full;           /* a thread has found it so, and half of it is not free yet */
	int cpu;             /* where blocks are taken, or -1 */
	bool over, stop;     /* there is nothing more to read; it is not wanted */
	uint64_t number;     /* of scans: each has its own */
	atomic_bool lazy;    /* how the next block is to be scanned */
};

bool
ahead_is_fit(const struct flow *f)
{
	const struct flow_options *opt = f->opt;

	if (!(f->op->flags & OP_STATE) || opt->jobs > 1 || opt->one_thread ||
		!f->source->position || f->source->one_block || opt->time.idle_us)
		return false;
	return cpus_usable() > 1;
}

/* ---- reading and scanning ---------------------------------------------------------- */

/* With the lock. */
static bool
may_begin(const struct ahead *a)
{
	return !a->reading && !a->over && a->begun < a->nslots;
}

/* With the lock. Its own, or another's, or what nobody had yet. */
static struct gear
take_gear(struct ahead *a, size_t hand)
{
	struct hand *h;
	size_t i;

	for (i = 0; i < a->nhands; i++) {
		h = &a->hand[(hand + i) % a->nhands];
		if (h->nspare)
			return h->spare[--h->nspare];
	}
	return (struct gear){.block = {.n = 0}};
}

/* With the lock. */
static struct slot *
begin(struct ahead *a, size_t hand)
{
	struct slot *s = &a->slot[(a->first + a->begun++) % a->nslots];
	struct gear gear = take_gear(a, hand);

	s->block = gear.block;
	s->scan = gear.scan;
	s->owner = hand;
	a->reading = true;
	s->full = false;
	return s;
}

/* The next one may be read. */
static void
end_read(struct ahead *a, struct slot *s)
{
	pthread_mutex_lock(&a->lock);
	a->reading = false;
	a->over |= s->rc <= 0;
	/* Who has looked at another scan knows it by its number. */
	s->scan.number = a->number++;
	pthread_cond_signal(&a->emptied);
	if (a->helps)
		pthread_cond_signal(&a->filled);
	pthread_mutex_unlock(&a->lock);
}

/* What is left of a read, and the scan. */
static void
fill(struct ahead *a, struct slot *s)
{
	if (s->rc > 0)
		s->rc = flow_read_rest(a->flow, &s->block, &s->why);
	if (s->rc > 0 && !s->block.too_long)
		worker_scan(a->flow, a->op, &s->scan, &s->block, atomic_load(&a->lazy));
	pthread_mutex_lock(&a->lock);
	a->over |= s->rc <= 0;
	s->full = true;
	pthread_cond_signal(&a->filled);
	pthread_mutex_unlock(&a->lock);
}

/* ---- a thread ---------------------------------------------------------------------- */

/* Leave the processor where blocks are taken. Where others leave no room elsewhere it is tried ever
 * less often. cpu: that one. */
static void
part(struct hand *h, int cpu)
{
	if (cpus_here() != cpu) {
		h->together = 0;
		return;
	}
	if (++h->together < h->patience)
		return;
	cpus_leave(cpu);
	h->together = 0;
	if (h->patience < PATIENCE)
		h->patience *= 2;
}

static struct slot *
await_slot(struct hand *h)
{
	struct ahead *a = h->ahead;
	struct slot *s;
	int cpu;

	pthread_mutex_lock(&a->lock);
	while (!may_begin(a) && !a->stop && !a->over) {
		a->full |= a->begun == a->nslots;
		pthread_cond_wait(&a->emptied, &a->lock);
	}
	s = a->stop || a->over ? NULL : begin(a, (size_t)(h - a->hand));
	cpu = a->cpu;
	pthread_mutex_unlock(&a->lock);
	if (s)
		part(h, cpu);
	return s;
}

static void *
run(void *arg)
{
	struct hand *h = arg;
	struct ahead *a = h->ahead;
	struct slot *s;
	int off;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
	while ((s = await_slot(h))) {
		/* Only here may it be ended: a pipe may never give more. */
		if (!a->helps)
			pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &off);
		s->rc = flow_read_next(a->flow, &s->block, &s->taken, 0, &s->why);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
		end_read(a, s);
		fill(a, s);
	}
	return NULL;
}

static void
release(struct ahead *a)
{
	struct gear *g;
	size_t i;

	/* What was taken is elsewhere. */
	for (i = 0; i < a->begun; i++) {
		struct slot *s = &a->slot[(a->first + i) % a->nslots];

		block_release(&s->block);
		json_scan_release(&s->scan);
	}
	for (i = 0; i < a->nhands; i++) {
		for (g = a->hand[i].spare; g < a->hand[i].spare + a->hand[i].nspare; g++) {
			block_release(&g->block);
			json_scan_release(&g->scan);
		}
		free(a->hand[i].spare);
	}
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->filled);
	pthread_cond_destroy(&a->emptied);
	free(a->slot);
	free(a->hand);
	free(a);
}

struct ahead *
ahead_start(struct worker *w)
{
	struct source *source = w->flow->source;
	struct ahead *a = mem_zalloc(sizeof(*a));
	bool several = !w->flow->op->note || w->flow->op->flags & OP_NOTES;
	size_t want = several ? w->flow->ahead_threads : 1;
	pthread_condattr_t monotonic;
	size_t i;

	a->flow = w->flow;
	a->op = w->op;
	a->number = w->scan.number;
	a->cpu = cpus_here();
	a->helps = several && source->total_bytes && !source->endless && !source->stdin_pipe;
	a->nslots = want + SPARE;
	a->nhands = want + 1;
	a->hand = mem_array(a->nhands, sizeof(*a->hand));
	for (i = 0; i < a->nhands; i++) {
		a->hand[i].ahead = a;
		a->hand[i].patience = 1;
		a->hand[i].spare = mem_array(a->nslots + 1, sizeof(*a->hand[i].spare));
	}
	a->slot = mem_zalloc(a->nslots * sizeof(*a->slot));
	atomic_store(&a->lazy, worker_is_lazy(w));
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->filled, &monotonic);
	pthread_cond_init(&a->emptied, NULL);
	pthread_condattr_destroy(&monotonic);
	/* Who asks for positions asks for the first bytes of inputs too. */
	if (a->helps && source->fetch && !w->flow->owner && !w->flow->place.state)
		source->leaves = 1;
	while (a->nthreads < want &&
		pthread_create(&a->hand[a->nthreads + 1].thread, NULL, run,
			&a->hand[a->nthreads + 1]) == 0)
		a->nthreads++;
	if (a->nthreads)
		return a;
	release(a);
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
	pthread_cond_broadcast(&a->emptied);
	pthread_mutex_unlock(&a->lock);
	for (i = 0; i < a->nthreads; i++)
		pthread_cancel(a->hand[i + 1].thread);
	for (i = 0; i < a->nthreads; i++)
		pthread_join(a->hand[i + 1].thread, NULL);
	release(a);
}

/* ---- who takes the blocks ---------------------------------------------------------- */

/* With the lock. What the worker is done with goes back to who filled it; at the end, which
 * stays where it is, into the slot. */
static void
swap(struct ahead *a, struct worker *w, struct slot *s)
{
	struct hand *h = &a->hand[a->owner];
	struct gear done = {w->block, w->scan};
	size_t owner = a->owner;

	w->block = s->block;
	w->scan = s->scan;
	w->taken = s->taken;
	a->owner = s->owner;
	if (s->rc > 0) {
		h->spare[h->nspare++] = done;
		return;
	}
	s->block = done.block;
	s->scan = done.scan;
	s->owner = owner;
}

/* With the lock. The first slot, full; NULL: there is none at wake_ns. */
static struct slot *
await_block(struct ahead *a, int64_t wake_ns)
{
	struct timespec at = {.tv_sec = wake_ns / 1000000000, .tv_nsec = wake_ns % 1000000000};
	struct slot *s;

	while (!a->begun || !a->slot[a->first].full) {
		if (a->helps && may_begin(a)) {
			s = begin(a, 0);
			pthread_mutex_unlock(&a->lock);
			s->rc = flow_read_next(a->flow, &s->block, &s->taken, 0, &s->why);
			end_read(a, s);
			fill(a, s);
			pthread_mutex_lock(&a->lock);
		} else if ((wake_ns ? pthread_cond_timedwait(&a->filled, &a->lock, &at) :
			pthread_cond_wait(&a->filled, &a->lock)) == ETIMEDOUT) {
			return a->begun && a->slot[a->first].full ? &a->slot[a->first] : NULL;
		}
	}
	return &a->slot[a->first];
}

int
ahead_take(struct ahead *a, struct worker *w, int64_t wake_ns)
{
	struct slot *s;
	int rc;

	atomic_store(&a->lazy, worker_is_lazy(w));
	pthread_mutex_lock(&a->lock);
	a->cpu = cpus_here();
	s = await_block(a, wake_ns);
	if (!s) {
		pthread_mutex_unlock(&a->lock);
		w->block.n = 0;
		w->block.too_long = 0;
		w->scan.nlines = w->scan.feeds = 0;
		return 1;
	}
	rc = s->rc;
	w->why = s->why;
	swap(a, w, s);
	if (rc > 0) {
		a->first = (a->first + 1) % a->nslots;
		a->begun--;
		if (a->full && a->begun <= a->nslots / 2) {
			a->full = false;
			pthread_cond_broadcast(&a->emptied);
		}
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

bool
ahead_waits(struct ahead *a)
{
	bool waits;

	pthread_mutex_lock(&a->lock);
	waits = !a->begun || !a->slot[a->first].full;
	pthread_mutex_unlock(&a->lock);
	return waits;
}

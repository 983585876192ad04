/*
 * A member of a group that does not poll loses its membership. So where the reader stays
 * away (its output is blocked), a thread of our own, the keeper, pauses the partitions and
 * polls in its stead; the next read resumes them. The lock makes sure that one of the two
 * is inside of librdkafka at a time.
 */
#include <signal.h>

#include "base/mem.h"
#include "kafka/consumer.h"

static void
keep_polling(struct kafka_consumer *c)
{
	rd_kafka_message_t *m;
	struct failure why;

	if (!c->keeping) {
		c->keeping = true;
		consumer_pause_all(c, true);
	}
	c->apart = true;
	while (!c->trouble.status && (m = rd_kafka_consumer_poll(c->client.rk, 0)) != NULL) {
		/* The end of a partition comes behind its messages. */
		if (!m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			c->stash = mem_grow(c->stash, &c->stash_cap, c->nstash + 1,
				sizeof(*c->stash));
			c->stash[c->nstash++] = m;
			continue;
		}
		if (consumer_event(c, m, &why) < 0)
			c->trouble = why;
		rd_kafka_message_destroy(m);
	}
	c->apart = false;
}

static void *
keeper(void *arg)
{
	struct kafka_consumer *c = arg;
	int64_t step_ns = c->patience_ns < 3000000000 ? c->patience_ns / 3 : 1000000000;
	struct timespec at;

	pthread_mutex_lock(&c->lock);
	while (!c->closing) {
		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_sec += (at.tv_nsec + step_ns) / 1000000000;
		at.tv_nsec = (at.tv_nsec + step_ns) % 1000000000;
		pthread_cond_timedwait(&c->wake, &c->lock, &at);
		if (!c->closing && time_monotonic_ns() - c->read_ns > c->patience_ns)
			keep_polling(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int
consumer_keep(struct kafka_consumer *c, struct failure *why)
{
	sigset_t all, before;
	int err;

	c->read_ns = time_monotonic_ns();
	/* Signals are the driver's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&c->keeper, NULL, keeper, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return fail(why, EXIT_OS, "cannot start a thread: %s", strerror(err));
	c->kept = true;
	return 0;
}

void
consumer_keep_no_more(struct kafka_consumer *c)
{
	if (!c->kept)
		return;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->keeper, NULL);
	c->kept = false;
}

void
consumer_drop_stash(struct kafka_consumer *c)
{
	for (; c->stash_at < c->nstash; c->stash_at++)
		rd_kafka_message_destroy(c->stash[c->stash_at]);
	c->nstash = c->stash_at = 0;
}

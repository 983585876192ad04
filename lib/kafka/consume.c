/*
 * One queue for all partitions, polled message by message: the batch call of librdkafka
 * before 2.1 loses messages around rebalances. A partition's place is found by the last
 * one used: messages come in runs.
 */
#include "kafka/consumer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"

enum { CLOSE_MS = 10000 };

/* ---- places ------------------------------------------------------------------------ */

struct kafka_place *
consumer_place(struct kafka_consumer *c, const char *topic, int32_t partition, bool make)
{
	struct kafka_place *p;
	size_t i;

	for (i = 0; i < c->nplaces; i++)
		if (c->place[i]->input.partition == partition &&
			strcmp(c->place[i]->input.name, topic) == 0)
			return c->place[i];
	if (!make)
		return NULL;
	c->place = mem_grow(c->place, &c->places_cap, c->nplaces + 1, sizeof(*c->place));
	p = mem_zalloc(sizeof(*p));
	p->input = (struct input){
		.name = mem_strdup(topic), .partition = partition, .kafka = true};
	p->next = p->out = p->done = p->committed = -1;
	/* One that comes later holds nothing that was there at the beginning. */
	p->content = true;
	p->bound = c->ask.until == KAFKA_ENDLESS ? INT64_MAX : 0;
	c->place[c->nplaces++] = p;
	return p;
}

/* Everything before offset has been handed out, or will never come. */
void
consumer_end_place(struct kafka_consumer *c, struct kafka_place *p, int64_t offset)
{
	rd_kafka_topic_partition_list_t *list;

	if (p->ended)
		return;
	p->ended = true;
	p->reached = offset;
	c->running--;
	/* What it would still fetch is for nobody. */
	list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, p->input.name, p->input.partition);
	rd_kafka_pause_partitions(c->client.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
}

/* What may be committed of a place; -1: nothing new. Behind the last message of a bounded
 * read there may be markers of transactions: others shall see that it has been read to its
 * end. */
int64_t
consumer_to_commit(const struct kafka_place *p)
{
	int64_t to = p->done;

	if (p->ended && p->done == p->next && p->reached > to &&
		(p->committed >= 0 || p->reached > p->first))
		to = p->reached;
	return to > p->committed ? to : -1;
}

bool
consumer_rests(const struct kafka_consumer *c)
{
	return c->ask.until != KAFKA_ENDLESS && c->assigned && !c->running;
}

bool
kafka_consumer_joined(struct kafka_consumer *c)
{
	bool joined;

	pthread_mutex_lock(&c->lock);
	joined = c->assigned;
	pthread_mutex_unlock(&c->lock);
	return joined;
}

bool
kafka_consumer_rests(struct kafka_consumer *c)
{
	bool rest;

	pthread_mutex_lock(&c->lock);
	rest = consumer_rests(c) && c->stash_at == c->nstash;
	pthread_mutex_unlock(&c->lock);
	return rest;
}

struct kafka_place *const *
kafka_consumer_places(const struct kafka_consumer *c, size_t *n)
{
	*n = c->nplaces;
	return c->place;
}

/* ---- reading ----------------------------------------------------------------------- */

void
consumer_let_go(struct kafka_consumer *c)
{
	size_t i;

	for (i = 0; i < c->nheld; i++)
		rd_kafka_message_destroy(c->held[i]);
	c->nheld = c->nheaders = 0;
}

void
consumer_hold(struct kafka_consumer *c, rd_kafka_message_t *m, struct kafka_place *place)
{
	const char *value = m->payload ? m->payload : m->key;

	c->held = mem_grow(c->held, &c->held_cap, c->nheld + 1, sizeof(*c->held));
	c->message =
		mem_grow(c->message, &c->message_cap, c->nheld + 1, sizeof(*c->message));
	c->held[c->nheld] = m;
	c->message[c->nheld++].place = place;
	c->unwoken += m->len + m->key_len;
	place->next = m->offset + 1;
	place->at_end = false;
	place->doubted = false;
	/* The headers stand behind the value, in memory that another thread has filled: by
	 * the time that the batch is described they will be here. */
	if (value)
		__builtin_prefetch(value + (m->payload ? m->len : m->key_len));
}

static bool
is_headless(const struct kafka_consumer *c, size_t i)
{
	return i + 1 < c->nheld && c->message[i + 1].place == c->message[i].place &&
		consumer_is_headless(c->held[i], c->held[i + 1]);
}

static void
describe(struct kafka_consumer *c, size_t i)
{
	struct kafka_message *out = &c->message[i];
	const rd_kafka_message_t *m = c->held[i];
	struct kafka_place *place = out->place;
	rd_kafka_timestamp_type_t type;
	rd_kafka_headers_t *list;
	const void *value;
	const char *name;
	size_t n, first = c->nheaders;
	int64_t ts = rd_kafka_message_timestamp(m, &type);

	if (!is_headless(c, i) && !rd_kafka_message_headers(m, &list))
		while (!rd_kafka_header_get_all(
			list, c->nheaders - first, &name, &value, &n)) {
			c->header = mem_grow(c->header, &c->header_cap, c->nheaders + 1,
				sizeof(*c->header));
			c->header[c->nheaders++] =
				(struct header){slice_str(name), slice_of(value, n)};
		}
	place->out = m->offset + 1;
	out->meta = (struct meta){.topic = slice_str(place->input.name),
		.partition = m->partition,
		.offset = m->offset,
		.ts_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? TIME_NONE : ts,
		.time_us = TIME_NONE,
		.key = slice_of(m->key, m->key ? m->key_len : 0),
		.nheaders = c->nheaders - first};
	out->value = slice_of(m->payload, m->payload ? m->len : 0);
}

static struct kafka_place *
place_of_message(struct kafka_consumer *c, const rd_kafka_message_t *m)
{
	if (c->last && c->last_topic == m->rkt &&
		c->last->input.partition == m->partition)
		return c->last;
	c->last = consumer_place(c, rd_kafka_topic_name(m->rkt), m->partition, false);
	c->last_topic = m->rkt;
	return c->last;
}

/* An event that is no message. 0: go on. */
int
consumer_event(struct kafka_consumer *c, const rd_kafka_message_t *m, struct failure *why)
{
	struct kafka_place *p = m->rkt ? place_of_message(c, m) : NULL;
	char text[256];

	switch (m->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		if (p)
			consumer_at_end(c, p, m->offset);
		return 0;
	case RD_KAFKA_RESP_ERR__FATAL:
		return kafka_fail(&c->client, why,
			rd_kafka_fatal_error(c->client.rk, text, sizeof(text)), "%s",
			c->ask.group ? c->ask.group : "consumer");
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		fail(why, EXIT_DATA,
			"%s[%" PRId32 "]: offset %" PRId64 " is not there any more",
			p ? p->input.name : "topic", m->partition, m->offset);
		fail_hint(why,
			"retention has removed it; the group's offsets can be reset");
		return -1;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
		return kafka_fail(&c->client, why, m->err, "%s",
			p              ? p->input.name
			: c->ask.group ? c->ask.group
				       : "consumer");
	default:
		/* Brokers come and go; librdkafka goes on asking. */
		return 0;
	}
}

/* The partitions that are ours and not read to their end stop or go on, but for those that are
 * held. */
rd_kafka_resp_err_t
consumer_pause_all(struct kafka_consumer *c, bool pause)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)c->nplaces);
	rd_kafka_resp_err_t err;
	size_t i;

	for (i = 0; i < c->nplaces; i++)
		if (c->place[i]->assigned && !c->place[i]->ended && !c->place[i]->held)
			rd_kafka_topic_partition_list_add(list, c->place[i]->input.name,
				c->place[i]->input.partition);
	err = pause ? rd_kafka_pause_partitions(c->client.rk, list)
		    : rd_kafka_resume_partitions(c->client.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

static rd_kafka_message_t *
next_message(struct kafka_consumer *c, int wait_ms)
{
	if (c->stash_at < c->nstash)
		return c->stash[c->stash_at++];
	consumer_drop_stash(c);
	return rd_kafka_consumer_poll(c->client.rk, wait_ms);
}

static int
read_batch(struct kafka_consumer *c, size_t max, size_t max_bytes, int wait_ms,
	struct failure *why)
{
	int64_t end = time_monotonic_ns() + (int64_t)wait_ms * 1000000, left;
	rd_kafka_message_t *m;
	struct kafka_place *p;
	size_t bytes = 0;
	int status;

	while (c->nheld < max && bytes < max_bytes && !(c->nheld && consumer_rests(c))) {
		/* Once there is one, only what is there. */
		left = c->nheld ? 0 : (end - time_monotonic_ns()) / 1000000;
		m = next_message(c, left > 0 ? (int)left : 0);
		if (c->revoked) {
			/* These are the next owner's: committed is what was done
			 * before. */
			consumer_let_go(c);
			bytes = 0;
			c->revoked = false;
		}
		if (c->anew) {
			if (m)
				rd_kafka_message_destroy(m);
			break;
		}
		if (c->trouble.status) {
			if (m)
				rd_kafka_message_destroy(m);
			*why = c->trouble;
			return -1;
		}
		if (!m) {
			if (left > 0)
				continue;
			break;
		}
		if (m->err) {
			status = consumer_event(c, m, why);
			rd_kafka_message_destroy(m);
			if (status < 0)
				return -1;
			continue;
		}
		p = place_of_message(c, m);
		if (!p || !p->assigned || p->ended) {
			rd_kafka_message_destroy(m);
			continue;
		}
		if (m->offset >= p->bound) {
			rd_kafka_message_destroy(m);
			consumer_end_place(c, p, p->bound);
			continue;
		}
		consumer_hold(c, m, p);
		bytes += m->len + m->key_len;
		if (m->offset + 1 >= p->bound)
			consumer_end_place(c, p, p->bound);
	}
	return 0;
}

int
kafka_consumer_read(struct kafka_consumer *c, struct kafka_batch *batch, size_t max,
	size_t max_bytes, int wait_ms, struct failure *why)
{
	size_t i, at;
	int status;

	*batch = (struct kafka_batch){NULL, 0};
	if (max > INT32_MAX)
		max = INT32_MAX;
	pthread_mutex_lock(&c->lock);
	consumer_let_go(c);
	/* A topic's handle may be another's once no message holds it. */
	c->last = NULL;
	if (c->keeping) {
		c->keeping = false;
		if (!c->paused)
			consumer_pause_all(c, false);
	}
	status = c->ask.merge ? lanes_read(c, max, max_bytes, wait_ms, why) :
		read_batch(c, max, max_bytes, wait_ms, why);
	consumer_ask_ends(c);
	if (c->unwoken >= c->wake_at) {
		c->unwoken = 0;
		kafka_client_wake(&c->client);
	}
	c->batch_era = c->era;
	c->read_ns = time_monotonic_ns();
	pthread_mutex_unlock(&c->lock);
	if (status < 0)
		return -1;
	for (i = 0; i < c->nheld; i++)
		describe(c, i);
	/* The array of headers may have moved while it grew. */
	for (i = at = 0; i < c->nheld; i++)
		if (c->message[i].meta.nheaders) {
			c->message[i].meta.header = c->header + at;
			at += c->message[i].meta.nheaders;
		}
	*batch = (struct kafka_batch){c->message, c->nheld};
	return (int)c->nheld;
}

void
kafka_consumer_done(struct kafka_consumer *c, size_t n)
{
	size_t i;

	pthread_mutex_lock(&c->lock);
	/* What was revoked meanwhile is another's, or begins anew. */
	for (i = 0; i < n && i < c->nheld && c->batch_era == c->era; i++)
		c->message[i].place->done = c->message[i].meta.offset + 1;
	pthread_mutex_unlock(&c->lock);
}

int
kafka_consumer_pause(struct kafka_consumer *c, bool pause, struct failure *why)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	pthread_mutex_lock(&c->lock);
	if (c->paused != pause && !c->keeping)
		err = consumer_pause_all(c, pause);
	if (!err)
		c->paused = pause;
	pthread_mutex_unlock(&c->lock);
	return err ? kafka_fail(&c->client, why, err, "pause") : 0;
}

int
kafka_consumer_hold(struct kafka_consumer *c, struct kafka_place *p, bool hold,
	struct failure *why)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, p->input.name, p->input.partition);
	pthread_mutex_lock(&c->lock);
	if (p->held != hold && p->assigned && !p->ended && !c->paused && !c->keeping)
		err = hold ? rd_kafka_pause_partitions(c->client.rk, list) :
			rd_kafka_resume_partitions(c->client.rk, list);
	if (!err)
		p->held = hold;
	pthread_mutex_unlock(&c->lock);
	rd_kafka_topic_partition_list_destroy(list);
	return err ? kafka_fail(&c->client, why, err, "pause") : 0;
}

/* ---- the end ----------------------------------------------------------------------- */

void
kafka_consumer_close(struct kafka_consumer *c)
{
	size_t i;

	if (!c)
		return;
	consumer_keep_no_more(c);
	consumer_let_go(c);
	consumer_drop_stash(c);
	lanes_close(c);
	if (c->member)
		rd_kafka_mem_free(c->client.rk, c->member);
	/* To destroy it is to leave the group: the rebalance callback runs once more. */
	c->leaving = true;
	if (kafka_client_stop(&c->client, CLOSE_MS) < 0)
		return; /* librdkafka's threads still know it */
	if (c->given)
		rd_kafka_topic_partition_list_destroy(c->given);
	for (i = 0; i < c->nplaces; i++) {
		free((char *)(uintptr_t)c->place[i]->input.name);
		free(c->place[i]);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	free(c->place);
	free(c->stash);
	free(c->held);
	free(c->message);
	free(c->header);
	free(c);
}


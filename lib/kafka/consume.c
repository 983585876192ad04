/*
 * One queue for all partitions, polled message by message: the batch call of librdkafka
 * before 2.1 loses messages around rebalances. A partition's place is found by the last
 * one used: messages come in runs.
 *
 * A member of a group that does not poll loses its membership. So where the reader stays
 * away (its output is blocked), a thread of our own, the keeper, pauses the partitions and
 * polls in its stead; the next read resumes them. The lock makes sure that one of the two
 * is inside of librdkafka at a time.
 */
#include "kafka/consumer.h"

#include <inttypes.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"

enum { COMMIT_MS = 20000, CLOSE_MS = 10000 };

/* How long the reader may stay away before another thread polls. A group that wants to be
 * shared out anew waits so long at the most. */
#define PATIENCE_NS 10000000000LL
/* Merged partitions have a queue each, and this bounds each of them. */
#define MERGE_KBYTES "4096"

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

/* ---- assignments ------------------------------------------------------------------- */

static int commit_done(struct kafka_consumer *, struct failure *why);

static void
drop_stash(struct kafka_consumer *c)
{
	for (; c->stash_at < c->nstash; c->stash_at++)
		rd_kafka_message_destroy(c->stash[c->stash_at]);
	c->nstash = c->stash_at = 0;
}

static void
on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
	rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct kafka_consumer *c = opaque;
	struct failure why;
	bool lost;
	size_t i;

	if (c->leaving) {
		rd_kafka_assign(rk, NULL);
		return;
	}
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && c->ask.epochs) {
		consumer_given(c, list);
		return;
	}
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		if (consumer_take(c, list, &why) < 0) {
			if (!c->trouble.status)
				c->trouble = why;
			rd_kafka_assign(rk, NULL);
		} else if (c->ask.assigned)
			c->ask.assigned(c->ask.arg, c);
		return;
	}
	lost = rd_kafka_assignment_lost(rk);
	/* While the reader is away nobody knows what became of the messages that it has:
	 * the next owner begins at what was committed before. */
	if (c->ask.revoked && !c->apart && (c->assigned || !c->ask.epochs))
		c->ask.revoked(c->ask.arg, c, lost);
	if (!lost && !c->apart && !c->ask.epochs && commit_done(c, &why) < 0 && !c->trouble.status &&
		why.status != EXIT_TRY_AGAIN && why.status != EXIT_UNAVAILABLE)
		c->trouble = why;
	if (lost && c->ask.epochs && consumer_replaced(c, &why)) {
		c->trouble = why;
		rd_kafka_unsubscribe(rk);
	}
	for (i = 0; i < c->nplaces; i++)
		c->place[i]->assigned = false;
	drop_stash(c);
	/* Until others are assigned, a bounded read has not ended. */
	c->assigned = false;
	c->running = 0;
	c->revoked = true;
	c->era++;
	rd_kafka_assign(rk, NULL);
}

/* ---- opening ----------------------------------------------------------------------- */

static bool
wanted_partition(const struct kafka_consume *ask, int32_t partition)
{
	size_t i;

	for (i = 0; i < ask->npartitions; i++)
		if (ask->partitions[i] == partition)
			return true;
	return ask->npartitions == 0;
}

static int
add_topic(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list,
	const struct rd_kafka_metadata_topic *t, struct failure *why)
{
	size_t i;
	int j, k;

	if (t->err)
		return kafka_fail(&c->client, why, t->err, "%s", t->topic);
	for (i = 0; i < c->ask.npartitions; i++) {
		for (k = 0; k < t->partition_cnt; k++)
			if (t->partitions[k].id == c->ask.partitions[i])
				break;
		if (k == t->partition_cnt)
			return fail(why, EXIT_NOINPUT,
				"%s has no partition %" PRId32 ", only %d of them",
				t->topic, c->ask.partitions[i], t->partition_cnt);
	}
	for (j = 0; j < t->partition_cnt; j++)
		if (wanted_partition(&c->ask, t->partitions[j].id) &&
			!rd_kafka_topic_partition_list_find(
				list, t->topic, t->partitions[j].id))
			rd_kafka_topic_partition_list_add(
				list, t->topic, t->partitions[j].id);
	return 0;
}

/* Every topic of the cluster that a pattern means. */
static int
add_pattern(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list,
	const char *pattern, struct failure *why)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err;
	regex_t wanted, excluded;
	int i, status = 0;
	char text[128];
	const char *name;

	i = regcomp(&wanted, pattern, REG_EXTENDED | REG_NOSUB);
	if (i) {
		regerror(i, &wanted, text, sizeof(text));
		return fail(why, EXIT_USAGE, "%s: %s", pattern, text);
	}
	if (c->ask.exclude &&
		regcomp(&excluded, c->ask.exclude, REG_EXTENDED | REG_NOSUB)) {
		regfree(&wanted);
		return fail(
			why, EXIT_USAGE, "%s: not a regular expression", c->ask.exclude);
	}
	err = rd_kafka_metadata(c->client.rk, 1, NULL, &md, ANSWER_MS);
	if (err)
		status = kafka_fail(&c->client, why, err, "%s", pattern);
	else {
		for (i = 0; i < md->topic_cnt && !status; i++) {
			name = md->topics[i].topic;
			/* Internal topics are never meant by a pattern. */
			if (strncmp(name, "__", 2) != 0 &&
				regexec(&wanted, name, 0, NULL, 0) == 0 &&
				(!c->ask.exclude || regexec(&excluded, name, 0, NULL, 0)))
				status = add_topic(c, list, &md->topics[i], why);
		}
		rd_kafka_metadata_destroy(md);
	}
	regfree(&wanted);
	if (c->ask.exclude)
		regfree(&excluded);
	return status;
}

static int
add_name(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list,
	const char *name, struct failure *why)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(c->client.rk, name, NULL);
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err;
	int status;

	if (!topic)
		return kafka_fail(&c->client, why, rd_kafka_last_error(), "%s", name);
	err = rd_kafka_metadata(c->client.rk, 0, topic, &md, ANSWER_MS);
	if (err)
		status = kafka_fail(&c->client, why, err, "%s", name);
	else {
		status = md->topic_cnt == 1
				 ? add_topic(c, list, &md->topics[0], why)
				 : fail(why, EXIT_UNAVAILABLE, "%s: no metadata", name);
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_topic_destroy(topic);
	return status;
}

/* The partitions that are there: taken without a group, looked at with one, so that a
 * topic that isn't there is told at once. */
static int
find_partitions(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list,
	struct failure *why)
{
	size_t i;

	for (i = 0; i < c->ask.ntopics; i++)
		if (*c->ask.topics[i] == '^'
				? add_pattern(c, list, c->ask.topics[i], why) < 0
				: add_name(c, list, c->ask.topics[i], why) < 0)
			return -1;
	return 0;
}

static int
subscribe(struct kafka_consumer *c, struct failure *why)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)c->ask.ntopics);
	rd_kafka_resp_err_t err;
	size_t i;

	for (i = 0; i < c->ask.ntopics; i++)
		rd_kafka_topic_partition_list_add(
			list, c->ask.topics[i], RD_KAFKA_PARTITION_UA);
	err = rd_kafka_subscribe(c->client.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return err ? kafka_fail(&c->client, why, err, "subscription") : 0;
}

static int
set_up(struct kafka_consumer *c, rd_kafka_conf_t *conf, struct failure *why)
{
	const struct kafka_consume *ask = &c->ask;
	bool pattern = false;
	struct buf hidden = {0};
	const char *strategy;
	char text[32] = "";
	size_t i, n;
	int status = -1;

	for (i = 0; i < ask->ntopics; i++)
		pattern |= *ask->topics[i] == '^';
	/* librdkafka wants a name for what is never sent. */
	if (kafka_conf_set(conf, "group.id", ask->group ? ask->group : "streamkit", why) <
		0)
		goto out;
	if (ask->instance &&
		kafka_conf_set(conf, "group.instance.id", ask->instance, why) < 0)
		goto out;
	if (ask->epochs && (strategy = kafka_config_get(c->client.config,
			"partition.assignment.strategy")) && strstr(strategy, "cooperative")) {
		fail(why, EXIT_CONFIG, "partition.assignment.strategy=%s: with checkpoints all "
			"partitions are shared out at a time", strategy);
		fail_hint(why, "range or roundrobin");
		goto out;
	}
	if (ask->merge &&
		!kafka_config_get(c->client.config, "queued.max.messages.kbytes") &&
		kafka_conf_set(conf, "queued.max.messages.kbytes", MERGE_KBYTES, why) < 0)
		goto out;
	if (ask->uncommitted &&
		kafka_conf_set(conf, "isolation.level", "read_uncommitted", why) < 0)
		goto out;
	if (ask->group && pattern) {
		buf_adds(&hidden, "^__");
		if (ask->exclude)
			buf_addf(&hidden, ",%s", ask->exclude);
		if (kafka_conf_set(conf, "topic.blacklist", buf_cstr(&hidden), why) < 0)
			goto out;
	}
	if (ask->group)
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	n = sizeof(text);
	if (rd_kafka_conf_get(conf, "queued.max.messages.kbytes", text, &n) == RD_KAFKA_CONF_OK)
		c->wake_at = (size_t)strtoull(text, NULL, 10) << 8;
	n = sizeof(text);
	if (rd_kafka_conf_get(conf, "max.poll.interval.ms", text, &n) == RD_KAFKA_CONF_OK)
		c->patience_ns = strtoll(text, NULL, 10) * 1000000 / 3;
	if (c->patience_ns > PATIENCE_NS)
		c->patience_ns = PATIENCE_NS;
	status = 0;
out:
	buf_release(&hidden);
	return status;
}

static int keeper_start(struct kafka_consumer *, struct failure *why);

/* Who is asked in the middle of a read may ask back. */
static void
init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t again;

	pthread_mutexattr_init(&again);
	pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &again);
	pthread_mutexattr_destroy(&again);
}

int
kafka_consumer_join(struct kafka_consumer *c, struct failure *why)
{
	return subscribe(c, why) < 0 ? -1 : keeper_start(c, why);
}

struct kafka_consumer *
kafka_consumer_open(const struct kafka_config *config, const struct kafka_consume *ask,
	struct failure *why)
{
	struct kafka_consumer *c = mem_zalloc(sizeof(*c));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	rd_kafka_conf_t *conf;
	int status = -1, i;

	c->ask = *ask;
	init_lock(&c->lock);
	pthread_cond_init(&c->wake, NULL);
	conf = kafka_client_conf(&c->client, config, KAFKA_CONSUMER, why);
	if (!conf)
		goto out;
	if (set_up(c, conf, why) < 0) {
		rd_kafka_conf_destroy(conf);
		goto out;
	}
	if (kafka_client_start(&c->client, conf, why) < 0)
		goto out;
	rd_kafka_poll_set_consumer(c->client.rk);
	if (kafka_client_connect(&c->client, ask->connect_ms, why) < 0 ||
		find_partitions(c, list, why) < 0)
		goto out;
	rd_kafka_topic_partition_list_sort(list, NULL, NULL);
	for (i = 0; i < list->cnt; i++)
		consumer_place(c, list->elems[i].topic, list->elems[i].partition, true)->known = true;
	if (ask->until != KAFKA_ENDLESS && consumer_bounds(c, list, why) < 0)
		goto out;
	if (ask->group) {
		status = ask->epochs ? 0 : kafka_consumer_join(c, why);
	} else {
		status = consumer_take(c, list, why);
		if (!status && ask->assigned)
			ask->assigned(ask->arg, c);
	}
out:
	rd_kafka_topic_partition_list_destroy(list);
	c->opened = !status;
	if (!status)
		return c;
	kafka_consumer_close(c);
	return NULL;
}

/* ---- reading ----------------------------------------------------------------------- */

static void
let_go(struct kafka_consumer *c)
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
static rd_kafka_resp_err_t
pause_places(struct kafka_consumer *c, bool pause)
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
	drop_stash(c);
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
			let_go(c);
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
	let_go(c);
	/* A topic's handle may be another's once no message holds it. */
	c->last = NULL;
	if (c->keeping) {
		c->keeping = false;
		if (!c->paused)
			pause_places(c, false);
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

/* ---- the keeper -------------------------------------------------------------------- */

static void
keep_polling(struct kafka_consumer *c)
{
	rd_kafka_message_t *m;
	struct failure why;

	if (!c->keeping) {
		c->keeping = true;
		pause_places(c, true);
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

static int
keeper_start(struct kafka_consumer *c, struct failure *why)
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

static void
keeper_stop(struct kafka_consumer *c)
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

int
kafka_consumer_pause(struct kafka_consumer *c, bool pause, struct failure *why)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	pthread_mutex_lock(&c->lock);
	if (c->paused != pause && !c->keeping)
		err = pause_places(c, pause);
	if (!err)
		c->paused = pause;
	pthread_mutex_unlock(&c->lock);
	return err ? kafka_fail(&c->client, why, err, "pause") : 0;
}

/* ---- the group --------------------------------------------------------------------- */

/* rd_kafka_commit() would wait for a coordinator that is away without an end. */
static rd_kafka_resp_err_t
commit(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->client.rk);
	const rd_kafka_topic_partition_list_t *answer;
	rd_kafka_event_t *event;
	rd_kafka_resp_err_t err;
	int i;

	err = rd_kafka_commit_queue(c->client.rk, list, queue, NULL, NULL);
	if (err)
		goto out;
	event = rd_kafka_queue_poll(queue, COMMIT_MS);
	err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	answer = event ? rd_kafka_event_topic_partition_list(event) : NULL;
	for (i = 0; !err && answer && i < answer->cnt; i++)
		err = answer->elems[i].err;
	if (event)
		rd_kafka_event_destroy(event);
out:
	rd_kafka_queue_destroy(queue);
	return err;
}

static int
commit_done(struct kafka_consumer *c, struct failure *why)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	struct kafka_place *p;
	int tries = 0, j;
	size_t i;

	if (!c->ask.group || c->ask.epochs)
		return 0;
	list = rd_kafka_topic_partition_list_new((int)c->nplaces);
	for (i = 0; i < c->nplaces; i++) {
		p = c->place[i];
		if (p->assigned && consumer_to_commit(p) >= 0)
			rd_kafka_topic_partition_list_add(
				list, p->input.name, p->input.partition)
				->offset = consumer_to_commit(p);
	}
	if (list->cnt)
		do
			err = commit(c, list);
		while (kafka_again(err, &tries));
	for (j = 0; j < list->cnt && !err; j++) {
		p = consumer_place(c, list->elems[j].topic, list->elems[j].partition, false);
		p->committed = list->elems[j].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return err ? kafka_fail(&c->client, why, err, "commit of %s", c->ask.group) : 0;
}

int
kafka_consumer_commit(struct kafka_consumer *c, struct failure *why)
{
	int status;

	pthread_mutex_lock(&c->lock);
	status = commit_done(c, why);
	pthread_mutex_unlock(&c->lock);
	return status;
}

void
kafka_consumer_close(struct kafka_consumer *c)
{
	size_t i;

	if (!c)
		return;
	keeper_stop(c);
	let_go(c);
	drop_stash(c);
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

/*
 * A consumer begins: which partitions there are, who shares them out, and what becomes of an
 * assignment that comes and goes.
 */
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kafka/consumer.h"

/* How long the reader may stay away before another thread polls. A group that wants to be
 * shared out anew waits so long at the most. */
#define PATIENCE_NS 10000000000LL
/* Merged partitions have a queue each, and this bounds each of them. */
#define MERGE_KBYTES "4096"

/* ---- assignments ------------------------------------------------------------------- */

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
	if (!lost && !c->apart && !c->ask.epochs && consumer_commit_done(c, &why) < 0 &&
		!c->trouble.status && why.status != EXIT_TRY_AGAIN && why.status != EXIT_UNAVAILABLE)
		c->trouble = why;
	if (lost && c->ask.epochs && consumer_replaced(c, &why)) {
		c->trouble = why;
		rd_kafka_unsubscribe(rk);
	}
	for (i = 0; i < c->nplaces; i++)
		c->place[i]->assigned = false;
	consumer_drop_stash(c);
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
	return subscribe(c, why) < 0 ? -1 : consumer_keep(c, why);
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

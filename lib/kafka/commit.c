/* What a member of a group has done is committed. */
#include "kafka/consumer.h"

enum { COMMIT_MS = 20000 };

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

int
consumer_commit_done(struct kafka_consumer *c, struct failure *why)
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
	status = consumer_commit_done(c, why);
	pthread_mutex_unlock(&c->lock);
	return status;
}

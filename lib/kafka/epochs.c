/*
 * A consumer whose place is kept by somebody's transactions.
 *
 * Partitions that the group gives are not taken inside of the callback but when the reader
 * asks, who goes back to what is committed first. Until then librdkafka has an assignment
 * without partitions: without any it would join again.
 *
 * The notes of all partitions are looked at, not of ours alone: another member may have those
 * that were committed last.
 */
#include "kafka/consumer.h"

#include "base/mem.h"

enum { LOOK_MS = 1000, DESCRIBE_TRIES = 10 };

void
consumer_given(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(1);

	if (c->given)
		rd_kafka_topic_partition_list_destroy(c->given);
	c->given = rd_kafka_topic_partition_list_copy(list);
	c->anew = true;
	rd_kafka_assign(c->client.rk, none);
	rd_kafka_topic_partition_list_destroy(none);
}

bool
kafka_consumer_anew(struct kafka_consumer *c)
{
	bool anew;

	pthread_mutex_lock(&c->lock);
	anew = c->anew;
	pthread_mutex_unlock(&c->lock);
	return anew;
}

int
kafka_consumer_wait(struct kafka_consumer *c, int wait_ms, struct failure *why)
{
	rd_kafka_message_t *m;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->given && !c->trouble.status) {
		m = rd_kafka_consumer_poll(c->client.rk, wait_ms);
		if (m && m->err)
			rc = consumer_event(c, m, why);
		if (m)
			rd_kafka_message_destroy(m);
	}
	if (c->trouble.status) {
		*why = c->trouble;
		rc = -1;
	}
	if (rc == 0)
		rc = c->given != NULL;
	c->read_ns = time_monotonic_ns();
	pthread_mutex_unlock(&c->lock);
	return rc;
}

rd_kafka_topic_partition_list_t *
consumer_list(const struct kafka_consumer *c)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)c->nplaces + 1);
	size_t i;

	for (i = 0; i < c->nplaces; i++)
		rd_kafka_topic_partition_list_add(list, c->place[i]->input.name,
			c->place[i]->input.partition);
	return list;
}

void
consumer_notes(const rd_kafka_topic_partition_list_t *list, struct kafka_notes *notes)
{
	const rd_kafka_topic_partition_t *e;
	int i;

	for (i = 0; i < list->cnt; i++) {
		e = &list->elems[i];
		kafka_notes_add(notes, e->topic, e->partition,
			slice_of(e->metadata, e->metadata_size));
	}
}

int
kafka_consumer_begin(struct kafka_consumer *c, const struct kafka_position *at,
	struct source_commit *commit, struct failure *why)
{
	rd_kafka_topic_partition_list_t *list;
	int rc, i;

	pthread_mutex_lock(&c->lock);
	list = rd_kafka_topic_partition_list_copy(c->given);
	rd_kafka_topic_partition_list_sort(list, NULL, NULL);
	for (i = 0; i < list->cnt; i++)
		consumer_place(c, list->elems[i].topic, list->elems[i].partition, true);
	c->at = at;
	c->anew = false;
	rc = consumer_take(c, list, why);
	if (c->member)
		rd_kafka_mem_free(c->client.rk, c->member);
	c->member = rd_kafka_memberid(c->client.rk);
	c->at = NULL;
	kafka_notes_end(&c->notes, commit);
	c->notes = (struct kafka_notes){0};
	c->read_ns = time_monotonic_ns();
	pthread_mutex_unlock(&c->lock);
	rd_kafka_topic_partition_list_destroy(list);
	return rc;
}

int
kafka_consumer_committed(struct kafka_consumer *c, struct source_commit *commit)
{
	rd_kafka_topic_partition_list_t *list;
	struct kafka_notes notes = {0};
	rd_kafka_resp_err_t err;
	int i;

	pthread_mutex_lock(&c->lock);
	list = consumer_list(c);
	err = rd_kafka_committed(c->client.rk, list, LOOK_MS);
	for (i = 0; !err && i < list->cnt; i++)
		err = list->elems[i].err;
	if (!err) {
		consumer_notes(list, &notes);
		kafka_notes_end(&notes, commit);
	}
	rd_kafka_topic_partition_list_destroy(list);
	pthread_mutex_unlock(&c->lock);
	return err ? -1 : 0;
}

/* ---- who else has our name --------------------------------------------------------- */

/* Is the static member of our name another one than we are? */
static bool
is_another(struct kafka_consumer *c, const rd_kafka_ConsumerGroupDescription_t *group)
{
	size_t n = rd_kafka_ConsumerGroupDescription_member_count(group), i;
	const rd_kafka_MemberDescription_t *m;
	const char *name;

	for (i = 0; i < n; i++) {
		m = rd_kafka_ConsumerGroupDescription_member(group, i);
		name = rd_kafka_MemberDescription_group_instance_id(m);
		if (name && strcmp(name, c->ask.instance) == 0)
			return strcmp(rd_kafka_MemberDescription_consumer_id(m), c->member) != 0;
	}
	return false;
}

/* 1, 0; -1: no answer. */
static int
ask_members(struct kafka_consumer *c)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->client.rk);
	const rd_kafka_ConsumerGroupDescription_t **group;
	rd_kafka_event_t *event;
	size_t n = 0;
	int rc = -1;

	rd_kafka_DescribeConsumerGroups(c->client.rk, &c->ask.group, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, ASK_MS);
	if (event && !rd_kafka_event_error(event)) {
		group = rd_kafka_DescribeConsumerGroups_result_groups(
			rd_kafka_event_DescribeConsumerGroups_result(event), &n);
		if (n == 1 && !rd_kafka_ConsumerGroupDescription_error(group[0]))
			rc = is_another(c, group[0]);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	return rc;
}

bool
consumer_replaced(struct kafka_consumer *c, struct failure *why)
{
	int tries, rc = -1;

	if (!c->ask.instance || !c->member)
		return false;
	for (tries = 0; tries < DESCRIBE_TRIES && rc < 0; tries++)
		rc = ask_members(c);
	if (rc <= 0)
		return false;
	fail(why, EXIT_FENCED, "%s: another process has taken the place of this one",
		c->ask.instance);
	fail_hint(why, "one copy runs at a time: this one was away for longer than "
		"session.timeout.ms");
	return true;
}

/* ---- where we stand ---------------------------------------------------------------- */

/* The group's metadata, if it names us: a member that was shut out has no name, and the brokers
 * would take the commit of such a one for that of nobody's member. */
static bool
add_metadata(struct kafka_consumer *c, struct buf *out)
{
	rd_kafka_consumer_group_metadata_t *md = rd_kafka_consumer_group_metadata(c->client.rk);
	rd_kafka_error_t *error;
	char *member;
	size_t n, i, length;
	void *bytes;
	bool named = false;

	if (!md)
		return false;
	error = rd_kafka_consumer_group_metadata_write(md, &bytes, &n);
	rd_kafka_consumer_group_metadata_destroy(md);
	if (error) {
		rd_kafka_error_destroy(error);
		return false;
	}
	member = rd_kafka_memberid(c->client.rk);
	length = member ? strlen(member) : 0;
	for (i = 0; length && i + length <= n && !named; i++)
		named = memcmp((char *)bytes + i, member, length) == 0;
	if (named)
		buf_add(out, bytes, n);
	if (member)
		rd_kafka_mem_free(c->client.rk, member);
	rd_kafka_mem_free(c->client.rk, bytes);
	return named;
}

void
kafka_consumer_position(struct kafka_consumer *c, struct buf *out)
{
	const struct kafka_place *p;
	struct buf metadata = {0};
	size_t i, ours = 0;
	int64_t offset;

	pthread_mutex_lock(&c->lock);
	for (i = 0; i < c->nplaces; i++)
		ours += c->place[i]->assigned;
	if (ours && !c->anew && !rd_kafka_assignment_lost(c->client.rk) &&
		add_metadata(c, &metadata)) {
		kafka_position_begin(out, c->ask.group, buf_slice(&metadata));
		for (i = 0; i < c->nplaces; i++) {
			p = c->place[i];
			if (!p->assigned)
				continue;
			offset = p->out;
			/* Nothing before that is missing. */
			if (p->ended && p->next == p->out && p->reached > offset)
				offset = p->reached;
			kafka_position_add(out, p->input.name, p->input.partition, offset);
		}
		kafka_position_end(out);
	}
	pthread_mutex_unlock(&c->lock);
	buf_release(&metadata);
}

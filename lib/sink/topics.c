/*
 * The producers that all sinks of a run share, and the topics that they know. A topic that takes
 * less at a time than a producer's batches gets another one.
 */
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "kafka/transact.h"
#include "sink/topics.h"

#define MADE_TRIES 100 /* of 100 ms: until a topic that was made is known */
#define DELIVERY_MS 300000 /* as long as librdkafka itself goes on trying */
#define COPY_MS 5000              /* so long another copy may need to join the group */

struct kafka_output *
kafka_output_new(const struct kafka_output_options *opt)
{
	struct kafka_output *out = mem_zalloc(sizeof(*out));

	out->opt = *opt;
	return out;
}

void
kafka_output_free(struct kafka_output *out)
{
	struct table_entry *e;
	size_t i;

	if (!out)
		return;
	for (e = table_next(&out->topics, NULL); e; e = table_next(&out->topics, e))
		free(e->v.ptr);
	for (i = 0; i < out->nproducers; i++)
		kafka_producer_close(out->producer[i]);
	if (out->plain)
		kafka_producer_close(out->commits);
	free(out->producer);
	buf_release(&out->last);
	free(out->app);
	table_release(&out->topics);
	free(out);
}

void
output_delivered(void *arg, void *opaque, const struct failure *why)
{
	struct kafka_output *out = arg;

	(void)opaque;
	if (!why || out->failed)
		return;
	out->failed = true;
	out->why = *why;
}

void
output_look_for_copy(struct kafka_output *out, struct failure *why)
{
	struct kafka_position last = {0};
	struct failure ignored;

	if (why->status != EXIT_FENCED || !out->last.n || out->looked || !out->commits ||
			!kafka_transaction_overdue(out->commits))
		return;
	out->looked = true;
	if (kafka_position_read(&last, buf_slice(&out->last), &ignored) == 0 &&
		kafka_is_alone(out->opt.config, &last, COPY_MS)) {
		fail(why, EXIT_TRY_AGAIN, "the brokers have ended the transaction of %s, which "
			"stood open for more than transaction.timeout.ms", out->app);
		fail_hint(why, "a stage stood still, or brokers were away");
	}
	kafka_position_release(&last);
}

int
output_check(struct kafka_output *out, struct failure *why)
{
	if (!out->failed)
		return 0;
	output_look_for_copy(out, &out->why);
	*why = out->why;
	return -1;
}

bool
output_is_refusal(const struct failure *why)
{
	return why->status == EXIT_CANTCREATE || why->status == EXIT_NOPERM ||
		why->status == EXIT_CONFIG;
}

static struct kafka_producer *
new_producer(struct kafka_output *out, const char *topic, struct failure *why)
{
	struct kafka_produce produce = {
		.topics = &topic, .ntopics = 1, .connect_ms = CONNECT_MS,
		.delivered = output_delivered, .arg = out,
	};
	struct kafka_producer *p = kafka_producer_open(out->opt.config, &produce, why);

	if (!p)
		return NULL;
	out->producer = mem_grow(out->producer, &out->cap_producers, out->nproducers + 1,
		sizeof(*out->producer));
	out->producer[out->nproducers++] = p;
	return p;
}

/* By one of the producers, or by another one if the topic has no room for their batches. */
static void
look_for(struct kafka_output *out, const char *name, struct found *found, struct failure *why)
{
	size_t i;

	why->status = EXIT_CONFIG;
	for (i = 0; i < out->nproducers && !found->topic && why->status == EXIT_CONFIG; i++) {
		found->producer = out->producer[i];
		found->topic = kafka_producer_topic(found->producer, name, why);
	}
	if (found->topic || why->status != EXIT_CONFIG || (out->commits && !out->plain))
		return;
	found->producer = new_producer(out, name, why);
	if (found->producer)
		found->topic = kafka_producer_topic(found->producer, name, why);
}

/* One broker may have made it before another one knows of it. */
static void
make_topic(struct kafka_output *out, const char *name, struct found *found,
	struct failure *why)
{
	struct kafka_new_topic wanted = *out->opt.create;
	int tries;

	wanted.name = name;
	if (kafka_admin_create(out->opt.config, &wanted, 1, why) < 0)
		return;
	for (tries = 0; tries < MADE_TRIES; tries++) {
		if (tries)
			nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		look_for(out, name, found, why);
		if (found->topic || why->status != EXIT_CANTCREATE)
			return;
	}
}

const struct found *
output_find_topic(struct kafka_output *out, const char *name, struct failure *why)
{
	struct table_entry *e = table_get(&out->topics, slice_str(name));
	struct found found = {0}, *kept;

	if (e) {
		kept = e->v.ptr;
		*why = kept->why;
		return kept->topic ? kept : NULL;
	}
	look_for(out, name, &found, why);
	if (!found.topic && why->status == EXIT_CANTCREATE && out->opt.create)
		make_topic(out, name, &found, why);
	if (!found.topic && !output_is_refusal(why))
		return NULL;
	if (!found.topic)
		found.why = *why;
	kept = mem_alloc(sizeof(*kept));
	*kept = found;
	table_put(&out->topics, slice_str(name), NULL)->v.ptr = kept;
	return kept->topic ? kept : NULL;
}

int
output_sync(struct kafka_output *out, struct failure *why)
{
	size_t i;

	for (i = 0; i < out->nproducers && output_check(out, why) == 0; i++)
		if (kafka_producer_flush(out->producer[i], DELIVERY_MS, why) < 0)
			return output_check(out, why) < 0 ? -1 : -2;
	return output_check(out, why);
}

/*
 * The client of an operator's questions. Every question is a request to librdkafka's admin queue
 * or one of its calls that wait, repeated while the answer is of the kind that passes.
 */
#include "kafka/ask.h"

#include <stdlib.h>

#include "base/mem.h"

enum { CONNECT_MS = 10000, CLOSE_MS = 5000 };

/* ---- a client ---------------------------------------------------------------------- */

struct kafka_admin *
admin_open_as(const struct kafka_config *config, enum kafka_kind kind, struct failure *why)
{
	struct kafka_admin *a = mem_zalloc(sizeof(*a));
	rd_kafka_conf_t *conf = kafka_client_conf(&a->client, config, kind, why);

	if (conf && kafka_client_start(&a->client, conf, why) == 0 &&
		kafka_client_connect(&a->client, CONNECT_MS, why) == 0) {
		a->queue = rd_kafka_queue_new(a->client.rk);
		return a;
	}
	kafka_admin_close(a);
	return NULL;
}

struct kafka_admin *
kafka_admin_open(const struct kafka_config *config, struct failure *why)
{
	return admin_open_as(config, KAFKA_CONSUMER, why);
}

int
kafka_admin_close(struct kafka_admin *a)
{
	if (!a)
		return 0;
	if (a->queue)
		rd_kafka_queue_destroy(a->queue);
	if (kafka_client_stop(&a->client, CLOSE_MS) < 0)
		return -1;
	free(a);
	return 0;
}

rd_kafka_event_t *
admin_ask(struct kafka_admin *a, const struct admin_request *r, struct failure *why)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->client.rk, r->op);
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	char text[128];
	int tries = 0;

	rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, text, sizeof(text));
	for (;;) {
		r->send(a, options, r->arg);
		event = rd_kafka_queue_poll(a->queue, ANSWER_MS + 5000);
		err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
		if (!err && r->refusal)
			err = r->refusal(event);
		if (!err || !kafka_again(err, &tries))
			break;
		rd_kafka_event_destroy(event);
	}
	rd_kafka_AdminOptions_destroy(options);
	if (!err)
		return event;
	kafka_fail(&a->client, why, err, "%s", r->what);
	if (event)
		rd_kafka_event_destroy(event);
	return NULL;
}

/*
 * Transactions. librdkafka sorts its errors into those that pass, those that end the
 * transaction, and those that end the producer; whatever it doesn't sort is taken for the
 * last kind. A commit that is not answered within the transaction's own timeout may have
 * happened: the broker has committed or aborted it by then, and the group knows which.
 *
 * A request whose answer never came may yet arrive, and would be taken for one of the next
 * transaction. A new producer has another epoch, so that nothing old can hit it.
 */
#include "kafka/transact.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kafka/producer.h"

enum {
	CONNECT_MS = 30000,
	OPEN_MS = 60000,    /* to become the one who has the name */
	STEP_MS = 1000,     /* a call, of those that go on where they were */
	CLOSE_MS = 10000,
};

static int64_t
after_ms(int64_t ms)
{
	return time_monotonic_ns() + ms * 1000000;
}

static int
left_ms(int64_t end_ns)
{
	int64_t left = (end_ns - time_monotonic_ns()) / 1000000;

	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Whatever broke this producer, nothing of its transaction is to be seen, or all of it: another
 * one reads back which. */
static int
broken(struct failure *why)
{
	if (why->status == EXIT_IO)
		why->status = EXIT_TRY_AGAIN;
	return -1;
}

int
producer_fenced(struct kafka_producer *p, struct failure *why)
{
	char text[256] = "";
	rd_kafka_resp_err_t err = rd_kafka_fatal_error(p->client.rk, text, sizeof(text));

	if (err && kafka_status(KAFKA_PRODUCER, err) != EXIT_FENCED) {
		kafka_fail(&p->client, why, err, "transactions of %s", p->ask.transaction);
		return broken(why);
	}
	fail(why, EXIT_FENCED, "another process has taken over the transactions of %s",
		p->ask.transaction);
	fail_hint(why, "one copy runs at a time; the same is said where a transaction stood open "
		"for more than transaction.timeout.ms, %d s", p->transaction_ms / 1000);
	return -1;
}

/* The error is the producer's end, or was not sorted: takes it. */
static int
dead(struct kafka_producer *p, rd_kafka_error_t *error, const char *what, struct failure *why)
{
	rd_kafka_resp_err_t err = rd_kafka_error_code(error);

	if (rd_kafka_error_is_fatal(error) || kafka_status(KAFKA_PRODUCER, err) == EXIT_FENCED) {
		rd_kafka_error_destroy(error);
		return producer_fenced(p, why);
	}
	kafka_fail_error(&p->client, why, error, "%s of %s", what, p->ask.transaction);
	return broken(why);
}

/* ---- the beginning ----------------------------------------------------------------- */

int
kafka_transactions_open(struct kafka_producer *p, struct failure *why)
{
	int64_t end = after_ms(OPEN_MS);
	rd_kafka_error_t *error;

	for (;;) {
		error = rd_kafka_init_transactions(p->client.rk, STEP_MS);
		if (!error)
			return 0;
		if (!rd_kafka_error_is_retriable(error) || !left_ms(end))
			return dead(p, error, "transactions", why);
		rd_kafka_error_destroy(error);
	}
}

int
kafka_fence(const struct kafka_config *config, const char *name, struct failure *why)
{
	const struct kafka_produce ask = {.connect_ms = CONNECT_MS, .transaction = name};
	struct kafka_producer *p = kafka_producer_open(config, &ask, why);
	int rc = p ? kafka_transactions_open(p, why) : -1;

	kafka_producer_close(p);
	return rc;
}

int
kafka_transaction_begin(struct kafka_producer *p, struct failure *why)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(p->client.rk);

	p->begun_ns = time_monotonic_ns();
	return error ? dead(p, error, "transaction", why) : 0;
}

bool
kafka_transaction_overdue(const struct kafka_producer *p)
{
	return time_monotonic_ns() - p->begun_ns >= p->transaction_ms * INT64_C(1000000);
}

bool
kafka_producer_spent(const struct kafka_producer *p)
{
	return p->spent;
}

/* ---- the end ----------------------------------------------------------------------- */

int
kafka_transaction_abort(struct kafka_producer *p, struct failure *why)
{
	int64_t end = after_ms(p->transaction_ms);
	rd_kafka_error_t *error;
	int rc = 0;

	p->doomed = true;
	while ((error = rd_kafka_abort_transaction(p->client.rk, STEP_MS))) {
		if (rd_kafka_error_is_fatal(error)) {
			rc = dead(p, error, "transaction", why);
			break;
		}
		/* Whoever opens transactions of this name next aborts it. */
		p->spent = !rd_kafka_error_is_retriable(error) || !left_ms(end);
		rd_kafka_error_destroy(error);
		if (p->spent)
			break;
	}
	rd_kafka_poll(p->client.rk, 0);
	p->doomed = false;
	return rc;
}

static bool
is_shared_anew(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
		err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
		err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID ||
		err == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

/* The transaction will not be committed: takes the error, which says why. */
static enum kafka_verdict
give_up(struct kafka_producer *p, rd_kafka_error_t *error, const char *what,
	struct failure *why)
{
	rd_kafka_resp_err_t err = rd_kafka_error_code(error);
	struct failure worse;

	kafka_fail_error(&p->client, why, error, "%s of %s", what, p->ask.transaction);
	why->status = EXIT_TRY_AGAIN;
	if (kafka_transaction_abort(p, &worse) < 0) {
		*why = worse;
		return KAFKA_DEAD;
	}
	return is_shared_anew(err) ? KAFKA_REFUSED : KAFKA_ABORTED;
}

static rd_kafka_topic_partition_list_t *
list_of(const struct kafka_position *position, bool offsets)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)position->n);
	rd_kafka_topic_partition_t *e;
	size_t i;

	for (i = 0; i < position->n; i++) {
		e = rd_kafka_topic_partition_list_add(
			list, position->spot[i].topic, position->spot[i].partition);
		e->offset = offsets ? position->spot[i].offset : RD_KAFKA_OFFSET_INVALID;
		if (!offsets || !position->spot[i].note)
			continue;
		/* librdkafka frees it. */
		e->metadata = mem_strdup(position->spot[i].note);
		e->metadata_size = strlen(position->spot[i].note);
	}
	return list;
}

static enum kafka_verdict
send_offsets(struct kafka_producer *p, const struct kafka_position *position,
	struct failure *why)
{
	rd_kafka_consumer_group_metadata_t *group;
	rd_kafka_topic_partition_list_t *list;
	int64_t end = after_ms(p->transaction_ms);
	enum kafka_verdict verdict = KAFKA_COMMITTED;
	rd_kafka_error_t *error;

	error = rd_kafka_consumer_group_metadata_read(
		&group, position->metadata.p, position->metadata.n);
	if (error)
		return give_up(p, error, "metadata", why);
	list = list_of(position, true);
	while ((error = rd_kafka_send_offsets_to_transaction(
			p->client.rk, list, group, STEP_MS))) {
		if (rd_kafka_error_is_fatal(error)) {
			dead(p, error, "offsets", why);
			verdict = KAFKA_DEAD;
			break;
		}
		if (!rd_kafka_error_is_retriable(error) || !left_ms(end)) {
			verdict = give_up(p, error, "offsets", why);
			break;
		}
		rd_kafka_error_destroy(error);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_group_metadata_destroy(group);
	return verdict;
}

static enum kafka_verdict
end_transaction(struct kafka_producer *p, struct failure *why)
{
	int64_t end = after_ms(p->transaction_ms);
	rd_kafka_error_t *error;

	while ((error = rd_kafka_commit_transaction(p->client.rk, STEP_MS))) {
		if (rd_kafka_error_is_fatal(error)) {
			dead(p, error, "commit", why);
			return KAFKA_DEAD;
		}
		if (rd_kafka_error_txn_requires_abort(error))
			return give_up(p, error, "commit", why);
		if (!rd_kafka_error_is_retriable(error) || !left_ms(end)) {
			p->spent = true;
			kafka_fail_error(
				&p->client, why, error, "commit of %s", p->ask.transaction);
			return KAFKA_UNKNOWN;
		}
		rd_kafka_error_destroy(error);
	}
	return KAFKA_COMMITTED;
}

enum kafka_verdict
kafka_transaction_commit(struct kafka_producer *p, const struct kafka_position *position,
	struct failure *why)
{
	uint64_t before = kafka_client_stumbles(&p->client);
	enum kafka_verdict verdict = send_offsets(p, position, why);

	if (verdict == KAFKA_COMMITTED)
		verdict = end_transaction(p, why);
	p->spent |= kafka_client_stumbles(&p->client) != before;
	return verdict;
}

/* ---- the truth --------------------------------------------------------------------- */

/* A consumer that joins nothing, and knows the group's name. */
static int
open_asker(struct kafka_client *c, const struct kafka_config *config, const char *group,
	struct failure *why)
{
	rd_kafka_conf_t *conf = kafka_client_conf(c, config, KAFKA_CONSUMER, why);

	if (!conf)
		return -1;
	if (kafka_conf_set(conf, "group.id", group, why) < 0) {
		rd_kafka_conf_destroy(conf);
		return -1;
	}
	return kafka_client_start(c, conf, why);
}

int
kafka_committed(const struct kafka_config *config, const struct kafka_position *position,
	struct source_commit *newest, struct failure *why)
{
	struct kafka_client *c = mem_zalloc(sizeof(*c));
	rd_kafka_topic_partition_list_t *list = list_of(position, false);
	int64_t end = after_ms(OPEN_MS);
	rd_kafka_resp_err_t err;
	struct kafka_notes notes = {0};
	int rc = open_asker(c, config, position->group, why), tries = 0, i;

	if (rc < 0)
		goto out;
	do {
		err = rd_kafka_committed(c->rk, list, STEP_MS * 3);
		for (i = 0; !err && i < list->cnt; i++)
			err = list->elems[i].err;
	} while (left_ms(end) && (err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
		err == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT || kafka_again(err, &tries)));
	if (err)
		rc = kafka_fail(c, why, err, "committed offsets of %s", position->group);
	for (i = 0; !err && i < list->cnt; i++)
		kafka_notes_add(&notes, list->elems[i].topic, list->elems[i].partition,
			slice_of(list->elems[i].metadata, list->elems[i].metadata_size));
	if (!err)
		kafka_notes_end(&notes, newest);
out:
	rd_kafka_topic_partition_list_destroy(list);
	if (kafka_client_stop(c, CLOSE_MS) == 0)
		free(c);
	return rc;
}

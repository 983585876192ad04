/*
 * Who commits. Where the run commits for a source, all its sinks share one producer with
 * transactions, which is replaced by a new one where nobody knows what its requests will yet do.
 * What is found out about topics stays where it is, and points to the new one.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kafka/transact.h"
#include "sink/topics.h"

#define TRANSACTION_MS 30000      /* at the least, */
#define TRANSACTION_MAX_MS 900000 /* and what a broker takes at the most by default */

/* A producer with transactions that knows all topics that were found. */
static struct kafka_producer *
transactional(struct kafka_output *out, struct failure *why)
{
	const char **names = mem_array(out->topics.n + 1, sizeof(*names));
	struct kafka_produce produce = {
		.topics = names, .connect_ms = CONNECT_MS,
		.delivered = output_delivered, .arg = out,
		.transaction = out->app, .transaction_ms = out->transaction_ms,
	};
	const struct found *found;
	struct table_entry *e;
	struct kafka_producer *p;

	for (e = table_next(&out->topics, NULL); e && !out->plain;
		e = table_next(&out->topics, e)) {
		found = e->v.ptr;
		if (found->topic)
			names[produce.ntopics++] = found->topic->name;
	}
	p = kafka_producer_open(out->opt.config, &produce, why);
	free(names);
	if (p && kafka_transactions_open(p, why) == 0)
		return p;
	kafka_producer_close(p);
	return NULL;
}

/* Whoever has found a topic sends to it by this producer from now on, if it takes them all. */
static int
hand_topics_to(struct kafka_output *out, struct kafka_producer *p, struct failure *why)
{
	struct table_entry *e;
	struct found *found;

	for (e = table_next(&out->topics, NULL); e; e = table_next(&out->topics, e)) {
		found = e->v.ptr;
		if (found->topic && !kafka_producer_topic(p, found->topic->name, why))
			return -1;
	}
	for (e = table_next(&out->topics, NULL); e; e = table_next(&out->topics, e)) {
		found = e->v.ptr;
		if (!found->topic)
			continue;
		found->topic = kafka_producer_topic(p, found->topic->name, why);
		found->producer = p;
	}
	return 0;
}

/* Another producer takes over, and the transaction that was open is finished or aborted. */
static int
renew(struct kafka_output *out, struct failure *why)
{
	struct kafka_producer *p = transactional(out, why);
	size_t i;

	if (!p)
		return -1;
	if (!out->plain) {
		if (hand_topics_to(out, p, why) < 0) {
			kafka_producer_close(p);
			return -1;
		}
		for (i = 0; i < out->nproducers; i++)
			kafka_producer_close(out->producer[i]);
		out->producer = mem_grow(out->producer, &out->cap_producers, 1,
			sizeof(*out->producer));
		out->producer[0] = p;
		out->nproducers = 1;
	} else {
		kafka_producer_close(out->commits);
	}
	out->commits = p;
	return 0;
}

static struct kafka_output *
output_of(struct committer *c)
{
	return (struct kafka_output *)(void *)((char *)c - offsetof(struct kafka_output, committer));
}

static int
committer_begin(struct committer *c, const char *app, int64_t every_us, bool plain,
	struct failure *why)
{
	struct kafka_output *out = output_of(c);
	int64_t ms = every_us / 1000 * 3;

	free(out->app);
	out->app = mem_strdup(app);
	out->plain = plain;
	out->transaction_ms = (int)(ms < TRANSACTION_MS ? TRANSACTION_MS :
		ms > TRANSACTION_MAX_MS ? TRANSACTION_MAX_MS : ms);
	return renew(out, why) < 0 ? -1 : kafka_transaction_begin(out->commits, why);
}

static int
begin_next(struct kafka_output *out, struct failure *why)
{
	if (kafka_producer_spent(out->commits) && renew(out, why) < 0)
		return -1;
	if (!out->plain)
		out->failed = false;
	return kafka_transaction_begin(out->commits, why);
}

static int
committer_abort(struct committer *c, struct failure *why)
{
	struct kafka_output *out = output_of(c);

	c->refused = false;
	if (kafka_transaction_abort(out->commits, why) < 0)
		return -1;
	return begin_next(out, why);
}

/* This one is committed; if there can't be another one, that is told when something is sent. */
static void
go_on(struct kafka_output *out)
{
	struct failure why;

	if (begin_next(out, &why) < 0)
		output_delivered(out, NULL, &why);
}

/* Nothing of the epoch is committed, and why says so: who can go on begins anew. */
static int
not_committed(struct kafka_output *out, bool refused, struct failure *why)
{
	struct failure worse;

	out->committer.refused = refused;
	if (why->status == EXIT_UNAVAILABLE)
		why->status = EXIT_TRY_AGAIN;
	if (!refused || begin_next(out, &worse) == 0)
		return -1;
	out->committer.refused = false;
	*why = worse;
	return -1;
}

/* The commit was not answered. Once another producer has taken over, the group says what
 * became of it. */
static int
find_out(struct kafka_output *out, const struct kafka_position *position,
	const struct source_commit *wanted, struct failure *why)
{
	struct source_commit found = {0};
	struct failure unanswered = *why;
	bool done;

	if (renew(out, why) < 0 ||
		kafka_committed(out->opt.config, position, &found, why) < 0) {
		fail_within(why, "whether epoch %" PRIu64 " is committed is not known: ",
			wanted->epoch);
		return not_committed(out, false, why);
	}
	done = found.epoch == wanted->epoch && strcmp(found.run, wanted->run) == 0;
	buf_release(&found.clock);
	if (done) {
		go_on(out);
		return 0;
	}
	*why = unanswered;
	why->status = EXIT_TRY_AGAIN;
	return -1;
}

static int
commit_at(struct kafka_output *out, const struct kafka_position *position,
	const struct source_commit *done, struct failure *why)
{
	switch (kafka_transaction_commit(out->commits, position, why)) {
	case KAFKA_COMMITTED:
		go_on(out);
		return 0;
	case KAFKA_UNKNOWN:
		return find_out(out, position, done, why);
	case KAFKA_REFUSED:
		return not_committed(out, true, why);
	case KAFKA_ABORTED:
	case KAFKA_DEAD:
		break;
	}
	output_look_for_copy(out, why);
	return not_committed(out, false, why);
}

/* Two sinks of one stream: the one that began first may have come to its end before it could
 * be fenced. Once we have the transactions, nobody else commits: what the group knows now is
 * what was committed before us. */
static int
check_first(struct kafka_output *out, const struct kafka_position *position,
	const struct source_commit *done, struct failure *why)
{
	struct source_commit found = {0};
	bool taken;

	if (out->alone)
		return 0;
	if (kafka_committed(out->opt.config, position, &found, why) < 0)
		return -1;
	taken = found.epoch >= done->epoch && strcmp(found.run, done->run) == 0;
	buf_release(&found.clock);
	out->alone = !taken;
	if (!taken)
		return 0;
	fail(why, EXIT_FENCED, "another process has taken over: it has committed epoch %" PRIu64
		" of this very stream", found.epoch);
	fail_hint(why, "one process commits, the last of the pipeline; others take --no-commit");
	return -1;
}

static int
committer_commit(struct committer *c, struct slice text, const struct source_commit *done,
	struct failure *why)
{
	struct kafka_output *out = output_of(c);
	struct kafka_position position = {0};
	struct failure worse;
	int rc;

	if (text.n) {
		buf_reset(&out->last);
		buf_add_slice(&out->last, text);
	}
	rc = output_sync(out, why);
	c->refused = false;
	if (rc == 0 && text.n && (kafka_position_read(&position, text, why) < 0 ||
			kafka_position_note(&position, done, why) < 0 ||
			check_first(out, &position, done, why) < 0))
		rc = -1;
	if (rc == 0 && text.n) {
		rc = commit_at(out, &position, done, why);
		kafka_position_release(&position);
		return rc;
	}
	if (rc == 0)
		fail(why, EXIT_TRY_AGAIN, "epoch %" PRIu64 " cannot be committed: the group has "
			"shut its source out", done->epoch);
	kafka_position_release(&position);
	if (kafka_transaction_abort(out->commits, &worse) < 0) {
		*why = worse;
		rc = -1;
	}
	output_look_for_copy(out, why);
	return not_committed(out, rc == 0, why);
}

struct committer *
kafka_output_committer(struct kafka_output *out)
{
	out->committer.begin = committer_begin;
	out->committer.commit = committer_commit;
	out->committer.abort = committer_abort;
	return &out->committer;
}

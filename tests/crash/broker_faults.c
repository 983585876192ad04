/*
 * broker_faults: preloaded, ends or stops a process at the Nth call of one of librdkafka's
 * functions, before it or after it; and leads connections elsewhere.
 *
 *	SK_BROKER_FAULT=commit:3:KILL LD_PRELOAD=build/tests/broker_faults.so sk-cat ...
 *	SK_BROKER_LED=9092:9999       what is meant for port 9092 goes to port 9999
 *
 * Calls: init begin flush offsets commit abort (of a producer), poll committed (of a
 * consumer). KILL ends as kill -9 does before the call, KILLED after it; STOP stops as
 * kill -STOP does before the call, STOPPED after it. A call that librdkafka is asked to go
 * on with, because its time was over, counts again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char call[16], how[16];
static long nth;
static unsigned from, to;
static atomic_long seen;

__attribute__((constructor)) static void
setup(void)
{
	const char *fault = getenv("SK_BROKER_FAULT"), *led = getenv("SK_BROKER_LED");

	if (fault && sscanf(fault, "%15[^:]:%ld:%15s", call, &nth, how) != 3)
		nth = 0;
	if (led && sscanf(led, "%u:%u", &from, &to) != 2)
		from = 0;
}

static bool
strikes(const char *name)
{
	return nth && strcmp(call, name) == 0 && atomic_fetch_add(&seen, 1) + 1 == nth;
}

static void
before(bool struck)
{
	if (struck && strcmp(how, "KILL") == 0)
		kill(getpid(), SIGKILL);
	if (struck && strcmp(how, "STOP") == 0)
		kill(getpid(), SIGSTOP);
}

static void
after(bool struck)
{
	if (struck && strcmp(how, "KILLED") == 0)
		kill(getpid(), SIGKILL);
	if (struck && strcmp(how, "STOPPED") == 0)
		kill(getpid(), SIGSTOP);
}

#define AROUND(name, type, function, arguments) \
	bool struck = strikes(name); \
	type result; \
	before(struck); \
	result = REAL(function) arguments; \
	after(struck); \
	return result

rd_kafka_error_t *
rd_kafka_init_transactions(rd_kafka_t *rk, int ms)
{
	AROUND("init", rd_kafka_error_t *, rd_kafka_init_transactions, (rk, ms));
}

rd_kafka_error_t *
rd_kafka_begin_transaction(rd_kafka_t *rk)
{
	AROUND("begin", rd_kafka_error_t *, rd_kafka_begin_transaction, (rk));
}

rd_kafka_resp_err_t
rd_kafka_flush(rd_kafka_t *rk, int ms)
{
	AROUND("flush", rd_kafka_resp_err_t, rd_kafka_flush, (rk, ms));
}

rd_kafka_error_t *
rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk,
	const rd_kafka_topic_partition_list_t *list, const rd_kafka_consumer_group_metadata_t *md,
	int ms)
{
	AROUND("offsets", rd_kafka_error_t *, rd_kafka_send_offsets_to_transaction,
		(rk, list, md, ms));
}

rd_kafka_error_t *
rd_kafka_commit_transaction(rd_kafka_t *rk, int ms)
{
	AROUND("commit", rd_kafka_error_t *, rd_kafka_commit_transaction, (rk, ms));
}

rd_kafka_error_t *
rd_kafka_abort_transaction(rd_kafka_t *rk, int ms)
{
	AROUND("abort", rd_kafka_error_t *, rd_kafka_abort_transaction, (rk, ms));
}

rd_kafka_message_t *
rd_kafka_consumer_poll(rd_kafka_t *rk, int ms)
{
	AROUND("poll", rd_kafka_message_t *, rd_kafka_consumer_poll, (rk, ms));
}

rd_kafka_resp_err_t
rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int ms)
{
	AROUND("committed", rd_kafka_resp_err_t, rd_kafka_committed, (rk, list, ms));
}

int
connect(int fd, const struct sockaddr *address, socklen_t n)
{
	struct sockaddr_in other;

	if (!from || n != sizeof(other) || address->sa_family != AF_INET)
		return REAL(connect)(fd, address, n);
	memcpy(&other, address, sizeof(other));
	if (ntohs(other.sin_port) == from)
		other.sin_port = htons((uint16_t)to);
	return REAL(connect)(fd, (struct sockaddr *)&other, n);
}

/*
 * What costs librdkafka's consumers dearly before 2.2, mended from outside: the second that a
 * fetcher sleeps through, and batches that are unpacked more than once.
 */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_decompressBound */
#include <zstd.h>

#include "kafka/client.h"

/* Of a size that is only a bound: what more than this would be taken for nothing. */
enum { RATIO_MAX = 16 };

/*
 * A fetcher that found the queue full sleeps for a second, however soon there is room, and a
 * reader that has read all of it by then waits. To give a client its own credentials anew
 * wakes the threads of all brokers and does nothing else: they are used at the next login.
 */
void
kafka_client_wake(struct kafka_client *c)
{
	const char *user = kafka_config_get(c->config, "sasl.username");
	const char *password = kafka_config_get(c->config, "sasl.password");
	rd_kafka_error_t *error;

	error = rd_kafka_sasl_set_credentials(c->rk, user ? user : "", password ? password : "");
	if (error)
		rd_kafka_error_destroy(error);
}

/*
 * librdkafka asks libzstd how large a batch is. No producer says so in its frames, and then it
 * tries: into twice the size of what is packed, into 6 times, into 18 times, each time from the
 * beginning. This takes the place of libzstd's function, for librdkafka too, and gives a bound,
 * by what the frame's blocks can hold, 128 KiB each: it fits closely unless the batch is
 * small. Where it does not, what libzstd would have said is right.
 */
unsigned long long
ZSTD_getFrameContentSize(const void *packed, size_t n)
{
	unsigned long long bound = ZSTD_decompressBound(packed, n);

	if (bound == ZSTD_CONTENTSIZE_ERROR || bound / RATIO_MAX < n)
		return bound;
	return ZSTD_CONTENTSIZE_UNKNOWN;
}

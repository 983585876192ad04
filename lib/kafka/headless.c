/*
 * Has a message headers? librdkafka makes, fills and frees a reader of half a kilobyte to say
 * no. But messages lie as they came, record behind record of a batch:
 *
 *	LENGTH attributes TIMESTAMP OFFSET KEY-LENGTH key VALUE-LENGTH value HEADERS ...
 *
 * (capitals: numbers of one to ten bytes). So where the bytes between a value and the message
 * behind it are the beginning of that one's record in every number, the first of them is how
 * many headers there are.
 */
#include "kafka/consumer.h"

enum { BETWEEN_LEAST = 6, BETWEEN_MOST = 1 + 5 + 1 + 10 + 5 + 5 };

/* A number at *p, before end; false: it does not end there. */
static bool
number(const unsigned char **p, const unsigned char *end, int64_t *to)
{
	uint64_t v = 0;
	unsigned shift;

	for (shift = 0; *p < end && shift < 64; shift += 7) {
		unsigned char c = *(*p)++;

		v |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80) {
			*to = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return true;
		}
	}
	return false;
}

/* The length of the bytes at data, as a record tells it. */
static int64_t
told(const void *data, size_t n)
{
	return data ? (int64_t)n : -1;
}

bool
consumer_is_headless(const rd_kafka_message_t *m, const rd_kafka_message_t *next)
{
	const unsigned char *p = m->payload, *end = next->payload, *record;
	const unsigned char *key = next->key;
	int64_t length, unused, key_n, value_n;

	if (!p || !end || next->offset <= m->offset)
		return false;
	p += m->len;
	/* They may be in different memory: then nothing is between them. */
	if ((uintptr_t)end < (uintptr_t)p ||
		(uintptr_t)end - (uintptr_t)p - (key ? next->key_len : 0) < BETWEEN_LEAST ||
		(uintptr_t)end - (uintptr_t)p - (key ? next->key_len : 0) > BETWEEN_MOST)
		return false;
	if (*p++ != 0 || !number(&p, end, &length))
		return false;
	record = p;
	if (*p++ != 0 || !number(&p, end, &unused) || !number(&p, end, &unused) ||
		!number(&p, end, &key_n) || key_n != told(key, next->key_len) ||
		(key && p != key))
		return false;
	p += key ? next->key_len : 0;
	/* Behind its value there are headers too. */
	return number(&p, end, &value_n) && p == end && value_n == (int64_t)next->len &&
		length > (end - record) + value_n;
}

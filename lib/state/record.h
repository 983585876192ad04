/*
 * record: a change of a state as bytes: in its log and snapshots, in its changelog topic,
 * and in the control record "state".
 *
 *	varint  value's length << 2 | op
 *	16      the key: hi, lo          not of RECORD_EXPIRE
 *	8       number of its making     of RECORD_STAMPED alone
 *	...     the value                of RECORD_EXPIRE the time, us
 *
 * A value is always whole, so that changes may be taken twice. Integers stand in the byte
 * order of the machine; files tell it.
 */
#ifndef SK_STATE_RECORD_H
#define SK_STATE_RECORD_H

#include "base/keyed.h"

enum record_op {
	RECORD_PUT,     /* the key has this value */
	RECORD_REMOVE,  /* it is not there; no value */
	RECORD_EXPIRE,  /* values with an earlier time are not there */
	RECORD_STAMPED, /* as put, and the order in which keys were made is kept */
};

struct change {
	enum record_op op;
	struct key128 key;
	uint64_t stamp;
	struct slice value;
};

/* Bytes of a record beside its value, at the most. */
#define RECORD_HEAD (5 + 16 + 8)

/* Write at p, where there is room; returns the end. */
static inline char *
record_write(char *p, const struct change *c)
{
	uint64_t n = (uint64_t)c->value.n << 2 | (uint64_t)c->op;

	for (; n >= 0x80; n >>= 7)
		*p++ = (char)(n | 0x80);
	*p++ = (char)n;
	if (c->op != RECORD_EXPIRE) {
		memcpy(p, &c->key, 16);
		p += 16;
	}
	if (c->op == RECORD_STAMPED) {
		memcpy(p, &c->stamp, 8);
		p += 8;
	}
	if (c->value.n)
		memcpy(p, c->value.p, c->value.n);
	return p + c->value.n;
}

/* Read one from p[0..end): the place behind it, or NULL: that is no record. The value is
 * borrowed. */
static inline const char *
record_read(const char *p, const char *end, struct change *c)
{
	uint64_t n = 0;
	unsigned shift = 0;
	size_t head;

	do {
		if (p == end || shift > 28)
			return NULL;
		n |= (uint64_t)(*p & 0x7f) << shift;
		shift += 7;
	} while (*p++ & 0x80);
	c->op = (enum record_op)(n & 3);
	n >>= 2;
	head = (c->op != RECORD_EXPIRE ? 16u : 0u) + (c->op == RECORD_STAMPED ? 8u : 0u);
	if ((size_t)(end - p) < head || (size_t)(end - p) - head < n)
		return NULL;
	if (c->op == RECORD_EXPIRE)
		c->key = (struct key128){0, 0};
	else
		memcpy(&c->key, p, 16);
	c->stamp = 0;
	if (c->op == RECORD_STAMPED)
		memcpy(&c->stamp, p + 16, 8);
	c->value = slice_of(p + head, n);
	return p + head + n;
}

#endif

/*
 * sha: SHA-256 by libcrypto, which has the machine's instructions for it.
 *
 * A struct sha is one thread's; it serves for one digest after the other. Digests are told
 * in lower-case hexadecimal.
 *
 *	sha_begin(s);
 *	sha_add(s, p, n);
 *	sha_end(s, hex);
 */
#ifndef SK_BASE_SHA_H
#define SK_BASE_SHA_H

#include "base/slice.h"

#define SHA_HEX 65 /* with its NUL */
#define MD5_HEX 33

struct sha;

/* Never fail: a libcrypto without SHA-256 is as fatal as no memory. */
struct sha *sha_new(void);
void sha_free(struct sha *);

void sha_begin(struct sha *);
void sha_add(struct sha *, const void *p, size_t n);
void sha_end(struct sha *, char hex[SHA_HEX]);

/* Of bytes that are all there. */
void sha_of(struct sha *, struct slice, char hex[SHA_HEX]);

/* MD5, to compare with what a server has computed; no more than that. False: this libcrypto
 * has none. */
bool md5_of(struct slice, char hex[MD5_HEX]);

/* 64 digits of 0-9 a-f. */
bool sha_is_hex(struct slice);

#endif

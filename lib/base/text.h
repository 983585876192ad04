/* text: bytes made fit to be shown or carried: escapes, base64, sizes,
 * percents. */
#ifndef SK_BASE_TEXT_H
#define SK_BASE_TEXT_H

#include "base/buf.h"

/* Append s for a terminal: control bytes and what is not UTF-8 as \xHH, at most max bytes
 * of s, then "...". */
void text_add_safe(struct buf *, struct slice s, size_t max);

void text_add_base64(struct buf *, struct slice s);
/* Append the bytes that s stands for. -1: s is no RFC 4648 base64; the buf is as before. */
int text_unbase64(struct buf *, struct slice s);

/* A copy of n bytes, with each %HH taken for the byte it names, and a NUL behind them. NULL if a
 * % is followed by something else, or names NUL. The caller frees it. */
char *text_percent_decode(const char *s, size_t n);

/* "64MiB", "10M", "512k", "4096": bytes; k, M, G and T are powers of 1024. -1: not a size. */
int text_size(const char *s, uint64_t *bytes);

/* True if s is one safe path component: [A-Za-z0-9._-]+ that doesn't begin with a dot,
 * at most 200 bytes. */
bool text_is_component(struct slice s);

#endif

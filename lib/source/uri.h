/*
 * uri: what the name of a source or a sink says before anything is opened.
 *
 * A name that begins with letters, digits, '+', '-' or '.' (a letter first) and a colon
 * has a scheme; "./a:b" and "/a:b" are always paths.
 */
#ifndef SK_SOURCE_URI_H
#define SK_SOURCE_URI_H

#include "base/slice.h"

/* The scheme without its colon; absent (p == NULL) if uri is "-" or a path. */
struct slice uri_scheme(const char *uri);

/* The descriptor that "-" (then dash), /dev/stdin, /dev/stdout, /dev/stderr, /dev/fd/N or
 * /proc/self/fd/N stands for; -1 for anything else. Such a name means the descriptor
 * itself, its place in a file and its socket included, not the file behind it. */
int uri_fd(const char *uri, int dash);

#endif

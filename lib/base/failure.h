/*
 * failure: what went wrong, told once.
 *
 * A library function that can fail returns 0 or -1 (or NULL) and fills its last
 * parameter, a struct failure; it neither prints nor exits. A caller adds in front what
 * only it knows; main says the whole, once, and exits with the status. Text is lower
 * case without a full stop; a hint says what to do, on a line of its own.
 *
 *	if (fd < 0)
 *		return fail(why, EXIT_NOINPUT, "%s: %s", path, strerror(errno));
 */
#ifndef SK_BASE_FAILURE_H
#define SK_BASE_FAILURE_H

#include "base/slice.h"

/* Exit statuses: those of sysexits(3), and what only a stream processor says. */
enum status {
	EXIT_OK = 0,
	EXIT_SOME_BAD = 1,     /* done, but records were skipped or dead-lettered */
	EXIT_USAGE = 64,
	EXIT_DATA = 65,
	EXIT_NOINPUT = 66,
	EXIT_UNAVAILABLE = 69,
	EXIT_INTERNAL = 70,
	EXIT_OS = 71,
	EXIT_CANTCREATE = 73,
	EXIT_IO = 74,
	EXIT_TRY_AGAIN = 75,
	EXIT_FENCED = 76,
	EXIT_NOPERM = 77,
	EXIT_CONFIG = 78,
	EXIT_SIGPIPE = 141,
};

struct failure {
	int status;       /* enum status */
	uint32_t column;  /* of a bad record: 1-based byte in its line, 0 if unknown */
	const char *type; /* of a bad record: a word for metrics and dead letters, or NULL */
	char text[480];
	char hint[240];   /* "" if there is none */
};

/* Fill why; a text that is too long is cut with "...". Returns -1. */
int fail(struct failure *why, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a bad record (EXIT_DATA) of a stated type: a static word, "unmatched". */
int fail_record(struct failure *why, const char *type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put text in front of what why already says: "orders.ndjson: " + why->text. Returns -1. */
int fail_within(struct failure *why, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void fail_hint(struct failure *why, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The status that errno asks for, in a situation that would otherwise be fallback:
 * EACCES and EPERM are EXIT_NOPERM, ENOSPC, EIO, EDQUOT and EFBIG are EXIT_IO. */
int status_of_errno(int err, int fallback);

#endif

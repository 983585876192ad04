/* What went wrong, as text. */
#include "base/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void
put(char *to, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(to, size, fmt, ap);

	if (n < 0)
		to[0] = '\0';
	else if ((size_t)n >= size)
		memcpy(to + size - 4, "...", 4);
}

static void
fill(struct failure *why, int status, const char *type, const char *fmt, va_list ap)
{
	why->status = status;
	why->column = 0;
	why->type = type;
	why->hint[0] = '\0';
	put(why->text, sizeof(why->text), fmt, ap);
}

int
fail(struct failure *why, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(why, status, NULL, fmt, ap);
	va_end(ap);
	return -1;
}

int
fail_record(struct failure *why, const char *type, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(why, EXIT_DATA, type, fmt, ap);
	va_end(ap);
	return -1;
}

int
fail_within(struct failure *why, const char *fmt, ...)
{
	char front[sizeof(why->text)], rest[sizeof(why->text)];
	size_t n, room;
	va_list ap;

	va_start(ap, fmt);
	put(front, sizeof(front), fmt, ap);
	va_end(ap);
	memcpy(rest, why->text, sizeof(rest));
	n = strlen(front);
	memcpy(why->text, front, n);
	room = sizeof(why->text) - n;
	if (strlen(rest) < room)
		memcpy(why->text + n, rest, strlen(rest) + 1);
	else {
		memcpy(why->text + n, rest, room);
		memcpy(why->text + sizeof(why->text) - 4, "...", 4);
	}
	return -1;
}

void
fail_hint(struct failure *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(why->hint, sizeof(why->hint), fmt, ap);
	va_end(ap);
}

int
status_of_errno(int err, int fallback)
{
	switch (err) {
	case EACCES:
	case EPERM:
	case EROFS:
		return EXIT_NOPERM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
		return EXIT_IO;
	case EMFILE:
	case ENFILE:
		return EXIT_OS;
	default:
		return fallback;
	}
}

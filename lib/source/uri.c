/* Names of sources and sinks. */
#include "source/uri.h"

#include <ctype.h>
#include <limits.h>

struct slice
uri_scheme(const char *uri)
{
	const char *p = uri;

	if (!isalpha((unsigned char)*p))
		return (struct slice){NULL, 0};
	while (isalnum((unsigned char)*p) || *p == '+' || *p == '-' || *p == '.')
		p++;
	if (*p != ':')
		return (struct slice){NULL, 0};
	return slice_of(uri, (size_t)(p - uri));
}

static int
fd_number(const char *s)
{
	int n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > (INT_MAX - 9) / 10)
			return -1;
		n = n * 10 + (*s - '0');
	}
	return n;
}

int
uri_fd(const char *uri, int dash)
{
	static const char *const std[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	static const char *const folder[] = {"/dev/fd/", "/proc/self/fd/"};
	size_t i;

	if (strcmp(uri, "-") == 0)
		return dash;
	for (i = 0; i < 3; i++)
		if (strcmp(uri, std[i]) == 0)
			return (int)i;
	for (i = 0; i < 2; i++)
		if (strncmp(uri, folder[i], strlen(folder[i])) == 0)
			return fd_number(uri + strlen(folder[i]));
	return -1;
}

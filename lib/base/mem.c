/* Memory that ends the process where it cannot be had. */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"

void
mem_none(void)
{
	static const char text[] = "streamkit: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		/* There is nobody left to tell. */
	}
	_exit(EXIT_OS);
}

void *
mem_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		mem_none();
	return p;
}

void *
mem_zalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		mem_none();
	return p;
}

void *
mem_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		mem_none();
	return p;
}

void *
mem_array(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		mem_none();
	return p;
}

void *
mem_grow(void *p, size_t *cap, size_t need, size_t size)
{
	size_t n = *cap ? *cap : 16;

	if (need <= *cap)
		return p;
	while (n < need) {
		if (n > SIZE_MAX / 2)
			mem_none();
		n *= 2;
	}
	if (size && n > SIZE_MAX / size)
		mem_none();
	*cap = n;
	return mem_realloc(p, n * size);
}

char *
mem_dup(const void *p, size_t n)
{
	char *s = mem_alloc(n + 1);

	if (n)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

char *
mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s));
}

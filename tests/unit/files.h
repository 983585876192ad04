/* What tests read of files. */
#include <stdio.h>

#include "base/buf.h"

/* All of one; empty if it is not there. */
static struct buf
slurp(const char *path)
{
	struct buf b = {0};
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return b;
	do {
		buf_reserve(&b, 65536);
		n = fread(b.p + b.n, 1, 65536, f);
		b.n += n;
	} while (n);
	fclose(f);
	return b;
}

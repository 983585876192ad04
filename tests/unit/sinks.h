/* What the tests of sinks do with one. */
#include <stdio.h>
#include <string.h>

#include "sink/sink.h"

static struct failure why;

static struct sink *
opened(const char *uri)
{
	struct sink *s;

	why = (struct failure){0};
	s = sink_open(uri, &why);
	if (!s)
		printf("# %s: %d %s\n", uri, why.status, why.text);
	return s;
}

static int
say(struct sink *s, const char *text)
{
	struct iovec v = {(void *)(uintptr_t)text, strlen(text)};

	return s->write(s, &v, 1, &why);
}

static int
commit(struct sink *s)
{
	int rc = s->prepare(s, &why) < 0 || s->commit(s, &why) < 0 ? -1 : 0;

	s->close(s);
	return rc;
}

/* Names: capture: URIs, topics, paths. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "capture/capture.h"

static const char prefix[] = "capture:";

#define TOPIC_MAX 249

bool
capture_is(const char *uri)
{
	return strncmp(uri, prefix, sizeof(prefix) - 1) == 0;
}

static int
bad_percent(const char *s, size_t n, struct failure *why)
{
	fail(why, EXIT_USAGE, "'%.*s': a %% is followed by two hexadecimal digits", (int)n, s);
	fail_hint(why, "%%25 is a %% itself, %%26 an &, %%3F a ?");
	return -1;
}

static int
add_option(struct capture_uri *u, size_t *cap, const char *s, size_t n,
	struct failure *why)
{
	const char *equals = memchr(s, '=', n);
	struct capture_option *o;

	if (!equals || equals == s)
		return fail(why, EXIT_USAGE, "'%.*s' is no option: NAME=VALUE", (int)n, s);
	u->option = mem_grow(u->option, cap, u->noptions + 1, sizeof(*u->option));
	o = &u->option[u->noptions++];
	o->name = text_percent_decode(s, (size_t)(equals - s));
	o->value = text_percent_decode(equals + 1, n - (size_t)(equals + 1 - s));
	return o->name && o->value ? 0 : bad_percent(s, n, why);
}

static int
parse(const char *at, struct capture_uri *u, struct failure *why)
{
	size_t n = strcspn(at, "?"), cap = 0;

	u->dir = text_percent_decode(at, n);
	if (!u->dir)
		return bad_percent(at, n, why);
	if (!*u->dir)
		return fail(why, EXIT_USAGE, "a folder is missing: capture:DIR");
	for (at += n, n = strlen(u->dir); n > 1 && u->dir[n - 1] == '/';)
		u->dir[--n] = '\0';
	while (*at && at[1]) {
		n = strcspn(++at, "&");
		if (add_option(u, &cap, at, n, why) < 0)
			return -1;
		at += n;
	}
	return 0;
}

int
capture_uri_parse(const char *uri, struct capture_uri *u, struct failure *why)
{
	*u = (struct capture_uri){0};
	if (parse(uri + sizeof(prefix) - 1, u, why) == 0)
		return 0;
	capture_uri_release(u);
	return fail_within(why, "%s: ", uri);
}

void
capture_uri_release(struct capture_uri *u)
{
	size_t i;

	for (i = 0; i < u->noptions; i++) {
		free(u->option[i].name);
		free(u->option[i].value);
	}
	free(u->option);
	free(u->dir);
	*u = (struct capture_uri){0};
}

static bool
is_topic_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '.' || c == '_' || c == '-';
}

bool
capture_is_topic(struct slice s)
{
	size_t i;

	if (!s.n || s.n > TOPIC_MAX || slice_eq(s, SLICE(".")) || slice_eq(s, SLICE("..")))
		return false;
	for (i = 0; i < s.n; i++)
		if (!is_topic_byte(s.p[i]))
			return false;
	return !slice_starts(s, SLICE("manifest.ndjson"));
}

void
capture_path(struct buf *b, const char *dir, const char *topic, int32_t partition,
	int64_t first, bool part)
{
	buf_addf(b, "%s/%s/%d", dir, topic, partition);
	if (first >= 0)
		buf_addf(b, "/%020lld.ndjson.zst%s", (long long)first, part ? ".part" : "");
}

/* kafka: URIs, taken apart. */
#include "kafka/uri.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static int
add_topics(struct kafka_uri *u, const char *list, struct failure *why)
{
	size_t cap = 0, n;
	const char *at;

	for (at = list; ; at += n + 1) {
		/* A regex may hold commas. */
		n = list[0] == '^' ? strlen(list) : strcspn(at, ",");
		if (!n)
			return fail(why, EXIT_USAGE, "a name of a topic is empty");
		u->topic = mem_grow(u->topic, &cap, u->ntopics + 2, sizeof(*u->topic));
		u->topic[u->ntopics++] = mem_dup(at, n);
		u->topic[u->ntopics] = NULL;
		if (!at[n])
			return 0;
	}
}

static int
add_option(struct kafka_uri *u, size_t *cap, const char *s, size_t n, struct failure *why)
{
	const char *equals = memchr(s, '=', n);
	struct kafka_option o;

	if (!equals || equals == s)
		return fail(why, EXIT_USAGE, "'%.*s' is no option: NAME=VALUE", (int)n, s);
	o.name = text_percent_decode(s, (size_t)(equals - s));
	o.value = text_percent_decode(equals + 1, n - (size_t)(equals + 1 - s));
	if (!o.name || !o.value) {
		free(o.name);
		free(o.value);
		fail(why, EXIT_USAGE, "'%.*s': a %% is followed by two hexadecimal digits",
			(int)n, s);
		fail_hint(why, "%%25 is a %% itself, %%26 an &");
		return -1;
	}
	u->option = mem_grow(u->option, cap, u->noptions + 1, sizeof(*u->option));
	u->option[u->noptions++] = o;
	return 0;
}

int
kafka_uri_parse(const char *uri, struct kafka_uri *u, struct failure *why)
{
	const char *at = uri + strlen("kafka:"), *options = strchr(at, '?');
	size_t n = options ? (size_t)(options - at) : strlen(at), cap = 0;
	char *topics = text_percent_decode(at, n);
	int rc;

	*u = (struct kafka_uri){0};
	if (!topics) {
		fail(why, EXIT_USAGE, "%s: a %% is followed by two hexadecimal digits", uri);
		return -1;
	}
	rc = add_topics(u, topics, why);
	free(topics);
	for (at = options; rc == 0 && at && at[1]; ) {
		at++;
		n = strcspn(at, "&");
		rc = add_option(u, &cap, at, n, why);
		at += n;
		if (!*at)
			break;
	}
	if (rc < 0) {
		fail_within(why, "%s: ", uri);
		kafka_uri_release(u);
	}
	return rc;
}

void
kafka_uri_release(struct kafka_uri *u)
{
	size_t i;

	for (i = 0; i < u->ntopics; i++)
		free(u->topic[i]);
	free(u->topic);
	for (i = 0; i < u->noptions; i++) {
		free(u->option[i].name);
		free(u->option[i].value);
	}
	free(u->option);
	*u = (struct kafka_uri){0};
}

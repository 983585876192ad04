/* What the URI of topics says of how they are read. */
#include "source/kafka_options.h"

#include <stdlib.h>

#include "base/mem.h"
#include "kafka/at.h"

static int
take_offset(struct kafka_consume *c, const char *v, struct failure *why)
{
	struct failure ignored;

	if (kafka_at_parse(v, &c->from, &c->from_n, &ignored) == 0)
		return 0;
	return fail(why, EXIT_USAGE, "offset=%s is none of earliest, latest, N, -N, @TIME", v);
}

static int
take_until(struct kafka_consume *c, const char *v, struct failure *why)
{
	struct failure ignored;
	enum kafka_at at;

	c->until = KAFKA_ENDLESS;
	if (strcmp(v, "end") == 0)
		c->until = KAFKA_UNTIL_END;
	else if (kafka_at_parse(v, &at, &c->until_n, &ignored) == 0)
		c->until = at == KAFKA_TIME ? KAFKA_UNTIL_TIME :
			at == KAFKA_OFFSET ? KAFKA_UNTIL_OFFSET : KAFKA_ENDLESS;
	if (c->until == KAFKA_ENDLESS)
		return fail(why, EXIT_USAGE, "until=%s is none of end, @TIME, N", v);
	return 0;
}

/* The number of a partition at *at; -1: there is none. */
static int32_t
partition_number(const char **at)
{
	char *end;
	long n;

	if (**at < '0' || **at > '9')
		return -1;
	n = strtol(*at, &end, 10);
	*at = end;
	return n < INT32_MAX ? (int32_t)n : -1;
}

/* "0,3-5" */
static int
take_partitions(struct kafka_consume *c, const char *v, int32_t **list, struct failure *why)
{
	size_t cap = 0, n = 0;
	int32_t first, last;
	const char *at = v;

	for (;;) {
		first = last = partition_number(&at);
		if (first >= 0 && *at == '-') {
			at++;
			last = partition_number(&at);
		}
		if (first < 0 || last < first || last - first > 100000)
			break;
		for (; first <= last; first++) {
			*list = mem_grow(*list, &cap, n + 1, sizeof(**list));
			(*list)[n++] = first;
		}
		if (!*at) {
			c->partitions = *list;
			c->npartitions = n;
			return 0;
		}
		if (*at++ != ',')
			break;
	}
	return fail(why, EXIT_USAGE, "partition=%s is no list such as 0,3-5", v);
}

int
kafka_take_options(struct kafka_consume *c, const struct kafka_uri *u, int32_t **partitions,
	struct failure *why)
{
	const char *name, *value;
	bool from = false;
	size_t i, j;
	int rc = 0;

	for (i = 0; i < u->noptions && rc == 0; i++) {
		name = u->option[i].name;
		value = u->option[i].value;
		for (j = 0; j < i; j++)
			if (strcmp(u->option[j].name, name) == 0)
				return fail(why, EXIT_USAGE, "%s is given twice", name);
		if (strcmp(name, "group") == 0 && *value)
			c->group = value;
		else if (strcmp(name, "offset") == 0)
			rc = take_offset(c, value, why), from = true;
		else if (strcmp(name, "until") == 0)
			rc = take_until(c, value, why);
		else if (strcmp(name, "partition") == 0)
			rc = take_partitions(c, value, partitions, why);
		else if (strcmp(name, "merge") == 0 && strcmp(value, "time") == 0)
			c->merge = true;
		else if (strcmp(name, "isolation") == 0 && strcmp(value, "uncommitted") == 0)
			c->uncommitted = true;
		else if (strcmp(name, "isolation") != 0 || strcmp(value, "committed") != 0)
			rc = fail(why, EXIT_USAGE, "a kafka: source has no option %s=%s", name,
				value);
	}
	if (rc == 0 && c->group && c->npartitions)
		rc = fail(why, EXIT_USAGE, "group and partition exclude each other: the brokers "
			"give a group its partitions");
	if (rc == 0 && c->merge && (c->group || c->until == KAFKA_ENDLESS)) {
		rc = fail(why, EXIT_USAGE, c->group ? "merge=time and group exclude each other: a "
			"member knows its own partitions alone" : "merge=time needs until=: what "
			"may yet come to one partition is not known");
	}
	if (!from)
		c->from = c->group || c->until != KAFKA_ENDLESS ? KAFKA_EARLIEST : KAFKA_LATEST;
	return rc;
}

/* The topics that a run writes, which it does not read. */
#include <regex.h>

#include "source/kafka_options.h"

#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* The names that a sink's topic may have, as a regular expression: what data fill in is any
 * name. */
static void
add_names(struct buf *out, const char *topic)
{
	int open = 0;

	buf_addc(out, '^');
	for (; *topic; topic++) {
		if (*topic == '{' && open++ == 0)
			buf_adds(out, "[A-Za-z0-9._-]+");
		else if (*topic == '}' && open)
			open--;
		else if (!open && *topic == '.')
			buf_adds(out, "[.]");
		else if (!open) /* what no name holds stands for nothing */
			buf_addc(out, strspn(topic, NAME_BYTES) ? *topic : '/');
	}
	buf_addc(out, '$');
}

void
written_find(const char *const *sinks, struct buf *expression)
{
	struct kafka_uri u;
	struct failure why;

	for (; sinks && *sinks; sinks++) {
		/* What is wrong with a sink is told where it is opened. */
		if (strncmp(*sinks, "kafka:", 6) != 0 || kafka_uri_parse(*sinks, &u, &why) < 0)
			continue;
		if (expression->n)
			buf_addc(expression, '|');
		add_names(expression, u.topic[0]);
		kafka_uri_release(&u);
	}
}

int
written_check(const struct kafka_consume *c, struct failure *why)
{
	regex_t written;
	size_t i;
	int rc = 0;

	if (!c->exclude || c->until != KAFKA_ENDLESS)
		return 0;
	if (regcomp(&written, c->exclude, REG_EXTENDED | REG_NOSUB))
		return fail(why, EXIT_INTERNAL, "%s: no regular expression", c->exclude);
	for (i = 0; i < c->ntopics && rc == 0; i++)
		if (c->topics[i][0] != '^' && regexec(&written, c->topics[i], 0, NULL, 0) == 0)
			rc = fail(why, EXIT_USAGE, "topic %s is written in this run too: it would "
				"never end without until=", c->topics[i]);
	regfree(&written);
	return rc;
}

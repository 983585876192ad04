/*
 * sk-kafka: what there is on the brokers, how far a group has come, and where it goes on.
 *
 * A verb asks the brokers, and what it finds is printed at once, as a table or as JSON.
 * reset changes nothing without --yes. Memory: a row for each partition that is shown.
 */
#include <errno.h>
#include <unistd.h>

#include "flow/flow.h"
#include "kafka/admin.h"
#include "kafka/at.h"
#include "kafka/show.h"
#include "opt/opt.h"

static struct {
	const char *to, *at, *brokers;
	struct opt_list properties, files;
	int64_t partition; /* -1: all */
	bool yes, all, json;
} opt = {.partition = -1};

/* What --to or --at says. */
static enum kafka_at place;
static int64_t place_n;

/* Print a grid, in the form that was asked for, and release it. */
static int
print(struct grid g, struct failure *why)
{
	struct buf out = {0};
	size_t at;
	ssize_t n = 0;

	if (opt.json)
		grid_add_json(&g, &out);
	else
		grid_add_table(&g, &out);
	for (at = 0; at < out.n && n >= 0; at += (size_t)n)
		n = write(STDOUT_FILENO, out.p + at, out.n - at);
	buf_release(&out);
	grid_release(&g);
	return n < 0 ? fail(why, EXIT_IO, "stdout: %s", strerror(errno)) : 0;
}

/* ---- verbs ------------------------------------------------------------------------- */

static int
do_topics(struct kafka_admin *a, const char *const *names, size_t n, struct failure *why)
{
	struct kafka_topics topics;
	int status;

	if (kafka_admin_topics(a, names, n, &topics, why) < 0)
		return -1;
	status = kafka_admin_settings(a, &topics, why);
	if (status == 0)
		status = print(kafka_show_topics(&topics, opt.all || n), why);
	kafka_topics_release(&topics);
	return status;
}

static int
do_offsets(struct kafka_admin *a, const char *const *names, size_t n, struct failure *why)
{
	struct kafka_topics topics;
	int status;

	if (kafka_admin_topics(a, names, n, &topics, why) < 0)
		return -1;
	status = opt.at ? kafka_admin_at(a, &topics, place_n, why) : 0;
	if (status == 0)
		status = print(kafka_show_offsets(&topics, opt.at != NULL), why);
	kafka_topics_release(&topics);
	return status;
}

/* Of groups that were named, a table shows the members. */
static int
do_groups(struct kafka_admin *a, const char *const *names, size_t n, struct failure *why)
{
	struct kafka_groups groups;
	int status;

	if (kafka_admin_groups(a, names, n, &groups, why) < 0)
		return -1;
	status = print(n && !opt.json ? kafka_show_members(&groups)
				      : kafka_show_groups(&groups), why);
	kafka_groups_release(&groups);
	return status;
}

/* What would be changed, or with --yes has been. */
static int
reset(struct kafka_admin *a, const struct kafka_group *group, struct kafka_topics *topics,
	struct failure *why)
{
	if (!topics->n) {
		fail(why, EXIT_NOINPUT, "group '%s' has committed nothing", group->name);
		fail_hint(why, "name the topics");
		return -1;
	}
	if (kafka_admin_plan(a, topics, place, place_n, (int32_t)opt.partition, why) < 0 ||
		(opt.yes && kafka_admin_reset(a, group, topics, why) < 0) ||
		print(kafka_show_plan(group, topics, opt.yes), why) < 0)
		return -1;
	if (opt.yes)
		return 0;
	if (kafka_group_resettable(group, why) < 0)
		return -1;
	if (!opt.json)
		flow_say("sk-kafka", &(struct failure){
			.text = "nothing is changed without --yes"});
	return 0;
}

/* lag and reset: a group, and topics of it. */
static int
do_group(struct kafka_admin *a, const char *const *names, size_t n, struct failure *why)
{
	struct kafka_groups groups;
	struct kafka_topics topics;
	int status;

	if (kafka_admin_groups(a, names, 1, &groups, why) < 0)
		return -1;
	status = kafka_admin_positions(a, &groups.v[0], names + 1, n - 1, &topics, why);
	if (status == 0) {
		status = opt.to ? reset(a, &groups.v[0], &topics, why)
				: print(kafka_show_lag(&groups.v[0], &topics), why);
		kafka_topics_release(&topics);
	}
	kafka_groups_release(&groups);
	return status;
}

/* ---- the command line -------------------------------------------------------------- */

static const struct verb {
	const char *name;
	size_t least; /* operands */
	const char *lacks;
	int (*run)(struct kafka_admin *, const char *const *, size_t, struct failure *);
} verbs[] = {
	{"topics", 0, NULL, do_topics},
	{"groups", 0, NULL, do_groups},
	{"lag", 1, "a group", do_group},
	{"offsets", 1, "a topic", do_offsets},
	{"reset", 1, "a group", do_group},
};

static const struct verb *
verb_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int
read_place(const struct verb *verb, struct failure *why)
{
	const char *text = opt.to ? opt.to : opt.at;
	bool resets = strcmp(verb->name, "reset") == 0;

	if (resets && !opt.to) {
		fail(why, EXIT_USAGE, "reset needs --to");
		fail_hint(why, "--to earliest, latest, N, -N or @TIME");
		return -1;
	}
	if (!resets && (opt.to || opt.yes || opt.partition >= 0))
		return fail(why, EXIT_USAGE, "--to, --yes and --partition are for reset");
	if (opt.at && strcmp(verb->name, "offsets") != 0)
		return fail(why, EXIT_USAGE, "--at is for offsets");
	if (!text)
		return 0;
	if (kafka_at_parse(text, &place, &place_n, why) < 0)
		return fail_within(why, opt.to ? "--to: " : "--at: ");
	if (opt.at && place != KAFKA_TIME)
		return fail(why, EXIT_USAGE, "--at: '%s' is no @TIME", opt.at);
	return 0;
}

static int
configure(struct kafka_config *config, struct failure *why)
{
	size_t i;

	for (i = 0; i < opt.files.n; i++)
		if (kafka_config_file(config, opt.files.v[i], why) < 0)
			return -1;
	for (i = 0; i < opt.properties.n; i++)
		if (kafka_config_set(config, opt.properties.v[i], why) < 0)
			return -1;
	if (opt.brokers && kafka_config_brokers(config, opt.brokers, why) < 0)
		return -1;
	if (kafka_config_environment(config, why) < 0)
		return -1;
	return kafka_config_check(config, why);
}

static int
run(const struct verb *verb, char **operands, size_t n)
{
	struct kafka_config *config = kafka_config_new();
	struct kafka_admin *a = NULL;
	struct failure why = {0};
	int status = EXIT_OK;

	if (read_place(verb, &why) < 0 || configure(config, &why) < 0 ||
		!(a = kafka_admin_open(config, &why)) ||
		verb->run(a, (const char *const *)operands, n, &why) < 0)
		status = flow_say("sk-kafka", &why);
	if (kafka_admin_close(a) == 0)
		kafka_config_free(config);
	return status;
}

static struct opt options[] = {
	{0, "to", OPT_STRING, &opt.to, "WHERE", "reset: go on from there: earliest, latest, "
		"an offset N, -N from the end, @TIME"},
	{0, "partition", OPT_COUNT, &opt.partition, "N", "reset: only this partition of each "
		"topic", .max = INT32_MAX},
	{0, "yes", OPT_FLAG, &opt.yes, NULL, "reset: do it; without, what would change is "
		"shown"},
	{0, "at", OPT_STRING, &opt.at, "@TIME", "offsets: also the first offset of that time; "
		"RFC 3339, or @-2h: two hours ago"},
	{0, "all", OPT_FLAG, &opt.all, NULL, "topics: internal ones too"},
	{0, "json", OPT_FLAG, &opt.json, NULL, "a line of JSON for each row, not a table"},
	{0}
};

static struct opt brokers[] = {
	{'b', "brokers", OPT_STRING, &opt.brokers, "HOST:PORT", "brokers to begin with; else "
		"$SK_BROKERS"},
	{'X', "property", OPT_STRING, &opt.properties, "NAME=VALUE", "set a property of "
		"librdkafka", .list = true},
	{'F', "property-file", OPT_FILE, &opt.files, "FILE", "read properties from FILE, one a "
		"line", .list = true},
	{0}
};

static const struct opt_group groups_of_options[] = {
	{"Options", options}, {"Brokers", brokers}, {0}};

static const struct opt_example examples[] = {
	{"How far is the group billing behind?", "sk-kafka lag billing"},
	{"Let it read the last two hours again", "sk-kafka reset billing --to @-2h --yes"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct opt_command command = {
		.name = "sk-kafka",
		.summary = "shows topics, groups, lag and offsets, and resets groups",
		.synopsis = "[OPTION]... topics [TOPIC]...\n[OPTION]... groups [GROUP]...\n"
			"[OPTION]... lag GROUP [TOPIC]...\n[OPTION]... offsets TOPIC...\n"
			"[OPTION]... reset GROUP [TOPIC]... --to WHERE",
		.groups = groups_of_options,
		.examples = examples,
		.operands = "none",
	};
	const struct verb *verb;
	char **operands;
	int n, status;

	status = opt_parse(&command, argc, argv, &operands, &n);
	if (status >= 0)
		goto out;
	verb = n ? verb_named(operands[0]) : NULL;
	if (!verb)
		status = opt_refuse(&command, "it is topics, groups, lag, offsets or reset",
			n ? "unknown verb '%s'" : "a verb is missing%s", n ? operands[0] : "");
	else if ((size_t)n - 1 < verb->least)
		status = opt_refuse(&command, NULL, "%s needs %s", verb->name, verb->lacks);
	else
		status = run(verb, operands + 1, (size_t)n - 1);
out:
	opt_list_release(&opt.properties);
	opt_list_release(&opt.files);
	return status;
}

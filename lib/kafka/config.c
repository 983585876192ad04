/*
 * What a user said, kept as said and in order of rank: librdkafka resolves its own
 * aliases when the lines are applied one after the other, so nothing here needs to know
 * that "metadata.broker.list" is "bootstrap.servers".
 */
#include "kafka/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kafka/client.h"
#include "kafka/properties.h"

enum rank { FROM_ENVIRONMENT, FROM_FILE, FROM_OPTION, FROM_BROKERS };

enum { FILE_MAX_BYTES = 1 << 20 };

struct said {
	char *name, *value;
	enum rank rank;
};

struct kafka_config {
	struct said *v; /* by rank; within one, as they came */
	size_t n, cap;
	kafka_log_fn *log;
	void *log_arg;
};

/* ---- what a name may be ------------------------------------------------------------ */

/* What streamkit decides, and where a user says it. */
static const struct {
	const char *name, *hint;
} owned[] = {
	{"group.id", "kafka:TOPIC?group=NAME names the group"},
	{"group.instance.id", "--app makes a member static"},
	{"transactional.id", "--app names the job, and its transactions with it"},
	{"enable.auto.commit",
		"an offset is committed when what came of it is delivered"},
	{"auto.commit.enable",
		"an offset is committed when what came of it is delivered"},
	{"auto.commit.interval.ms", "--checkpoint says how often"},
	{"enable.auto.offset.store",
		"an offset is committed when what came of it is delivered"},
	{"offset.store.method", "offsets are kept by the group"},
	{"auto.offset.reset", "kafka:TOPIC?offset=earliest says where reading begins"},
	{"isolation.level", "kafka:TOPIC?isolation=read_uncommitted"},
	{"enable.partition.eof", "kafka:TOPIC?until=end ends there"},
	{"allow.auto.create.topics", "--create-topics makes topics"},
	{"log.queue", NULL},
	{"enabled_events", NULL},
	{"dr_cb", NULL},
	{"dr_msg_cb", NULL},
	{"delivery.report.only.error", NULL},
};

/* What makes librdkafka run code. */
static const char *const dangerous[] = {
	"plugin.library.paths",
	"sasl.kerberos.kinit.cmd",
	"ssl.engine.location",
	"ssl.engine.id",
	"ssl.providers",
};

static const char *const secrets[] = {
	"ssl.key.pem",
	"ssl.keystore.key",
	"sasl.jaas.config",
	"sasl.oauthbearer.config",
	"basic.auth.user.info",
};

/* What the environment may say: "SK_" and the name in capitals. */
static const char *const in_environment[] = {
	"sasl.username",
	"sasl.password",
	"ssl.key.password",
	"ssl.key.pem",
	"ssl.keystore.password",
	"sasl.oauthbearer.client.secret",
	"sasl.oauthbearer.config",
};

static bool
listed(const char *const *list, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(list[i], name) == 0)
			return true;
	return false;
}
#define LISTED(list, name) listed(list, sizeof(list) / sizeof(*(list)), name)

static bool
is_secret(const char *name)
{
	return strstr(name, "password") || strstr(name, "secret") ||
	       LISTED(secrets, name);
}

static void
variable_of(const char *name, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "SK_%s", name);

	for (n = 3; to[n]; n++)
		to[n] = to[n] == '.' ? '_' : (char)toupper((unsigned char)to[n]);
}

/* May this be said, and does librdkafka take it? */
static int
check(const char *name, const char *value, int status, struct failure *why)
{
	rd_kafka_conf_t *scratch;
	rd_kafka_conf_res_t res;
	char text[256];
	size_t i;

	for (i = 0; i < sizeof(owned) / sizeof(*owned); i++)
		if (strcmp(owned[i].name, name) == 0) {
			fail(why, status, "%s is streamkit's own to set", name);
			if (owned[i].hint)
				fail_hint(why, "%s", owned[i].hint);
			return -1;
		}
	if (strcmp(name, "partition.assignment.strategy") == 0 &&
		strstr(value, "cooperative") && rd_kafka_version() < 0x020601ff) {
		fail(why, status, "%s: librdkafka %s is not safe with cooperative-sticky",
			name, rd_kafka_version_str());
		fail_hint(why, "range or roundrobin");
		return -1;
	}
	scratch = rd_kafka_conf_new();
	/* Loading a plugin would run it here; what it is worth shows when a client
	 * opens. */
	res = strcmp(name, "plugin.library.paths") == 0
		      ? RD_KAFKA_CONF_OK
		      : rd_kafka_conf_set(scratch, name, value, text, sizeof(text));
	rd_kafka_conf_destroy(scratch);
	if (res == RD_KAFKA_CONF_OK)
		return 0;
	if (res == RD_KAFKA_CONF_UNKNOWN) {
		fail(why, status, "librdkafka %s has no property '%.80s'",
			rd_kafka_version_str(), name);
		return -1;
	}
	/* librdkafka's text repeats the value. */
	if (is_secret(name))
		return fail(why, status, "%s: librdkafka does not take this value", name);
	/* It may be told by another name of the same property. */
	return fail(why, status, "%s%s%s", strstr(text, name) ? "" : name,
		strstr(text, name) ? "" : ": ", text);
}

static void
say(struct kafka_config *c, const char *name, const char *value, enum rank rank)
{
	size_t at;

	c->v = mem_grow(c->v, &c->cap, c->n + 1, sizeof(*c->v));
	for (at = c->n; at > 0 && c->v[at - 1].rank > rank; at--)
		c->v[at] = c->v[at - 1];
	c->v[at] = (struct said){mem_strdup(name), mem_strdup(value), rank};
	c->n++;
}

/* ---- the four ways ----------------------------------------------------------------- */

struct kafka_config *
kafka_config_new(void)
{
	return mem_zalloc(sizeof(struct kafka_config));
}

static void
wipe(char *s)
{
	volatile char *p = s;

	while (*p)
		*p++ = '\0';
	free(s);
}

void
kafka_config_free(struct kafka_config *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->n; i++) {
		free(c->v[i].name);
		wipe(c->v[i].value);
	}
	free(c->v);
	free(c);
}

int
kafka_config_brokers(struct kafka_config *c, const char *brokers, struct failure *why)
{
	const char *p = brokers;

	while (*p == ',' || isspace((unsigned char)*p))
		p++;
	if (!*p)
		return fail(why, EXIT_USAGE, "no broker is named: expected HOST:PORT");
	if (check("bootstrap.servers", brokers, EXIT_USAGE, why) < 0)
		return -1;
	say(c, "bootstrap.servers", brokers, FROM_BROKERS);
	return 0;
}

int
kafka_config_set(struct kafka_config *c, const char *assignment, struct failure *why)
{
	const char *eq = strchr(assignment, '=');
	char *name, variable[96];
	struct slice plain;
	int status = -1;

	if (!eq || eq == assignment)
		return fail(why, EXIT_USAGE, "expected NAME=VALUE");
	plain = property_name(slice_of(assignment, (size_t)(eq - assignment)));
	name = mem_dup(plain.p, plain.n);
	if (is_secret(name)) {
		fail(why, EXIT_USAGE,
			"%.80s: a secret on the command line is seen by every user "
			"of this machine",
			name);
		if (LISTED(in_environment, name)) {
			variable_of(name, variable, sizeof(variable));
			fail_hint(
				why, "put it into a file for -F, or into $%s", variable);
		} else
			fail_hint(why, "put it into a file for -F");
	} else if (LISTED(dangerous, name)) {
		fail(why, EXIT_USAGE, "%s runs code: it is taken only from a file", name);
		fail_hint(why, "-F FILE, which nobody else may write");
	} else if (check(name, eq + 1, EXIT_USAGE, why) == 0) {
		say(c, name, eq + 1, FROM_OPTION);
		status = 0;
	}
	free(name);
	return status;
}

/* The whole of a regular file or a pipe into text. */
static int
read_whole(int fd, const char *path, struct buf *text, struct failure *why)
{
	ssize_t n;

	for (;;) {
		buf_reserve(text, 4096);
		n = read(fd, text->p + text->n, 4096);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(why, status_of_errno(errno, EXIT_CONFIG), "%s: %s",
				path, strerror(errno));
		text->n += (size_t)n;
		if (text->n > FILE_MAX_BYTES)
			return fail(why, EXIT_CONFIG,
				"%s: too long for a file of properties", path);
	}
}

int
kafka_config_file(struct kafka_config *c, const char *path, struct failure *why)
{
	struct properties list = {0};
	struct buf text = {0};
	struct stat st;
	int fd, status = -1;
	bool safe;
	size_t i;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(why, status_of_errno(errno, EXIT_CONFIG), "%s: %s", path,
			strerror(errno));
		goto out;
	}
	if (read_whole(fd, path, &text, why) < 0)
		goto out;
	if (properties_read(&list, buf_slice(&text),
		    slice_ends(slice_str(path), SLICE(".properties")), why) < 0 ||
		properties_translate(&list, why) < 0) {
		fail_within(why, "%s:", path);
		goto out;
	}
	safe = S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
	for (i = 0; i < list.n; i++) {
		if (LISTED(dangerous, list.v[i].name) && !safe) {
			fail(why, EXIT_CONFIG,
				"%s runs code, and others may write this file",
				list.v[i].name);
			fail_hint(why, "the file must be your own: chmod go-w %s", path);
		} else if (check(list.v[i].name, list.v[i].value, EXIT_CONFIG, why) == 0)
			continue;
		fail_within(why, "%s:%u: ", path, list.v[i].line);
		goto out;
	}
	for (i = 0; i < list.n; i++)
		say(c, list.v[i].name, list.v[i].value, FROM_FILE);
	status = 0;
out:
	if (fd >= 0)
		close(fd);
	properties_release(&list);
	if (text.p)
		memset(text.p, 0, text.n);
	buf_release(&text);
	return status;
}

int
kafka_config_environment(struct kafka_config *c, struct failure *why)
{
	const char *value = getenv("SK_BROKERS");
	char variable[96];
	size_t i;

	if (value && *value) {
		if (check("bootstrap.servers", value, EXIT_CONFIG, why) < 0)
			return fail_within(why, "$SK_BROKERS: ");
		say(c, "bootstrap.servers", value, FROM_ENVIRONMENT);
	}
	for (i = 0; i < sizeof(in_environment) / sizeof(*in_environment); i++) {
		variable_of(in_environment[i], variable, sizeof(variable));
		value = getenv(variable);
		if (!value || !*value)
			continue;
		if (check(in_environment[i], value, EXIT_CONFIG, why) < 0)
			return fail_within(why, "$%s: ", variable);
		say(c, in_environment[i], value, FROM_ENVIRONMENT);
	}
	return 0;
}

/* ---- what came of it --------------------------------------------------------------- */

static const struct said *
find(const struct kafka_config *c, const char *name)
{
	size_t i;

	for (i = c->n; i-- > 0;)
		if (strcmp(c->v[i].name, name) == 0)
			return &c->v[i];
	return NULL;
}

const char *
kafka_config_get(const struct kafka_config *c, const char *name)
{
	const struct said *s = find(c, name);

	return s ? s->value : NULL;
}

int
kafka_config_check(const struct kafka_config *c, struct failure *why)
{
	const char *protocol = kafka_config_get(c, "security.protocol");
	const struct said *s;
	size_t i;

	if (!find(c, "bootstrap.servers") && !find(c, "metadata.broker.list")) {
		fail(why, EXIT_USAGE, "no brokers are named");
		fail_hint(why, "-b HOST:PORT, or export SK_BROKERS=HOST:PORT");
		return -1;
	}
	/* An identity that would never be shown: the brokers' refusal would not say so.
	 * What the environment has may be meant for another command. */
	for (i = 0; i < c->n; i++) {
		s = &c->v[i];
		if (s->rank == FROM_ENVIRONMENT || strncmp(s->name, "sasl.", 5) != 0)
			continue;
		if (strcmp(s->name, "sasl.username") != 0 &&
			strcmp(s->name, "sasl.password") != 0 &&
			strncmp(s->name, "sasl.mechanism", 14) != 0)
			continue;
		if (protocol && strncasecmp(protocol, "sasl_", 5) == 0)
			continue;
		fail(why, EXIT_CONFIG, "%s is set, but security.protocol is %s", s->name,
			protocol ? protocol : "plaintext");
		fail_hint(why, "security.protocol=sasl_ssl");
		return -1;
	}
	return 0;
}

void
kafka_config_log(struct kafka_config *c, kafka_log_fn *log, void *arg)
{
	c->log = log;
	c->log_arg = arg;
}

kafka_log_fn *
kafka_config_logger(const struct kafka_config *c, void **arg)
{
	*arg = c->log_arg;
	return c->log;
}

int
kafka_config_apply(
	const struct kafka_config *c, rd_kafka_conf_t *conf, struct failure *why)
{
	char text[256];
	size_t i;

	for (i = 0; i < c->n; i++) {
		if (rd_kafka_conf_set(conf, c->v[i].name, c->v[i].value, text,
			    sizeof(text)) == RD_KAFKA_CONF_OK)
			continue;
		if (is_secret(c->v[i].name))
			return fail(why, EXIT_CONFIG,
				"%s: librdkafka does not take this value", c->v[i].name);
		return fail(why, EXIT_CONFIG, "%s", text);
	}
	return 0;
}

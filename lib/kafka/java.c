/*
 * The Java client's properties in librdkafka's words. Most names are the same; the table
 * has those that are not. A property whose meaning would be lost is refused with the way
 * out, never dropped; only what concerns Java objects is passed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kafka/properties.h"

enum action {
	RENAME,   /* to */
	KBYTES,   /* to, bytes there, KiB here */
	NO_MINUS, /* to, -1 (as the system has it) there, 0 here */
	PASS_OVER,
	REFUSE, /* to is the hint */
};

static const struct rule {
	const char *name; /* a "*" at its end: any that begin so */
	enum action action;
	const char *to;
} rules[] = {
	{"ssl.truststore.certificates", RENAME, "ssl.ca.pem"},
	{"ssl.keystore.certificate.chain", RENAME, "ssl.certificate.pem"},
	{"ssl.keystore.key", RENAME, "ssl.key.pem"},
	{"ssl.truststore.password", PASS_OVER, NULL}, /* the store is PEM, or refused */
	{"ssl.provider", REFUSE, "leave it out: OpenSSL is the provider"},
	{"ssl.keymanager.algorithm", PASS_OVER, NULL},
	{"ssl.trustmanager.algorithm", PASS_OVER, NULL},
	{"ssl.secure.random.implementation", PASS_OVER, NULL},
	{"ssl.engine.factory.class", REFUSE, "say what it does by ssl.* properties"},
	{"security.providers", REFUSE, "leave it out: OpenSSL is the provider"},
	{"sasl.client.callback.handler.class", REFUSE, "there is no Java here to call"},
	{"sasl.login.callback.handler.class", REFUSE,
		"for OAUTHBEARER: sasl.oauthbearer.method=oidc"},
	{"sasl.login.class", REFUSE, "there is no Java here to call"},
	{"sasl.login.*", PASS_OVER, NULL},
	{"sasl.kerberos.ticket.renew.*", PASS_OVER, NULL},
	{"buffer.memory", KBYTES, "queue.buffering.max.kbytes"},
	{"max.request.size", RENAME, "message.max.bytes"},
	{"fetch.max.wait.ms", RENAME, "fetch.wait.max.ms"},
	{"receive.buffer.bytes", NO_MINUS, "socket.receive.buffer.bytes"},
	{"send.buffer.bytes", NO_MINUS, "socket.send.buffer.bytes"},
	{"socket.connection.setup.timeout.max.ms", PASS_OVER, NULL},
	{"partitioner.class", REFUSE,
		"keys go where Java's default partitioner puts them; ?partition= "
		"chooses"},
	{"key.serializer", PASS_OVER, NULL},
	{"value.serializer", PASS_OVER, NULL},
	{"key.deserializer", PASS_OVER, NULL},
	{"value.deserializer", PASS_OVER, NULL},
	{"interceptor.classes", PASS_OVER, NULL},
	{"metric.reporters", PASS_OVER, NULL},
	{"metrics.*", PASS_OVER, NULL},
	{"auto.include.jmx.reporter", PASS_OVER, NULL},
	{"enable.metrics.push", PASS_OVER, NULL},
	{"client.dns.lookup", PASS_OVER, NULL},
	{"default.api.timeout.ms", PASS_OVER, NULL},
	{"max.block.ms", PASS_OVER, NULL},
	{"max.poll.records", PASS_OVER, NULL},
	{"exclude.internal.topics", PASS_OVER, NULL},
	{"metadata.max.idle.ms", PASS_OVER, NULL},
	{"metadata.recovery.*", PASS_OVER, NULL},
	{"schema.registry.*", PASS_OVER, NULL},
	{"basic.auth.*", PASS_OVER, NULL},
	{"confluent.*", PASS_OVER, NULL},
};

static const struct rule *
rule_of(const char *name)
{
	size_t i, n;

	for (i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		n = strlen(rules[i].name);
		if (rules[i].name[n - 1] == '*' ? strncmp(name, rules[i].name, n - 1) == 0
						: strcmp(name, rules[i].name) == 0)
			return &rules[i];
	}
	return NULL;
}

static void
put(char **to, const char *s)
{
	char *copy = mem_strdup(s);

	free(*to);
	*to = copy;
}

/* The newest property of that name, or NULL. */
static struct property *
find(const struct properties *list, const char *name)
{
	size_t i;

	for (i = list->n; i-- > 0;)
		if (strcmp(list->v[i].name, name) == 0)
			return &list->v[i];
	return NULL;
}

/* What is to go away has no name. */
static void
drop(struct properties *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strcmp(list->v[i].name, name) == 0)
			list->v[i].name[0] = '\0';
}

static void
append(struct properties *list, const char *name, const char *value, unsigned line)
{
	list->v = mem_grow(list->v, &list->cap, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct property){mem_strdup(name), mem_strdup(value), line};
}

static int
by_rule(struct property *p, struct failure *why)
{
	const struct rule *rule = rule_of(p->name);
	char number[32], *end;
	long long n;

	if (!rule)
		return 0;
	switch (rule->action) {
	case PASS_OVER:
		p->name[0] = '\0';
		break;
	case REFUSE:
		fail(why, EXIT_CONFIG, "%u: %s is a property of the Java client only",
			p->line, p->name);
		fail_hint(why, "%s", rule->to);
		return -1;
	case KBYTES:
		errno = 0;
		n = strtoll(p->value, &end, 10);
		if (errno || *end || end == p->value || n < 0)
			return fail(why, EXIT_CONFIG, "%u: %s is not a number of bytes",
				p->line, p->name);
		snprintf(number, sizeof(number), "%lld", n / 1024 + (n % 1024 > 0));
		put(&p->name, rule->to);
		put(&p->value, number);
		break;
	case NO_MINUS:
		put(&p->name, rule->to);
		if (strcmp(p->value, "-1") == 0)
			put(&p->value, "0");
		break;
	case RENAME:
		put(&p->name, rule->to);
		break;
	}
	return 0;
}

/* ---- stores ------------------------------------------------------------------------ */

enum store { STORE_PEM, STORE_PKCS12, STORE_JKS, STORE_UNKNOWN };

/* Of which kind is the store that p names? What its type says, else what the file begins
 * with: Java's default reads both JKS and PKCS12. */
static enum store
store_kind(const struct property *p, const struct property *type)
{
	unsigned char magic[4] = {0};
	ssize_t n;
	int fd;

	if (type && strcmp(type->value, "PEM") == 0)
		return STORE_PEM;
	if (type && strcmp(type->value, "PKCS12") == 0)
		return STORE_PKCS12;
	fd = open(p->value, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return STORE_UNKNOWN;
	n = read(fd, magic, sizeof(magic));
	close(fd);
	if (n == 4 && memcmp(magic, "\xfe\xed\xfe\xed", 4) == 0)
		return STORE_JKS;
	if (n == 4 && magic[0] == 0x30)
		return STORE_PKCS12;
	return STORE_PEM;
}

static int
unreadable(const struct property *p, struct failure *why)
{
	return fail(why, EXIT_CONFIG, "%u: %s: %s: %s", p->line, p->name, p->value,
		strerror(errno));
}

static int
truststore(struct properties *list, struct failure *why)
{
	struct property *p = find(list, "ssl.truststore.location");

	if (p)
		switch (store_kind(p, find(list, "ssl.truststore.type"))) {
		case STORE_UNKNOWN:
			return unreadable(p, why);
		case STORE_PEM:
			append(list, "ssl.ca.location", p->value, p->line);
			break;
		default:
			fail(why, EXIT_CONFIG,
				"%u: ssl.truststore.location: a Java store "
				"cannot be read here",
				p->line);
			fail_hint(why,
				"keytool -exportcert -rfc -keystore STORE -alias CA "
				">ca.pem, then ssl.ca.location=ca.pem");
			return -1;
		}
	drop(list, "ssl.truststore.location");
	drop(list, "ssl.truststore.type");
	return 0;
}

static int
keystore(struct properties *list, struct failure *why)
{
	struct property *p = find(list, "ssl.keystore.location");
	struct property *type = find(list, "ssl.keystore.type");
	char *path;
	unsigned line;

	if (p)
		switch (store_kind(p, type)) {
		case STORE_UNKNOWN:
			return unreadable(p, why);
		case STORE_PEM:
			/* One file holds both. */
			path = mem_strdup(p->value);
			line = p->line;
			drop(list, "ssl.keystore.location");
			drop(list, "ssl.keystore.password");
			append(list, "ssl.certificate.location", path, line);
			append(list, "ssl.key.location", path, line);
			free(path);
			break;
		case STORE_PKCS12:
			break;
		case STORE_JKS:
			fail(why, EXIT_CONFIG,
				"%u: ssl.keystore.location: a JKS store "
				"cannot be read here",
				p->line);
			fail_hint(why, "keytool -importkeystore -srckeystore STORE "
				       "-destkeystore key.p12 -deststoretype PKCS12");
			return -1;
		}
	drop(list, "ssl.keystore.type");
	return 0;
}

/* ---- JAAS -------------------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* The next word of a JAAS line: up to white space, "=" or ";", or quoted. Those two signs
 * are words of their own. False at the end, or with *bad where a quote does not end. */
static bool
jaas_word(const char **at, struct buf *out, bool *bad)
{
	const char *p = *at;
	char quote;

	buf_reset(out);
	while (is_blank(*p))
		p++;
	if (!*p)
		return false;
	if (*p == '=' || *p == ';')
		buf_addc(out, *p++);
	else if (*p == '"' || *p == '\'') {
		quote = *p++;
		for (; *p && *p != quote; p++) {
			if (*p == '\\' && p[1])
				p++;
			buf_addc(out, *p);
		}
		if (!*p) {
			*bad = true;
			return false;
		}
		p++;
	} else
		while (*p && !is_blank(*p) && *p != '=' && *p != ';')
			buf_addc(out, *p++);
	*at = p;
	return true;
}

static bool
is_word(struct buf *word, const char *s)
{
	return slice_eq(buf_slice(word), slice_str(s));
}

static int
jaas(struct properties *list, struct failure *why)
{
	static const char module[] = "org.apache.kafka.common.security.";
	struct property *p = find(list, "sasl.jaas.config");
	struct property *mechanism = find(list, "sasl.mechanism");
	struct buf word = {0}, name = {0};
	char *user = NULL, *password = NULL;
	const char *at, *has = NULL;
	bool bad = false, plain = false, scram = false;
	unsigned line;
	int status = -1;

	if (!p)
		return 0;
	if (!mechanism)
		mechanism = find(list, "sasl.mechanisms");
	at = p->value;
	line = p->line;
	if (jaas_word(&at, &word, &bad) &&
		slice_starts(buf_slice(&word), slice_str(module))) {
		has = buf_cstr(&word) + strlen(module);
		plain = strcmp(has, "plain.PlainLoginModule") == 0;
		scram = strcmp(has, "scram.ScramLoginModule") == 0;
	}
	if (!plain && !scram) {
		fail(why, EXIT_CONFIG,
			"%u: sasl.jaas.config: neither PlainLoginModule nor "
			"ScramLoginModule",
			line);
		if (has && strncmp(has, "oauthbearer.", 12) == 0)
			fail_hint(why, "sasl.oauthbearer.method=oidc and its properties");
		else
			fail_hint(why, "Kerberos: sasl.kerberos.principal and .keytab");
		goto out;
	}
	if (!jaas_word(&at, &word, &bad)) /* required */
		goto malformed;
	while (jaas_word(&at, &name, &bad) && !is_word(&name, ";")) {
		if (!jaas_word(&at, &word, &bad) || !is_word(&word, "=") ||
			!jaas_word(&at, &word, &bad))
			goto malformed;
		if (is_word(&name, "username"))
			put(&user, buf_cstr(&word));
		else if (is_word(&name, "password"))
			put(&password, buf_cstr(&word));
		else if (is_word(&name, "tokenauth") && is_word(&word, "true")) {
			fail(why, EXIT_CONFIG,
				"%u: sasl.jaas.config: delegation tokens are "
				"not known to librdkafka",
				line);
			goto out;
		}
	}
	if (bad || !user || !password)
		goto malformed;
	if (scram && !mechanism) {
		fail(why, EXIT_CONFIG,
			"%u: sasl.jaas.config is for SCRAM, but sasl.mechanism "
			"is missing",
			line);
		fail_hint(why, "sasl.mechanism=SCRAM-SHA-256 or SCRAM-SHA-512");
		goto out;
	}
	if (mechanism && strncmp(mechanism->value, plain ? "PLAIN" : "SCRAM-SHA-",
				 plain ? 6 : 10) != 0) {
		fail(why, EXIT_CONFIG,
			"%u: sasl.jaas.config is for %s, but sasl.mechanism is %s", line,
			plain ? "PLAIN" : "SCRAM", mechanism->value);
		goto out;
	}
	if (!mechanism)
		append(list, "sasl.mechanism", "PLAIN", line);
	append(list, "sasl.username", user, line);
	append(list, "sasl.password", password, line);
	drop(list, "sasl.jaas.config");
	status = 0;
	goto out;
malformed:
	fail(why, EXIT_CONFIG,
		"%u: sasl.jaas.config: expected MODULE required "
		"username=\"...\" password=\"...\";",
		line);
out:
	buf_release(&word);
	buf_release(&name);
	free(user);
	free(password);
	return status;
}

/* ---- values ------------------------------------------------------------------------ */

static bool
has_part(const char *list, const char *part)
{
	size_t n = strlen(part);

	for (; list; list = strchr(list, ','), list += list != NULL) {
		while (*list == ' ')
			list++;
		if (strncmp(list, part, n) == 0 &&
			(list[n] == ',' || list[n] == ' ' || !list[n]))
			return true;
	}
	return false;
}

/* Java writes "" for no check of the host's name, and names of classes for assignors; TLS
 * versions are those that OpenSSL takes by default. */
static int
values(struct property *p, struct failure *why)
{
	static const char package[] = "org.apache.kafka.clients.consumer.";

	if (strcmp(p->name, "ssl.endpoint.identification.algorithm") == 0) {
		if (!*p->value)
			put(&p->value, "none");
		else if (strcmp(p->value, "HTTPS") == 0)
			put(&p->value, "https");
	} else if (strcmp(p->name, "ssl.protocol") == 0 ||
		   strcmp(p->name, "ssl.enabled.protocols") == 0) {
		if (strcmp(p->value, "TLS") != 0 && !has_part(p->value, "TLSv1.2")) {
			if (strcmp(p->name, "ssl.protocol") != 0 ||
				strcmp(p->value, "TLSv1.3") != 0) {
				fail(why, EXIT_CONFIG,
					"%u: %s: OpenSSL offers TLSv1.2 and "
					"TLSv1.3",
					p->line, p->name);
				fail_hint(why, "leave it out, or let the brokers choose");
				return -1;
			}
		}
		p->name[0] = '\0';
	} else if (strcmp(p->name, "partition.assignment.strategy") == 0 &&
		   strncmp(p->value, package, strlen(package)) == 0) {
		/* Java's default list begins with the range assignor, which is ours. */
		p->name[0] = '\0';
	}
	return 0;
}

int
properties_translate(struct properties *list, struct failure *why)
{
	size_t i, kept;

	if (truststore(list, why) < 0 || keystore(list, why) < 0 || jaas(list, why) < 0)
		return -1;
	for (i = 0; i < list->n; i++)
		if (values(&list->v[i], why) < 0 || by_rule(&list->v[i], why) < 0)
			return -1;
	for (i = kept = 0; i < list->n; i++) {
		if (*list->v[i].name)
			list->v[kept++] = list->v[i];
		else {
			free(list->v[i].name);
			free(list->v[i].value);
		}
	}
	list->n = kept;
	return 0;
}

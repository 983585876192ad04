/* What a user may say about brokers, by option, file and environment. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "kafka/client.h"
#include "kafka/config.h"
#include "kafka/properties.h"
#include "test.h"

static char folder[] = "/tmp/sk-kafka-config.XXXXXX";
static char path[128];
static struct failure why;

/* Write text to a file of that name in the folder; sets path. */
static void
file_is(const char *name, const char *text, size_t n)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	if (!f || fwrite(text, 1, n, f) != n || fclose(f))
		abort();
	chmod(path, 0600);
}

/* Read such a file into a fresh config, which lives until the next call; NULL with
 * why. */
static struct kafka_config *
from_file(const char *name, const char *text)
{
	static struct kafka_config *c;

	kafka_config_free(c);
	c = kafka_config_new();
	file_is(name, text, strlen(text));
	memset(&why, 0, sizeof(why));
	return kafka_config_file(c, path, &why) < 0 ? NULL : c;
}

static bool
has(const struct kafka_config *c, const char *name, const char *value)
{
	const char *is = c ? kafka_config_get(c, name) : NULL;

	if (value ? is && strcmp(is, value) == 0 : c && !is)
		return true;
	printf("# %s is %s; %s\n", name, is ? is : "absent", why.text);
	return false;
}

static bool
says(const char *text)
{
	if (strstr(why.text, text) || strstr(why.hint, text))
		return true;
	printf("# said: %s (%s)\n", why.text, why.hint);
	return false;
}

static int
set(const char *assignment)
{
	struct kafka_config *c = kafka_config_new();
	int status;

	memset(&why, 0, sizeof(why));
	status = kafka_config_set(c, assignment, &why);
	kafka_config_free(c);
	return status;
}

static void
options(void)
{
	static const char *const owned[] = {"group.id=g", "transactional.id=t",
		"enable.auto.commit=true", "auto.offset.reset=earliest",
		"isolation.level=read_uncommitted", "allow.auto.create.topics=true",
		"group.instance.id=i", "enable.partition.eof=false"};
	static const char *const secret[] = {"sasl.password=hunter2",
		"ssl.key.password=hunter2", "ssl.keystore.password=hunter2",
		"ssl.key.pem=hunter2", "sasl.oauthbearer.client.secret=hunter2",
		"sasl.oauthbearer.config=hunter2", "sasl.jaas.config=hunter2",
		"topic.sasl.password=hunter2"};
	static const char *const code[] = {"plugin.library.paths=/tmp/x.so",
		"sasl.kerberos.kinit.cmd=rm", "ssl.engine.location=/tmp/x.so"};
	struct kafka_config *c = kafka_config_new();
	size_t i;

	ok(kafka_config_set(c, "linger.ms=5", &why) == 0 && has(c, "linger.ms", "5"),
		"-X takes a property");
	ok(kafka_config_set(c, "linger.ms=7", &why) == 0 && has(c, "linger.ms", "7"),
		"of two -X the later counts");
	ok(kafka_config_set(c, "client.id=a=b", &why) == 0 && has(c, "client.id", "a=b"),
		"a value may hold an equals sign");
	ok(kafka_config_set(c, "topic.acks=1", &why) == 0 && has(c, "acks", "1"),
		"kcat's prefix of topic properties is dropped");
	ok(kafka_config_set(c, "topic.metadata.refresh.interval.ms=7", &why) == 0 &&
			has(c, "topic.metadata.refresh.interval.ms", "7"),
		"but not what is in the name of a property itself");
	kafka_config_free(c);
	ok(set("no.such.property=1") < 0 && why.status == EXIT_USAGE &&
			says("no.such.property"),
		"an unknown property is refused");
	ok(set("linger.ms=soon") < 0 && why.status == EXIT_USAGE && says("linger.ms"),
		"a value that is no number is refused");
	ok(set("linger.ms") < 0 && set("=1") < 0 && set("") < 0 && set("topic.") < 0,
		"what is no assignment is refused");
	for (i = 0; i < sizeof(owned) / sizeof(*owned); i++)
		ok(set(owned[i]) < 0 && why.status == EXIT_USAGE && why.hint[0],
			"-X %s is streamkit's own, with a hint", owned[i]);
	for (i = 0; i < sizeof(secret) / sizeof(*secret); i++)
		ok(set(secret[i]) < 0 && why.status == EXIT_USAGE && says("-F") &&
				!strstr(why.text, "hunter2") &&
				!strstr(why.hint, "hunter2"),
			"-X %.20s... is a secret, and not repeated", secret[i]);
	ok(set("sasl.password=x") < 0 && says("$SK_SASL_PASSWORD"),
		"the hint names the variable");
	for (i = 0; i < sizeof(code) / sizeof(*code); i++)
		ok(set(code[i]) < 0 && why.status == EXIT_USAGE && says("-F"),
			"-X %s would run code", code[i]);
	ok(set("partition.assignment.strategy=cooperative-sticky") <
			(rd_kafka_version() < 0x020601ff ? 0 : 1),
		"cooperative-sticky is refused where it is not safe");
}

static void
precedence(void)
{
	static const char file[] = "bootstrap.servers=file:1\nsasl.password=from-file\n"
				   "linger.ms=1\n";
	struct kafka_config *c = kafka_config_new();
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char value[256];
	size_t n = sizeof(value);

	setenv("SK_BROKERS", "env:1", 1);
	setenv("SK_SASL_PASSWORD", "from-env", 1);
	file_is("f", file, strlen(file));
	ok(kafka_config_brokers(c, "option:1", &why) == 0 &&
			kafka_config_set(c, "linger.ms=2", &why) == 0 &&
			kafka_config_file(c, path, &why) == 0 &&
			kafka_config_environment(c, &why) == 0,
		"four ways in any order");
	ok(has(c, "bootstrap.servers", "option:1"), "-b beats all");
	ok(has(c, "linger.ms", "2"), "-X beats a file that is read later");
	ok(has(c, "sasl.password", "from-file"), "a file beats the environment");
	ok(kafka_config_set(c, "queue.buffering.max.ms=3", &why) == 0 &&
			kafka_config_apply(c, conf, &why) == 0 &&
			rd_kafka_conf_get(conf, "linger.ms", value, &n) ==
				RD_KAFKA_CONF_OK &&
			strcmp(value, "3") == 0,
		"an alias said later counts");
	rd_kafka_conf_destroy(conf);
	kafka_config_free(c);

	c = kafka_config_new();
	ok(kafka_config_environment(c, &why) == 0 &&
			has(c, "bootstrap.servers", "env:1") &&
			has(c, "sasl.password", "from-env") &&
			kafka_config_check(c, &why) == 0,
		"the environment alone is enough, and its secrets force no protocol");
	kafka_config_free(c);
	setenv("SK_BROKERS", "", 1);
	unsetenv("SK_SASL_PASSWORD");
	c = kafka_config_new();
	ok(kafka_config_environment(c, &why) == 0 && kafka_config_check(c, &why) < 0 &&
			why.status == EXIT_USAGE && says("SK_BROKERS"),
		"no brokers anywhere is a usage error that says how");
	ok(kafka_config_brokers(c, " , ", &why) < 0 && why.status == EXIT_USAGE,
		"an empty -b is refused");
	ok(kafka_config_set(c, "sasl.mechanism=PLAIN", &why) == 0 &&
			kafka_config_brokers(c, "a:1", &why) == 0 &&
			kafka_config_check(c, &why) < 0 && why.status == EXIT_CONFIG &&
			says("security.protocol"),
		"an identity that would never be shown is refused");
	ok(kafka_config_set(c, "security.protocol=SASL_SSL", &why) == 0 &&
			kafka_config_check(c, &why) == 0,
		"and taken with a protocol that shows it");
	kafka_config_free(c);
}

static void
kcat_form(void)
{
	struct kafka_config *c;

	c = from_file("conf", "# comment\n\n  bootstrap.servers = a:1,b:2  \r\n"
			      "topic.acks=1\nsasl.password=p#\\n=x\nclient.id=\xc3\xa4");
	ok(has(c, "bootstrap.servers", "a:1,b:2") && has(c, "acks", "1"),
		"kcat's form: comments, white space, CRLF, the prefix topic.");
	ok(has(c, "sasl.password", "p#\\n=x"), "a backslash is a backslash there");
	ok(has(c, "client.id", "\xc3\xa4"), "the last line needs no line feed");
	ok(!from_file("conf", "linger.ms=1\nnonsense\n") && why.status == EXIT_CONFIG &&
			says("/conf:2: expected NAME=VALUE"),
		"a line without = is refused with its place");
	ok(!from_file("conf", "linger.ms=1\n\nno.such=1\n") && says("/conf:3: ") &&
			says("no.such"),
		"an unknown name is refused with its place");
	ok(!from_file("conf", "group.id=g\n") && says("kafka:TOPIC?group="),
		"a group is not taken from a file");
	ok(!from_file("conf",
		   "ssl.key.password=x\nsasl.jaas.config=M required \\\n a=b;\n") &&
			says(".properties"),
		"a Java file under another name is told to be one");
	c = kafka_config_new();
	ok(kafka_config_file(c, "/nonexistent/file", &why) < 0 &&
			why.status == EXIT_CONFIG,
		"a file that is not there");
	file_is("bin", "a\0b=1\n", 6);
	ok(kafka_config_file(c, path, &why) < 0, "a file that is no text");
	file_is("partly", "linger.ms=1\nno.such=1", 21);
	ok(kafka_config_file(c, path, &why) < 0 && !kafka_config_get(c, "linger.ms"),
		"of a file with an error nothing is taken");
	kafka_config_free(c);
}

static void
java_form(void)
{
	struct kafka_config *c;

	c = from_file("a.properties",
		"! comment\n# comment\n\n"
		"bootstrap.servers : a:1,\\\n    b:2\n"
		"client.id  \\u00e4\\u20ac\\ud83d\\ude00\\t|\n"
		"sasl.username=a\\=b\\\\\n"
		"key.serializer=org.example.X\nmetrics.num.samples=2\n"
		"buffer.memory=33554433\nmax.request.size=2000000\n"
		"receive.buffer.bytes=-1\nssl.endpoint.identification.algorithm=\n"
		"partition.assignment.strategy="
		"org.apache.kafka.clients.consumer.RangeAssignor\n"
		"ssl.enabled.protocols=TLSv1.3, TLSv1.2\nacks=all\nlinger.ms=4\\\n");
	ok(has(c, "bootstrap.servers", "a:1,b:2"),
		"Java's form: a colon, and a line that goes on");
	ok(has(c, "client.id", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\t|"),
		"white space separates, \\u and \\t escape");
	ok(has(c, "sasl.username", "a=b\\"), "escaped signs stand for themselves");
	ok(has(c, "key.serializer", NULL) && has(c, "metrics.num.samples", NULL) &&
			has(c, "partition.assignment.strategy", NULL),
		"what concerns Java objects is passed over");
	ok(has(c, "queue.buffering.max.kbytes", "32769") &&
			has(c, "message.max.bytes", "2000000") &&
			has(c, "socket.receive.buffer.bytes", "0") &&
			has(c, "ssl.endpoint.identification.algorithm", "none"),
		"names and units are translated");
	ok(has(c, "linger.ms", "4"), "a backslash at the very end is nothing");
	ok(!from_file("a.properties", "client.id=\\u00g0\n") && says("a.properties:1: "),
		"a \\u that is none");
	ok(!from_file("a.properties", "client.id=\\ud800x\n"),
		"half a pair of surrogates");
	ok(!from_file("a.properties", "\nclient.id=a\\\n  b\npartitioner.class=x\n") &&
			says("a.properties:4: ") && says("partitioner"),
		"a partitioner class would be lost: refused, with the right line");
	ok(!from_file("a.properties", "ssl.enabled.protocols=TLSv1.3\n"),
		"a TLS version that is not kept to is refused");
	ok(!from_file("a.properties", "buffer.memory=lots\n"), "a size that is none");
}

static void
login(void)
{
	static const char plain[] =
		"security.protocol=SASL_SSL\nsasl.jaas.config="
		"org.apache.kafka.common.security.plain.PlainLoginModule required \\\n"
		"  username=\"al ice\" \\\n  password=\"a\\\\\"b'c;=\" ;\n";
	static const char scram[] =
		"sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config="
		"org.apache.kafka.common.security.scram.ScramLoginModule required "
		"username='alice' password='x';\n";
	struct kafka_config *c;

	c = from_file("a.properties", plain);
	ok(has(c, "sasl.username", "al ice") && has(c, "sasl.password", "a\"b'c;=") &&
			has(c, "sasl.mechanism", "PLAIN") &&
			has(c, "sasl.jaas.config", NULL),
		"a PLAIN login of Java's is read, quotes and escapes included");
	c = from_file("conf", scram);
	ok(has(c, "sasl.username", "alice") && has(c, "sasl.password", "x") &&
			has(c, "sasl.mechanism", "SCRAM-SHA-512"),
		"a SCRAM login with single quotes, in a file of kcat's form");
	ok(!from_file("conf", strchr(scram, '\n') + 1) && says("sasl.mechanism"),
		"SCRAM needs its mechanism");
	ok(!from_file("conf",
		   "sasl.mechanism=PLAIN\nsasl.jaas.config="
		   "org.apache.kafka.common.security.scram.ScramLoginModule required "
		   "username=a password=hunter2;\n") &&
			says("PLAIN") && !strstr(why.text, "hunter2"),
		"a login for another mechanism is refused");
	ok(!from_file("conf",
		   "sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule "
		   "required;\n") &&
			says("kerberos"),
		"another module is refused with a hint");
	ok(!from_file("conf",
		   "sasl.jaas.config="
		   "org.apache.kafka.common.security.plain.PlainLoginModule required "
		   "username=\"a password=hunter2;\n") &&
			!strstr(why.text, "hunter2"),
		"a quote that does not end");
	ok(!from_file("conf",
		   "sasl.jaas.config="
		   "org.apache.kafka.common.security.plain.PlainLoginModule required;\n"),
		"a login without a name");
}

static void
stores(void)
{
	struct kafka_config *c;
	char text[1024], pem[128], jks[128], p12[128];

	file_is("store.pem", "-----BEGIN CERTIFICATE-----\n", 28);
	snprintf(pem, sizeof(pem), "%s", path);
	file_is("store.jks", "\xfe\xed\xfe\xed\0\0\0\2", 8);
	snprintf(jks, sizeof(jks), "%s", path);
	file_is("store.p12", "\x30\x82\x01\x02", 4);
	snprintf(p12, sizeof(p12), "%s", path);

	snprintf(text, sizeof(text),
		"ssl.truststore.type=PEM\nssl.truststore.location=%s\n"
		"ssl.keystore.type=PEM\nssl.keystore.location=%s\n",
		pem, pem);
	c = from_file("a.properties", text);
	ok(has(c, "ssl.ca.location", pem) && has(c, "ssl.key.location", pem) &&
			has(c, "ssl.certificate.location", pem) &&
			has(c, "ssl.keystore.location", NULL),
		"PEM stores");
	snprintf(text, sizeof(text),
		"ssl.keystore.location=%s\nssl.keystore.password=x\n", p12);
	c = from_file("a.properties", text);
	ok(has(c, "ssl.keystore.location", p12) && has(c, "ssl.keystore.password", "x"),
		"a PKCS12 store is told by what it begins with");
	snprintf(text, sizeof(text), "ssl.keystore.location=%s\n", jks);
	ok(!from_file("a.properties", text) && says("keytool"),
		"a JKS key store is refused");
	snprintf(text, sizeof(text),
		"ssl.truststore.location=%s\nssl.truststore.password=x\n", jks);
	ok(!from_file("a.properties", text) && says("ssl.ca.location"),
		"a JKS trust store is refused");
	snprintf(text, sizeof(text), "\nssl.truststore.location=%s/none\n", folder);
	ok(!from_file("a.properties", text) && says("a.properties:2: "),
		"a store that is not there");
	c = from_file("a.properties", "ssl.keystore.type=PEM\nssl.truststore.type=PEM\n"
				      "ssl.truststore.certificates=A\n");
	ok(has(c, "ssl.ca.pem", "A") && has(c, "ssl.keystore.type", NULL),
		"certificates in the file itself");
}

static void
safety(void)
{
	struct kafka_config *c = kafka_config_new();
	static const char text[] = "sasl.kerberos.kinit.cmd=true\n";

	file_is("code", text, sizeof(text) - 1);
	ok(kafka_config_file(c, path, &why) == 0,
		"code is taken from a file of one's own");
	chmod(path, 0620);
	ok(kafka_config_file(c, path, &why) < 0 && why.status == EXIT_CONFIG &&
			says("chmod") && says("/code:1: "),
		"and refused where the group may write the file");
	chmod(path, 0602);
	ok(kafka_config_file(c, path, &why) < 0, "or everybody");
	file_is("code", "linger.ms=1\n", 12);
	chmod(path, 0666);
	ok(kafka_config_file(c, path, &why) == 0,
		"what runs nothing may come from anywhere");
	kafka_config_free(c);
}

static void
clients(void)
{
	struct kafka_config *c = kafka_config_new();
	struct kafka_client client;
	rd_kafka_conf_t *conf;
	char value[256];
	size_t n;

	kafka_config_brokers(c, "127.0.0.1:1", &why);
	kafka_config_set(c, "linger.ms=11", &why);
	conf = kafka_client_conf(&client, c, KAFKA_PRODUCER, &why);
#define IS(name, expected)                                                               \
	(n = sizeof(value),                                                              \
		rd_kafka_conf_get(conf, name, value, &n) == RD_KAFKA_CONF_OK &&          \
			strcmp(value, expected) == 0)
	ok(conf && IS("enable.idempotence", "true") && IS("compression.codec", "zstd") &&
			IS("allow.auto.create.topics", "false") &&
			IS("linger.ms", "11") && IS("acks", "-1") &&
			IS("partitioner", "murmur2_random"),
		"a producer's defaults, and what was said on top");
	ok(kafka_client_start(&client, conf, &why) == 0, "a handle is made");
	ok(kafka_client_connect(&client, 300, &why) < 0 &&
			why.status == EXIT_UNAVAILABLE && says("127.0.0.1:1") &&
			says("refused"),
		"nobody listens: unavailable, and the reason from the log");
	ok(kafka_client_stop(&client, 5000) == 0, "the handle goes");

	conf = kafka_client_conf(&client, c, KAFKA_CONSUMER, &why);
	ok(conf && IS("enable.auto.commit", "false") &&
			IS("auto.offset.reset", "error") &&
			IS("isolation.level", "read_committed") &&
			IS("queued.min.messages", "1000000"),
		"a consumer's defaults");
	if (conf)
		rd_kafka_conf_destroy(conf);
	kafka_client_stop(&client, 0);
	kafka_config_free(c);
}

int
main(void)
{
	if (!mkdtemp(folder))
		return 1;
	unsetenv("SK_BROKERS");
	unsetenv("SK_SASL_PASSWORD");
	options();
	precedence();
	kcat_form();
	java_form();
	login();
	stores();
	safety();
	clients();
	from_file("last", "");
	snprintf(path, sizeof(path), "rm -rf '%s'", folder);
	if (system(path))
		printf("# %s stays\n", folder);
	return done();
}

/* kafka: URIs: topics, options, and what is none. */
#include "kafka/uri.h"
#include "test.h"

static struct kafka_uri u;
static struct failure why;

static bool
parses(const char *uri)
{
	kafka_uri_release(&u);
	memset(&why, 0, sizeof(why));
	return kafka_uri_parse(uri, &u, &why) == 0;
}

static bool
topics_are(const char *a, const char *b)
{
	return u.ntopics == (b ? 2u : 1u) && strcmp(u.topic[0], a) == 0 &&
		(!b || strcmp(u.topic[1], b) == 0) && !u.topic[u.ntopics];
}

static bool
option_is(size_t i, const char *name, const char *value)
{
	return i < u.noptions && strcmp(u.option[i].name, name) == 0 &&
		strcmp(u.option[i].value, value) == 0;
}

/* Refused as called wrongly, with the URI and text in the message, and nothing kept. */
static bool
refused(const char *uri, const char *text)
{
	return !parses(uri) && why.status == EXIT_USAGE && strstr(why.text, uri) &&
		strstr(why.text, text) && !u.topic && !u.option;
}

static void
test_topics(void)
{
	ok(parses("kafka:orders") && topics_are("orders", NULL) && !u.noptions, "one topic");
	ok(parses("kafka:a,b") && topics_are("a", "b"), "two topics");
	ok(parses("kafka:^a,b{1,2}") && topics_are("^a,b{1,2}", NULL),
		"commas of a pattern are its own");
	ok(parses("kafka:^a%3F$?until=end") && topics_are("^a?$", NULL) &&
		option_is(0, "until", "end"), "a question mark of a pattern is written %%3F");
	ok(refused("kafka:", "empty"), "no topic");
	ok(refused("kafka:?until=end", "empty"), "no topic, but an option");
	ok(refused("kafka:a,", "empty"), "no topic behind the comma");
	ok(refused("kafka:,a", "empty"), "no topic before the comma");
	ok(refused("kafka:a,,b", "empty"), "no topic between commas");
}

static void
test_options(void)
{
	ok(parses("kafka:a?") && !u.noptions, "a question mark alone");
	ok(parses("kafka:a?x=1&y=2") && u.noptions == 2 && option_is(0, "x", "1") &&
		option_is(1, "y", "2"), "two options");
	ok(parses("kafka:a?x=1&") && u.noptions == 1, "an & at the end");
	ok(parses("kafka:a?key=.a==\"b\"?") && option_is(0, "key", ".a==\"b\"?"),
		"= and ? in a value");
	ok(parses("kafka:a?key=") && option_is(0, "key", ""), "an empty value");
	ok(parses("kafka:a?k=a%26b%25%c3%BC") && option_is(0, "k", "a&b%\xc3\xbc"),
		"bytes by their numbers");
	ok(refused("kafka:a?x", "'x' is no option"), "no =");
	ok(refused("kafka:a?=1", "'=1' is no option"), "no name");
	ok(refused("kafka:a?x=1&&y=2", "'' is no option"), "nothing between two &");
}

static void
test_escapes(void)
{
	ok(refused("kafka:a?x=%", "two hexadecimal digits"), "%% at the end");
	ok(refused("kafka:a?x=%4", "two hexadecimal digits"), "%% and one digit");
	ok(refused("kafka:a?x=%4&y=1", "two hexadecimal digits"), "%% and one digit before &");
	ok(refused("kafka:a?x=%4g", "two hexadecimal digits"), "%% and no digit");
	ok(refused("kafka:a?x=%00", "two hexadecimal digits"), "no NUL");
	ok(refused("kafka:%zz", "two hexadecimal digits"), "in a topic");
	ok(refused("kafka:a?x=%Q1", "two hexadecimal digits"), "letters beyond f");
}

int
main(void)
{
	test_topics();
	test_options();
	test_escapes();
	kafka_uri_release(&u);
	return done();
}

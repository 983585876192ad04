/* What needs no broker: places and topics as a user says them, lag, and plans. */
#include "kafka/admin.h"
#include "kafka/at.h"
#include "kafka/show.h"
#include "test.h"

static struct failure why;

static bool
at_is(const char *text, enum kafka_at want, int64_t want_n)
{
	enum kafka_at at = KAFKA_LATEST;
	int64_t n = -1;

	why = (struct failure){0};
	if (kafka_at_parse(text, &at, &n, &why) == 0 && at == want && n == want_n)
		return true;
	printf("# %s: %d %lld; %s\n", text, at, (long long)n, why.text);
	return false;
}

static bool
no_place(const char *text, bool hint)
{
	enum kafka_at at;
	int64_t n;

	why = (struct failure){0};
	return kafka_at_parse(text, &at, &n, &why) < 0 && why.status == EXIT_USAGE &&
	       strstr(why.text, text) && (*why.hint != '\0') == hint;
}

static bool
topic_is(const char *text, int32_t partitions, int32_t replication)
{
	struct kafka_new_topic t = {.name = "x", .partitions = 99, .replication = 99};

	return kafka_new_topic_parse(text, &t, &why) == 0 && t.partitions == partitions &&
	       t.replication == replication && strcmp(t.name, "x") == 0;
}

static bool
no_topic(const char *text)
{
	struct kafka_new_topic t = {.name = "x", .partitions = 7};

	why = (struct failure){0};
	return kafka_new_topic_parse(text, &t, &why) < 0 && why.status == EXIT_USAGE &&
	       t.partitions == 7;
}

static bool
lag_is(int64_t first, int64_t committed, int64_t end, int64_t want)
{
	struct kafka_part p = {.first = first, .committed = committed, .end = end};
	int64_t lag = -99;

	return kafka_part_lag(&p, &lag) ? lag == want : want == INT64_MIN;
}

static struct kafka_part parts[] = {
	{.id = 0, .leader = 1, .first = 10, .end = 100, .at = 50, .committed = 40},
	{.id = 1, .leader = 1, .first = 0, .end = 5, .at = 5, .committed = -1},
};
static char name[] = "orders";
static struct kafka_topic_info info = {.name = name, .part = parts, .nparts = 2};
static struct kafka_topics topics = {&info, 1, 1};

static bool
plan_is(enum kafka_at at, int64_t n, int32_t only, int64_t to0, int64_t to1)
{
	why = (struct failure){0};
	if (kafka_admin_plan(NULL, &topics, at, n, only, &why) == 0 &&
		parts[0].to == to0 && parts[1].to == to1)
		return true;
	printf("# %lld %lld; %s\n", (long long)parts[0].to, (long long)parts[1].to, why.text);
	return false;
}

static bool
plan_fails(enum kafka_at at, int64_t n, int32_t only, int status, const char *says)
{
	why = (struct failure){0};
	return kafka_admin_plan(NULL, &topics, at, n, only, &why) < 0 &&
	       why.status == status && strstr(why.text, says);
}

static void
places(void)
{
	enum kafka_at at;
	int64_t n, now = time_now_us() / 1000;

	ok(at_is("earliest", KAFKA_EARLIEST, 0) && at_is("latest", KAFKA_LATEST, 0),
		"earliest and latest");
	ok(at_is("0", KAFKA_OFFSET, 0) &&
			at_is("9223372036854775807", KAFKA_OFFSET, INT64_MAX) &&
			at_is("-10", KAFKA_TAIL, 10) && at_is("-0", KAFKA_TAIL, 0),
		"an offset, and one from the end");
	ok(at_is("@2026-01-02T03:04:05.678Z", KAFKA_TIME, 1767323045678) &&
			at_is("@2026-01-02T05:04:05+02:00", KAFKA_TIME, 1767323045000),
		"a time");
	ok(at_is("@1960-01-01T00:00:00Z", KAFKA_TIME, 0),
		"a time before 1970 is none of the logical ones");
	ok(kafka_at_parse("@-2h", &at, &n, &why) == 0 && at == KAFKA_TIME &&
			now - n >= 7199000 && now - n <= 7200100, "a time ago");
	ok(no_place("", false) && no_place("begin", false) && no_place("9x", false) &&
			no_place("--1", false) && no_place("-", false) &&
			no_place("+1", false) && no_place(" 1", false) &&
			no_place("9223372036854775808", false), "anything else is refused");
	ok(no_place("-2h", true) && no_place("@", true) && no_place("@yesterday", true) &&
			no_place("2026-01-02T03:04:05Z", true) && no_place("@2h", true),
		"with a hint where a time is meant");
}

static void
new_topics(void)
{
	ok(topic_is("partitions=4", 4, 0) && topic_is("replication=3", 0, 3) &&
			topic_is("partitions=12,replication=1", 12, 1) &&
			topic_is("replication=1,partitions=12", 12, 1), "topics to make");
	ok(no_topic("") && no_topic("4") && no_topic("partitions=") &&
			no_topic("partitions=0") && no_topic("partitions=-1") &&
			no_topic("partitions=4,") && no_topic(",partitions=4") &&
			no_topic("partitions=4,partitions=5") && no_topic("Partitions=4") &&
			no_topic("partitions=99999999999") && no_topic("replication=40000") &&
			no_topic("partitions=4 "), "anything else is refused");
}

static void
lags(void)
{
	ok(lag_is(0, 40, 100, 60) && lag_is(0, 100, 100, 0), "lag is what is to be read");
	ok(lag_is(50, 40, 100, 50) && lag_is(100, 40, 100, 0),
		"what retention has deleted doesn't count");
	ok(lag_is(0, 40, 10, -30), "an end before the committed offset is negative");
	ok(lag_is(0, -1, 10, INT64_MIN) && lag_is(-1, 4, -1, INT64_MIN),
		"nothing committed or no leader: no lag is known");
}

static void
plans(void)
{
	struct kafka_group g = {.name = name};

	ok(plan_is(KAFKA_EARLIEST, 0, -1, 10, 0) && plan_is(KAFKA_LATEST, 0, -1, 100, 5),
		"to the beginning, to the end");
	ok(plan_is(KAFKA_OFFSET, 4, -1, 10, 4) && plan_is(KAFKA_TAIL, 7, -1, 93, 0) &&
			plan_is(KAFKA_TAIL, INT64_MAX, -1, 10, 0), "never before the first");
	ok(plan_is(KAFKA_OFFSET, 60, 0, 60, -1) && plan_is(KAFKA_LATEST, 0, 1, -1, 5),
		"of one partition alone");
	ok(plan_fails(KAFKA_OFFSET, 6, -1, EXIT_NOINPUT,
		   "orders[1]: offset 6 is beyond the end, 5"), "beyond the end is refused");
	ok(plan_fails(KAFKA_LATEST, 0, 2, EXIT_NOINPUT, "no partition 2"),
		"so is a partition that isn't there");
	parts[1].first = parts[1].end = parts[1].leader = -1;
	ok(plan_fails(KAFKA_LATEST, 0, -1, EXIT_UNAVAILABLE, "orders[1] has no leader"),
		"and one without a leader");
	ok(plan_is(KAFKA_LATEST, 0, 0, 100, -1), "unless it is left alone");
	info.gone = true;
	ok(plan_is(KAFKA_LATEST, 0, -1, -1, -1), "a topic that is gone is left alone");
	info.gone = false;
	ok(kafka_group_resettable(&g, &why) == 0, "an empty group can be reset");
	g.active = true;
	ok(kafka_group_resettable(&g, &why) < 0 && why.status == EXIT_TRY_AGAIN &&
			strcmp(why.text, "group 'orders' has active members") == 0,
		"one whose members are not known can't");
	g.nmembers = 2;
	ok(kafka_group_resettable(&g, &why) < 0 &&
			strcmp(why.text, "group 'orders' has 2 active members") == 0,
		"nor one with members");
}

static void
shown(void)
{
	static char id[] = "m-1", client[] = "streamkit", host[] = "10.0.0.1";
	struct kafka_claim claim[] = {{name, 0}, {name, 1}, {client, 3}};
	struct kafka_member m = {id, NULL, client, host, claim, 3};
	struct kafka_group g = {.name = name, .state = "Stable", .assignor = client,
		.described = true, .member = &m, .nmembers = 1};
	struct kafka_groups groups = {&g, 1};
	struct buf b = {0};
	struct grid grid = kafka_show_members(&groups);

	grid_add_table(&grid, &b);
	ok(strstr(buf_cstr(&b), "  orders[0,1] streamkit[3]\n") != NULL,
		"partitions of a member, by topic");
	grid_release(&grid);
	buf_reset(&b);
	info.part[0].in_sync = 1;
	info.part[0].replicas = info.part[1].replicas = info.part[1].in_sync = 3;
	grid = kafka_show_topics(&topics, false);
	grid_add_table(&grid, &b);
	grid_add_json(&grid, &b);
	ok(strcmp(buf_cstr(&b),
		   "TOPIC   PARTITIONS  REPLICAS  RECORDS  SETTINGS\n"
		   "orders           2       1/3        -  -\n"
		   "{\"topic\":\"orders\",\"partitions\":2,\"replicas\":3,\"in_sync\":1,"
		   "\"records\":null,\"internal\":false,\"settings\":null}\n") == 0,
		"a topic whose replicas lag, without a leader and settings");
	grid_release(&grid);
	buf_release(&b);
}

int
main(void)
{
	places();
	new_topics();
	lags();
	plans();
	shown();
	kafka_groups_release(&(struct kafka_groups){0});
	kafka_topics_release(&(struct kafka_topics){0});
	ok(kafka_admin_close(NULL) == 0, "nothing to release is fine");
	return done();
}

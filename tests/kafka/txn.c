/*
 * txn: a source under checkpoints and the committer of its place, step by step, for tests on
 * a real broker.
 *
 *	txn [-X name=value]... APP TOPIC
 *
 * TOPIC may have the options of a source's URI. Each line of stdin is a step, and each is
 * answered by one line:
 *
 *	begin [fence]         begun EPOCH RUN done|open MS PARTITION@OFFSET ...
 *	read                  read N, at the most after a second; anew; end
 *	position              the position, or "position none"
 *	committed             committed EPOCH RUN
 *	open TOPIC            opened: a sink
 *	start [plain]         started: the committer begins
 *	send VALUE            sent
 *	sync                  synced: the broker has it
 *	commit EPOCH RUN [done]    committed, at what "position" or "begin" said last; refused
 *	                      STATUS TEXT
 *	stale POSITION        stale: commit takes this one
 *	abort                 aborted
 *	settle on|off         whether partitions that go are committed first, by the next epoch of
 *	                      run "settled" (off)
 *
 * A step that fails says "failed STATUS TEXT". The brokers are $SK_BROKERS.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "kafka/position.h"
#include "sink/kafka.h"
#include "source/kafka.h"

static struct failure why;
static struct source *source;
static struct kafka_output *output;
static struct sink *sink;
static struct committer *committer;
static struct source_commit commit;
static struct buf position;
static struct block block;
static bool settles;

static void
failed(void)
{
	printf("%s %d %s\n", committer && committer->refused ? "refused" : "failed", why.status,
		why.text);
}

static int64_t
now_ms(void)
{
	return time_monotonic_ns() / 1000000;
}

static int
on_settle(void *arg, struct failure *f)
{
	struct source_commit c = {.epoch = commit.epoch + 1, .run = "settled"};

	(void)arg;
	fprintf(stderr, "settle\n");
	if (!settles)
		return 0;
	buf_reset(&position);
	source->position(source, &source->place, &position);
	return committer->commit(committer, buf_slice(&position), &c, f);
}

static void
on_tell(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void
begin(const char *how)
{
	int64_t from = now_ms();
	struct kafka_position p = {0};
	struct failure f;
	size_t i;

	source->fence = strcmp(how, "fence") == 0;
	source->anew = false;
	if (source->begin(source, (struct slice){0}, &commit, &why) < 0) {
		failed();
		return;
	}
	printf("begun %" PRIu64 " %s %s %" PRId64, commit.epoch, *commit.run ? commit.run : "-",
		commit.done ? "done" : "open", now_ms() - from);
	buf_reset(&position);
	source->position(source, &source->place, &position);
	if (position.n && kafka_position_read(&p, buf_slice(&position), &f) == 0)
		for (i = 0; i < p.n; i++)
			printf(" %" PRId32 "@%" PRId64, p.spot[i].partition, p.spot[i].offset);
	kafka_position_release(&p);
	printf("\n");
}

static void
read_block(void)
{
	size_t i, lines = 0;
	int rc;

	source->wake_ns = time_monotonic_ns() + 1000000000;
	rc = source->read(source, &block, &why);
	for (i = 0; rc > 0 && i < block.n; i++)
		lines += block.p[i] == '\n';
	if (rc < 0)
		failed();
	else if (source->anew)
		printf("anew\n");
	else if (rc == 0)
		printf("end\n");
	else
		printf("read %zu\n", lines);
}

static void
open_sink(const char *topic)
{
	struct buf uri = {0};

	if (sink)
		sink->close(sink);
	buf_addf(&uri, "kafka:%s", topic);
	sink = kafka_sink_open(output, buf_cstr(&uri), &why);
	buf_release(&uri);
	if (!sink)
		failed();
	else
		printf("opened\n");
}

static void
send_value(const char *value)
{
	struct block b = {.input = &(struct input){.name = "-"}};
	struct record r = {.root = JSON_NONE, .bytes = slice_str(value), .block = &b};

	if (sink->put(sink, &r, 1, &why) < 0)
		failed();
	else
		printf("sent\n");
}

static void
commit_epoch(char *rest)
{
	struct source_commit c = {0};
	char *run = strchr(rest, ' '), *done;

	c.epoch = strtoull(rest, NULL, 10);
	done = run ? strchr(run + 1, ' ') : NULL;
	if (done)
		*done = '\0';
	snprintf(c.run, sizeof(c.run), "%s", run ? run + 1 : "-");
	c.done = done != NULL;
	if (committer->commit(committer, buf_slice(&position), &c, &why) < 0)
		failed();
	else
		printf("committed\n");
}

static void
step(char *line, const char *app)
{
	char *rest = strchr(line, ' ');

	if (rest)
		*rest++ = '\0';
	else
		rest = line + strlen(line);
	if (strcmp(line, "begin") == 0) {
		begin(rest);
	} else if (strcmp(line, "read") == 0) {
		read_block();
	} else if (strcmp(line, "position") == 0) {
		buf_reset(&position);
		source->position(source, &source->place, &position);
		printf("position %s\n", position.n ? buf_cstr(&position) : "none");
	} else if (strcmp(line, "committed") == 0) {
		source->committed(source, &commit, &why);
		printf("committed %" PRIu64 " %s\n", commit.epoch, commit.run);
	} else if (strcmp(line, "open") == 0) {
		open_sink(rest);
	} else if (strcmp(line, "start") == 0) {
		committer = kafka_output_committer(output);
		if (committer->begin(committer, app, 1000000, strcmp(rest, "plain") == 0, &why) < 0)
			failed();
		else
			printf("started\n");
	} else if (strcmp(line, "send") == 0) {
		send_value(rest);
	} else if (strcmp(line, "sync") == 0) {
		if (sink->sync(sink, &why) < 0)
			failed();
		else
			printf("synced\n");
	} else if (strcmp(line, "commit") == 0) {
		commit_epoch(rest);
	} else if (strcmp(line, "abort") == 0) {
		if (committer->abort(committer, &why) < 0)
			failed();
		else
			printf("aborted\n");
	} else if (strcmp(line, "stale") == 0) {
		buf_reset(&position);
		buf_adds(&position, rest);
		printf("stale\n");
	} else if (strcmp(line, "settle") == 0) {
		settles = strcmp(rest, "on") == 0;
		printf("settle\n");
	} else {
		printf("unknown\n");
	}
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct kafka_config *config = kafka_config_new();
	struct source_options options = {.kafka = config, .checkpoints = true};
	struct kafka_output_options sinks = {.config = config};
	char *line = NULL;
	struct buf uri = {0};
	size_t cap = 0;
	ssize_t n;
	int c;

	while ((c = getopt(argc, argv, "+X:")) != -1)
		if (c == '?' || kafka_config_set(config, optarg, &why) < 0)
			return 2;
	if (argc - optind != 2 || kafka_config_environment(config, &why) < 0)
		return 2;
	options.app = argv[optind];
	buf_addf(&uri, "kafka:%s", argv[optind + 1]);
	source = kafka_source_open(buf_cstr(&uri), &options, &why);
	buf_release(&uri);
	if (!source) {
		failed();
		return why.status;
	}
	source->settle = on_settle;
	source->tell = on_tell;
	output = kafka_output_new(&sinks);
	while ((n = getline(&line, &cap, stdin)) > 0) {
		line[n - 1] = '\0';
		step(line, options.app);
	}
	free(line);
	if (sink)
		sink->close(sink);
	source->close(source);
	kafka_output_free(output);
	kafka_config_free(config);
	buf_release(&commit.clock);
	buf_release(&position);
	block_release(&block);
	return 0;
}

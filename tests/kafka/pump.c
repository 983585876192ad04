/*
 * pump: lib/kafka by itself, for its tests on a real broker.
 *
 *	pump [-X name=value] [-F FILE] produce TOPIC    stdin: KEY TAB VALUE, "-" for no key
 *	pump ... consume TOPIC [from=earliest|latest|N|-N|@MS] [until=end|N|@MS] [group=G]
 *		[partition=N] [commit=yes] [limit=N] [max=N] [nap=MS] [dirty=yes]
 *
 * consume prints PARTITION OFFSET KEY VALUE, naps after each batch of at most max
 * records, and with commit=yes commits at its end; a revocation commits in any case. The
 * brokers are $SK_BROKERS. What fails is said as "pump: text" and the hint, with the
 * failure's status.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kafka/consume.h"
#include "kafka/produce.h"

static struct failure why;
static size_t stored, refused;

static int
say(void)
{
	fprintf(stderr, "pump: %s\n", why.text);
	if (why.hint[0])
		fprintf(stderr, "%s\n", why.hint);
	return why.status;
}

static void
delivered(void *arg, void *opaque, const struct failure *f)
{
	(void)arg;
	(void)opaque;
	if (f)
		fprintf(stderr, "pump: %s\n", f->text);
	*(f ? &refused : &stored) += 1;
}

static int
produce(const struct kafka_config *config, const char *name)
{
	struct kafka_produce ask = {.topics = &name,
		.ntopics = 1,
		.connect_ms = 10000,
		.delivered = delivered};
	struct kafka_producer *p = kafka_producer_open(config, &ask, &why);
	const struct kafka_topic *t;
	char *line = NULL, *tab;
	size_t cap = 0, bad = 0;
	int status = 0;
	ssize_t n;

	if (!p)
		return say();
	t = kafka_producer_topic(p, name, &why);
	while (t && !status && (n = getline(&line, &cap, stdin)) > 0) {
		struct kafka_send s = {.partition = -1, .ts_ms = TIME_NONE};

		n -= line[n - 1] == '\n';
		tab = memchr(line, '\t', (size_t)n);
		if (!tab)
			continue;
		s.value = slice_of(tab + 1, (size_t)(line + n - tab - 1));
		if (tab != line + 1 || *line != '-')
			s.key = slice_of(line, (size_t)(tab - line));
		if (kafka_producer_send(p, t, &s, &why) < 0) {
			status = say();
			if (status == EXIT_DATA) {
				bad++;
				status = 0;
			}
		}
	}
	free(line);
	if (!status && kafka_producer_flush(p, 60000, &why) < 0)
		status = say();
	kafka_producer_close(p);
	printf("stored %zu refused %zu bad %zu\n", stored, refused, bad);
	return status ? status : refused || bad ? 1 : 0;
}

static void
show(struct slice s)
{
	if (!s.p)
		fputs("null", stdout);
	else
		fwrite(s.p, 1, s.n, stdout);
}

static void
on_assigned(void *arg, struct kafka_consumer *c)
{
	size_t n, i, mine = 0;
	struct kafka_place *const *place = kafka_consumer_places(c, &n);

	(void)arg;
	for (i = 0; i < n; i++)
		mine += place[i]->assigned;
	fprintf(stderr, "assigned %zu\n", mine);
}

static void
on_revoked(void *arg, struct kafka_consumer *c, bool lost)
{
	(void)arg;
	(void)c;
	/* What is committed must have been written. */
	fflush(stdout);
	fprintf(stderr, "revoked%s\n", lost ? " lost" : "");
}

static int
consume(const struct kafka_config *config, const char *topic, char **option)
{
	struct kafka_consume ask = {.topics = &topic,
		.ntopics = 1,
		.connect_ms = 10000,
		.assigned = on_assigned,
		.revoked = on_revoked};
	struct kafka_consumer *c;
	struct kafka_batch batch;
	int64_t limit = INT64_MAX, nap_ms = 0, max = 10000;
	bool commit = false;
	int32_t partition;
	const char *v;
	int n = 0, i, status = 0;

	for (; *option; option++) {
		v = strchr(*option, '=');
		if (!v++)
			return 2;
		if (strncmp(*option, "from", 4) == 0) {
			ask.from = strcmp(v, "earliest") == 0 ? KAFKA_EARLIEST
				   : strcmp(v, "latest") == 0 ? KAFKA_LATEST
				   : *v == '@'                ? KAFKA_TIME
				   : *v == '-'                ? KAFKA_TAIL
							      : KAFKA_OFFSET;
			ask.from_n = strtoll(v + (*v == '@' || *v == '-'), NULL, 10);
		} else if (strncmp(*option, "until", 5) == 0) {
			ask.until = strcmp(v, "end") == 0 ? KAFKA_UNTIL_END
				    : *v == '@'           ? KAFKA_UNTIL_TIME
							  : KAFKA_UNTIL_OFFSET;
			ask.until_n = strtoll(v + (*v == '@'), NULL, 10);
		} else if (strncmp(*option, "group", 5) == 0)
			ask.group = v;
		else if (strncmp(*option, "partition", 9) == 0) {
			partition = (int32_t)atoi(v);
			ask.partitions = &partition;
			ask.npartitions = 1;
		} else if (strncmp(*option, "commit", 6) == 0)
			commit = true;
		else if (strncmp(*option, "limit", 5) == 0)
			limit = atoll(v);
		else if (strncmp(*option, "max", 3) == 0)
			max = atoll(v);
		else if (strncmp(*option, "nap", 3) == 0)
			nap_ms = atoll(v);
		else if (strncmp(*option, "dirty", 5) == 0)
			ask.uncommitted = true;
		else
			return 2;
	}
	c = kafka_consumer_open(config, &ask, &why);
	if (!c)
		return say();
	while (limit > 0) {
		n = kafka_consumer_read(c, &batch, (size_t)(limit < max ? limit : max),
			1 << 20, 500, &why);
		if (n < 0)
			break;
		for (i = 0; i < n; i++) {
			printf("%" PRId32 " %" PRId64 " ", batch.v[i].meta.partition,
				batch.v[i].meta.offset);
			show(batch.v[i].meta.key);
			putchar(' ');
			show(batch.v[i].value);
			putchar('\n');
			batch.v[i].place->done = batch.v[i].meta.offset + 1;
		}
		limit -= n;
		fflush(stdout);
		if (n == 0 && kafka_consumer_rests(c)) {
			if (commit && kafka_consumer_commit(c, &why) < 0 &&
				why.status != EXIT_TRY_AGAIN)
				n = -1;
			else
				n = kafka_consumer_ended(c, !commit, &why);
			if (n)
				break;
		}
		if (nap_ms)
			nanosleep(&(struct timespec){.tv_sec = nap_ms / 1000,
					  .tv_nsec = nap_ms % 1000 * 1000000},
				NULL);
	}
	if (n < 0 || (commit && kafka_consumer_commit(c, &why) < 0))
		status = say();
	kafka_consumer_close(c);
	return status;
}

int
main(int argc, char **argv)
{
	struct kafka_config *config = kafka_config_new();
	int c, status = 2;

	while ((c = getopt(argc, argv, "+X:F:b:")) != -1)
		if ((c == 'X' && kafka_config_set(config, optarg, &why) < 0) ||
			(c == 'F' && kafka_config_file(config, optarg, &why) < 0) ||
			(c == 'b' && kafka_config_brokers(config, optarg, &why) < 0) ||
			c == '?') {
			status = c == '?' ? 2 : say();
			goto out;
		}
	if (kafka_config_environment(config, &why) < 0)
		status = say();
	else if (argc - optind == 2 && strcmp(argv[optind], "produce") == 0)
		status = produce(config, argv[optind + 1]);
	else if (argc - optind >= 2 && strcmp(argv[optind], "consume") == 0)
		status = consume(config, argv[optind + 1], argv + optind + 2);
out:
	kafka_config_free(config);
	return status;
}

/*
 * kafka_bare: the loops that the Kafka bench measures against: librdkafka, and nothing
 * around it.
 *
 *	kafka_bare [-X name=value]... produce TOPIC FILE    the lines of a file, keyed by orderId
 *	kafka_bare [-X name=value]... consume TOPIC         to the end that each partition has,
 *	                                                    values and line feeds to stdout
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <librdkafka/rdkafka.h>

static unsigned long failed;

static void
die(const char *what, const char *text)
{
	fprintf(stderr, "kafka_bare: %s: %s\n", what, text);
	exit(1);
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	failed += m->err != 0;
}

static void
produce(rd_kafka_t *rk, const char *topic, const char *path)
{
	static const char name[] = "\"orderId\":\"";
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
	FILE *f = fopen(path, "r");
	char *line = NULL, *key, *end;
	size_t cap = 0;
	ssize_t n;

	if (!f || !t)
		die(path, "cannot be read");
	while ((n = getline(&line, &cap, f)) > 0) {
		key = strstr(line, name);
		if (!key)
			die(path, "a line without orderId");
		key += sizeof(name) - 1;
		end = strchr(key, '"');
		while (rd_kafka_produce(t, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, line,
			       (size_t)n - 1, key, (size_t)(end - key), NULL) < 0) {
			if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
				die(topic, rd_kafka_err2str(rd_kafka_last_error()));
			rd_kafka_poll(rk, 10);
		}
		rd_kafka_poll(rk, 0);
	}
	if (rd_kafka_flush(rk, 60000) || failed)
		die(topic, "not all was delivered");
	rd_kafka_topic_destroy(t);
	free(line);
	fclose(f);
}

static void
consume(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
	rd_kafka_message_t *m;
	int i, left;

	rd_kafka_poll_set_consumer(rk);
	if (rd_kafka_metadata(rk, 0, t, &md, 10000))
		die(topic, "no metadata");
	left = md->topics[0].partition_cnt;
	for (i = 0; i < left; i++)
		rd_kafka_topic_partition_list_add(list, topic, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_metadata_destroy(md);
	rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	while (left > 0) {
		m = rd_kafka_consumer_poll(rk, 1000);
		if (!m)
			continue;
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			left--;
		else if (m->err)
			die(topic, rd_kafka_message_errstr(m));
		else if (fwrite(m->payload, 1, m->len, stdout) < m->len ||
			putchar('\n') == EOF)
			die("stdout", "cannot be written");
		rd_kafka_message_destroy(m);
	}
	if (fflush(stdout))
		die("stdout", "cannot be written");
	rd_kafka_topic_destroy(t);
}

int
main(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256], *value;
	bool producing;
	rd_kafka_t *rk;
	int i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "-X") == 0; i += 2) {
		value = strchr(argv[i + 1], '=');
		if (!value)
			die(argv[i + 1], "expected NAME=VALUE");
		*value++ = '\0';
		if (rd_kafka_conf_set(conf, argv[i + 1], value, text, sizeof(text)))
			die(argv[i + 1], text);
	}
	producing = argc - i == 3 && strcmp(argv[i], "produce") == 0;
	if (!producing && !(argc - i == 2 && strcmp(argv[i], "consume") == 0))
		die("usage", "kafka_bare [-X NAME=VALUE]... produce TOPIC FILE | consume TOPIC");
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rk = rd_kafka_new(producing ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, text,
		sizeof(text));
	if (!rk)
		die("librdkafka", text);
	if (producing)
		produce(rk, argv[i + 1], argv[i + 2]);
	else
		consume(rk, argv[i + 1]);
	rd_kafka_destroy(rk);
	return 0;
}

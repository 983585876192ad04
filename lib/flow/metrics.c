/*
 * Metrics in the text format of Prometheus, for node_exporter's textfile collector. The file
 * is written beside itself and renamed, so that a reader never sees a half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "flow/internal.h"

static const double bounds_ms[LATENCY_BUCKETS] = {
	0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 30000,
};

void
metrics_count(struct metrics *m, const struct input *in, uint64_t n, int64_t latency_ns)
{
	struct input_metrics *im = NULL;
	double ms = (double)latency_ns / 1e6;
	size_t i;

	for (i = m->ninputs; i-- > 0 && !im;)
		if (m->input[i].input == in)
			im = &m->input[i];
	if (!im) {
		m->input = mem_grow(m->input, &m->cap_inputs, m->ninputs + 1,
			sizeof(*m->input));
		im = &m->input[m->ninputs++];
		*im = (struct input_metrics){.input = in};
	}
	im->processed += n;
	for (i = 0; i < LATENCY_BUCKETS && ms > bounds_ms[i];)
		i++;
	im->latency[i] += n;
	im->latency_sum_ms += ms * (double)n;
}

void
metrics_failed(struct metrics *m, const struct input *in, const char *type)
{
	size_t i;

	for (i = 0; i < m->nfailed; i++)
		if (m->failed[i].input == in && strcmp(m->failed[i].type, type) == 0)
			break;
	if (i == m->nfailed) {
		m->failed = mem_grow(m->failed, &m->cap_failed, i + 1, sizeof(*m->failed));
		m->failed[m->nfailed++] = (struct failed_metrics){in, type, 0};
	}
	m->failed[i].n++;
}

void
metrics_release(struct metrics *m)
{
	free(m->input);
	free(m->failed);
}

/* Label values escape the backslash, the quote and the line feed. */
static void
add_label(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n') {
			buf_adds(b, "\\n");
			continue;
		}
		if (*s == '\\' || *s == '"')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
}

static void
add_labels(struct buf *b, const char *series, const char *stage, const char *topic)
{
	buf_addf(b, "%s{stage=\"", series);
	add_label(b, stage);
	buf_adds(b, "\",topic=\"");
	add_label(b, topic);
	buf_addc(b, '"');
}

static void
add_help(struct buf *b, const char *series, const char *type, const char *help)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", series, help, series, type);
}

static void
add_latency(struct buf *b, const struct input_metrics *im, const char *stage)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i <= LATENCY_BUCKETS; i++) {
		sum += im->latency[i];
		add_labels(b, "event_latency_ms_bucket", stage, im->input->name);
		if (i < LATENCY_BUCKETS)
			buf_addf(b, ",le=\"%g\"} %llu\n", bounds_ms[i],
				(unsigned long long)sum);
		else
			buf_addf(b, ",le=\"+Inf\"} %llu\n", (unsigned long long)sum);
	}
	add_labels(b, "event_latency_ms_sum", stage, im->input->name);
	buf_addf(b, "} %.3f\n", im->latency_sum_ms);
	add_labels(b, "event_latency_ms_count", stage, im->input->name);
	buf_addf(b, "} %llu\n", (unsigned long long)sum);
}

static void
add_outcomes(struct buf *b, const struct balance *bal, const char *stage)
{
	const struct {
		const char *name;
		uint64_t n;
	} outcomes[] = {
		{"output", bal->output}, {"dropped", bal->dropped}, {"held", bal->held},
		{"late", bal->late}, {"dead_letter", bal->dead}, {"skipped", bal->skipped},
	};
	size_t i;

	add_help(b, "events_outcome_total", "counter", "Records by what became of them.");
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		add_labels(b, "events_outcome_total", stage, "");
		buf_addf(b, ",outcome=\"%s\"} %llu\n", outcomes[i].name,
			(unsigned long long)outcomes[i].n);
	}
}

static void
add_all(struct metrics *m, struct buf *b, const char *stage, const struct balance *bal)
{
	size_t i;

	add_help(b, "events_processed_total", "counter", "Records taken in and dealt with.");
	for (i = 0; i < m->ninputs; i++) {
		add_labels(b, "events_processed_total", stage, m->input[i].input->name);
		buf_addf(b, "} %llu\n", (unsigned long long)m->input[i].processed);
	}
	add_help(b, "events_failed_total", "counter", "Bad records, by type of error.");
	for (i = 0; i < m->nfailed; i++) {
		add_labels(b, "events_failed_total", stage, m->failed[i].input->name);
		buf_addf(b, ",error_type=\"%s\"} %llu\n", m->failed[i].type,
			(unsigned long long)m->failed[i].n);
	}
	add_outcomes(b, bal, stage);
	add_help(b, "event_latency_ms", "histogram",
		"Milliseconds from reading a record to having delivered it.");
	for (i = 0; i < m->ninputs; i++)
		add_latency(b, &m->input[i], stage);
}

static int
write_all(int fd, struct slice s)
{
	ssize_t n;

	while (s.n) {
		n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		s.p += n;
		s.n -= (size_t)n;
	}
	return 0;
}

int
metrics_write(struct metrics *m, const char *path, const char *stage,
	const struct balance *bal, struct failure *why)
{
	struct buf text = {0}, temp = {0};
	int fd = -1, rc = -1;

	add_all(m, &text, stage, bal);
	buf_addf(&temp, "%s.%ld.tmp", path, (long)getpid());
	fd = open(buf_cstr(&temp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		fail(why, status_of_errno(errno, EXIT_CANTCREATE), "metrics file %s: %s",
			path, strerror(errno));
		goto out;
	}
	if (write_all(fd, buf_slice(&text)) < 0 || close(fd) < 0 ||
		rename(buf_cstr(&temp), path) < 0) {
		fail(why, status_of_errno(errno, EXIT_IO), "metrics file %s: %s", path,
			strerror(errno));
		unlink(buf_cstr(&temp));
		goto out;
	}
	m->written_ns = time_monotonic_ns();
	rc = 0;
out:
	buf_release(&text);
	buf_release(&temp);
	return rc;
}

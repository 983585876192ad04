/*
 * latency RECORDS RATE COMMAND
 *
 * Starts COMMAND by sh(1), writes RATE records a second to its stdin until there are RECORDS,
 * and reads what it writes. Each record carries the time at which it was written, as .sent,
 * in nanoseconds of the monotonic clock; COMMAND writes one line a record, with .sent in it.
 * Prints, in microseconds: the median, the 99th percentile and the greatest delay.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS INT64_C(500000000)  /* the programs start */
#define PATIENCE_NS INT64_C(5000000000) /* for the last record */

static char held[1 << 16];
static size_t held_n;
static int64_t *delays_ns;
static long arrived, wanted;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "latency: %s\n", what);
	exit(1);
}

static pid_t
start(const char *command, int *to, int *from)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) != 0 || pipe(out) != 0)
		die(strerror(errno));
	pid = fork();
	if (pid < 0)
		die(strerror(errno));
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return pid;
}

static void
send_record(int to, long i)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
		"{\"type\":\"order-created\",\"orderId\":\"o-%ld\",\"userId\":\"u-1\","
		"\"items\":[{\"itemId\":\"i-%ld\",\"product\":\"Kettle\","
		"\"category\":\"kitchen\",\"quantity\":1,\"price\":39.99}],"
		"\"amount\":39.99,\"ts\":\"2026-01-02T00:00:00.000Z\",\"sent\":%lld}\n",
		i, i, (long long)now_ns());

	if (write(to, line, (size_t)n) != n)
		die("the pipeline takes no more records");
}

/* One read of what has come; false at the end. */
static int
receive(int from)
{
	ssize_t n = read(from, held + held_n, sizeof(held) - 1 - held_n);
	int64_t now = now_ns();
	char *line = held, *lf, *sent;

	if (n <= 0)
		return 0;
	held_n += (size_t)n;
	held[held_n] = '\0';
	while ((lf = memchr(line, '\n', held_n - (size_t)(line - held)))) {
		*lf = '\0';
		sent = strstr(line, "\"sent\":");
		if (!sent || arrived == wanted)
			die("the pipeline wrote a line that is no answer");
		delays_ns[arrived++] = now - strtoll(sent + 7, NULL, 10);
		line = lf + 1;
	}
	held_n -= (size_t)(line - held);
	memmove(held, line, held_n);
	if (held_n == sizeof(held) - 1)
		die("the pipeline wrote a line that is too long");
	return 1;
}

/* Receive until the time. */
static void
wait_until(int64_t then_ns, int from)
{
	struct pollfd p = {.fd = from, .events = POLLIN};
	int64_t left;

	while ((left = then_ns - now_ns()) > 0 && arrived < wanted)
		if (poll(&p, 1, (int)(left / 1000000) + 1) > 0 && !receive(from))
			die("the pipeline ended early");
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	int64_t begin_ns;
	int to, from, status;
	double rate;
	long i;
	pid_t pid;

	if (argc != 4 || (wanted = strtol(argv[1], NULL, 10)) < 1 ||
	    (rate = strtod(argv[2], NULL)) <= 0) {
		fprintf(stderr, "usage: latency RECORDS RATE COMMAND\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	delays_ns = calloc((size_t)wanted, sizeof(*delays_ns));
	if (!delays_ns)
		die("out of memory");
	pid = start(argv[3], &to, &from);
	begin_ns = now_ns() + WARM_UP_NS;
	for (i = 0; i < wanted; i++) {
		wait_until(begin_ns + (int64_t)((double)i * 1e9 / rate), from);
		send_record(to, i);
	}
	wait_until(now_ns() + PATIENCE_NS, from);
	if (arrived < wanted)
		die("some records did not come out while the pipeline was open");
	close(to);
	while (receive(from))
		continue;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("the pipeline failed");
	qsort(delays_ns, (size_t)wanted, sizeof(*delays_ns), by_size);
	printf("%lld %lld %lld\n", (long long)delays_ns[(wanted - 1) / 2] / 1000,
	       (long long)delays_ns[(wanted * 99 + 99) / 100 - 1] / 1000,
	       (long long)delays_ns[wanted - 1] / 1000);
	free(delays_ns);
	return 0;
}

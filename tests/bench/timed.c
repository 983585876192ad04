/*
 * timed [-f FD] [-n RUNS] [-o FILE | -k] -- COMMAND [ARG]...
 *
 * Runs COMMAND with /dev/null as stdin and FILE (default /dev/null) as stdout, or with its own
 * (-k: a stage of a pipeline), RUNS times, and writes a line per run to the descriptor FD
 * (default 2):
 *	WALL_NS CPU_US PEAK_KIB STATUS
 * CPU is user and system time of the command and of the children that it waited for; the
 * peak is that of its largest process. STATUS is the exit status, 128 + N for signal N.
 *
 * A program of its own because the kernel counts the memory of the process that forks as
 * the child's until it calls exec: behind an interpreter of 15 MB nothing is smaller.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t
us(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static _Noreturn void
child(int report_fd, const char *out, char **argv)
{
	int in_fd = out ? open("/dev/null", O_RDONLY) : 0;
	int out_fd = out ? open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666) : 1;

	if (in_fd < 0 || out_fd < 0 || dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0) {
		fprintf(stderr, "timed: %s: %s\n", out, strerror(errno));
		_exit(126);
	}
	if (out) {
		close(in_fd);
		close(out_fd);
	}
	if (report_fd > 2)
		close(report_fd);
	execvp(argv[0], argv);
	fprintf(stderr, "timed: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int
main(int argc, char **argv)
{
	const char *out = "/dev/null";
	long runs = 1;
	int c, report_fd = 2;

	while ((c = getopt(argc, argv, "+f:kn:o:")) != -1)
		if (c == 'f')
			report_fd = (int)strtol(optarg, NULL, 10);
		else if (c == 'n')
			runs = strtol(optarg, NULL, 10);
		else if (c == 'o')
			out = optarg;
		else if (c == 'k')
			out = NULL;
		else
			return 64;
	if (optind >= argc || runs < 1 || (!out && runs > 1)) {
		fprintf(stderr, "usage: timed [-f FD] [-n RUNS] [-o FILE | -k] -- COMMAND [ARG]...\n");
		return 64;
	}
	while (runs-- > 0) {
		int64_t start = now_ns();
		struct rusage used;
		int status;
		pid_t pid = fork();

		if (pid < 0) {
			fprintf(stderr, "timed: fork: %s\n", strerror(errno));
			return 71;
		}
		if (pid == 0)
			child(report_fd, out, argv + optind);
		if (!out) {
			/* A neighbour that is gone must be seen by the command alone. */
			close(0);
			close(1);
		}
		while (wait4(pid, &status, 0, &used) < 0)
			if (errno != EINTR) {
				fprintf(stderr, "timed: wait4: %s\n", strerror(errno));
				return 71;
			}
		dprintf(report_fd, "%lld %lld %ld %d\n", (long long)(now_ns() - start),
		        (long long)(us(used.ru_utime) + us(used.ru_stime)), used.ru_maxrss,
		        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	return 0;
}

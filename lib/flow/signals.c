/*
 * Signals, taken by a thread of their own with sigtimedwait(2), so that no code runs in a
 * handler: SIGINT and SIGTERM ask to drain (a second one ends the process at once), SIGUSR1
 * asks for the balance. A descriptor becomes readable when a drain is asked for, to wake a
 * source that waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "flow/internal.h"

static atomic_bool draining;
static int drain_pipe[2] = {-1, -1};
static struct signals_config config;
static pthread_t thread;
static bool started;
static atomic_bool stopping;
static sigset_t waited;

bool
flow_draining(void)
{
	return atomic_load_explicit(&draining, memory_order_relaxed);
}

int
flow_drain_fd(void)
{
	return drain_pipe[0];
}

static void
die_of(int sig)
{
	sigset_t one;

	signal(sig, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, sig);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	kill(getpid(), sig);
}

static void
stop_asked(int sig, int *seen)
{
	if ((*seen)++) {
		die_of(sig);
		return;
	}
	/* A stage in the middle goes on to the end of its input: the process that owns the
	 * source drains, and the end comes down the pipe. */
	if (config.stdin_stage)
		return;
	atomic_store(&draining, true);
	if (write(drain_pipe[1], "", 1) < 0) {
		/* The pipe is empty before this: a byte always fits. */
	}
}

static void *
loop(void *unused)
{
	static const struct timespec tick = {0, 200000000};
	int seen = 0, sig;

	(void)unused;
	for (;;) {
		sig = config.progress ? sigtimedwait(&waited, NULL, &tick) :
			sigwaitinfo(&waited, NULL);
		if (sig == SIGUSR1)
			config.report(config.arg);
		else if (sig == SIGRTMIN && atomic_load(&stopping))
			return NULL;
		else if (sig > 0)
			stop_asked(sig, &seen);
		else if (errno == EAGAIN && config.progress)
			config.tick(config.arg);
	}
}

int
signals_start(const struct signals_config *c, struct failure *why)
{
	struct sigaction old;
	int rc;

	config = *c;
	if (pipe(drain_pipe) < 0)
		return fail(why, EXIT_OS, "pipe: %s", strerror(errno));
	fcntl(drain_pipe[0], F_SETFD, FD_CLOEXEC);
	fcntl(drain_pipe[1], F_SETFD, FD_CLOEXEC);
	/* A full file is told by write(2), not by a signal. */
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&waited);
	sigaddset(&waited, SIGUSR1);
	sigaddset(&waited, SIGRTMIN);
	/* What a shell told us to ignore stays ignored (nohup, background jobs). */
	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaddset(&waited, SIGINT);
	if (sigaction(SIGTERM, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaddset(&waited, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &waited, NULL);
	rc = pthread_create(&thread, NULL, loop, NULL);
	if (rc)
		return fail(why, EXIT_OS, "cannot start a thread: %s", strerror(rc));
	started = true;
	return 0;
}

void
signals_stop(void)
{
	if (!started)
		return;
	atomic_store(&stopping, true);
	pthread_kill(thread, SIGRTMIN);
	pthread_join(thread, NULL);
	started = false;
}

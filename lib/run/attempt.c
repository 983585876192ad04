/* A pipeline run once, and watched. */
#define _GNU_SOURCE /* pidfd_open by syscall, pipe2 */
#include "run/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "time/time.h"

#define STATUS_FD 60            /* where bash tells the stages' statuses */
#define LOOK_NS 50000000        /* between two looks at the stages */
#define SETTLED_NS 500000000    /* from the beginning: all stages are there, or were */
#define GONE_NS 1000000000      /* a stage that ended: the first one notices by itself */
#define MS 1000000

static sigset_t waited, before;

void
attempt_signals(void)
{
	sigemptyset(&waited);
	sigaddset(&waited, SIGINT);
	sigaddset(&waited, SIGTERM);
	sigaddset(&waited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &waited, &before);
}

/* ---- bash -------------------------------------------------------------------------- */

struct running {
	pid_t bash;
	bool grouped;          /* in a process group of its own */
	pid_t *pid;            /* of the stages; the first of them only if first_known */
	int *fd;               /* pidfds, -1 where the stage is gone */
	size_t n, known;
	bool first_known;
	int64_t begun_ns;      /* the pipeline; 0: it has not */
	int64_t gone_ns;       /* since when one of them is; 0: none */
	int64_t told_ns;       /* the first was asked to drain; 0: it was not */
	int asks;              /* signals of a user */
};

/* A dot tells that the pipeline begins. The brace group is no subshell, so what it sets is seen
 * behind it. */
static void
write_text(const struct script *s, struct buf *b)
{
	struct stat st[2];
	struct buf outer = {0};

	if (script_is_chain(s) && fstat(0, &st[0]) == 0 && fstat(1, &st[1]) == 0)
		buf_addf(&outer, "export SK_RUN=%llu:%llu,%llu:%llu\n",
			(unsigned long long)st[0].st_dev, (unsigned long long)st[0].st_ino,
			(unsigned long long)st[1].st_dev, (unsigned long long)st[1].st_ino);
	buf_addf(b, "unset SK_RUN\n%s\nprintf . >&%d\n"
		"%s{ %s\nsk_run_status=\"${PIPESTATUS[*]}\"; } %d>&-\n"
		"printf '%%s\\n' \"$sk_run_status\" >&%d\n", s->before, STATUS_FD,
		buf_cstr(&outer), s->pipeline, STATUS_FD, STATUS_FD);
	buf_cstr(b);
	buf_release(&outer);
}

static _Noreturn void
become_bash(const char *text, int status, int lock, bool grouped)
{
	sigset_t none;

	if (grouped)
		setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (lock >= 0)
		fcntl(lock, F_SETFD, 0);
	if (dup2(status, STATUS_FD) >= 0)
		execlp("bash", "bash", "-c", text, "sk-run", (char *)NULL);
	_exit(127);
}

/* ---- the stages -------------------------------------------------------------------- */

/* The children of a process, in the order in which they were made. */
static size_t
children(pid_t of, pid_t *to, size_t room)
{
	char path[64], text[4096];
	char *at = text, *end;
	ssize_t got;
	size_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)of, (long)of);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	for (; n < room; at = end) {
		to[n] = (pid_t)strtol(at, &end, 10);
		if (end == at)
			break;
		n++;
	}
	return n;
}

static void
signal_tree(pid_t pid, int sig)
{
	pid_t below[64];
	size_t i, n = children(pid, below, 64);

	for (i = 0; i < n; i++)
		signal_tree(below[i], sig);
	kill(pid, sig);
}

/* Does the process read what bash reads, or a file: not the pipe of a stage before it? */
static bool
is_first(pid_t bash, pid_t pid)
{
	char path[2][64], link[2][256] = {"", ""};
	ssize_t n;
	int i;

	snprintf(path[0], sizeof(path[0]), "/proc/%ld/fd/0", (long)bash);
	snprintf(path[1], sizeof(path[1]), "/proc/%ld/fd/0", (long)pid);
	for (i = 0; i < 2; i++) {
		n = readlink(path[i], link[i], sizeof(link[i]) - 1);
		link[i][n > 0 ? n : 0] = '\0';
	}
	return strncmp(link[1], "pipe:", 5) != 0 || strcmp(link[0], link[1]) == 0;
}

/* bash makes all stages at once, before it waits; what the commands before the pipeline have
 * left in the background stands before them. A stage that has ended by then is not among them. */
static void
find_stages(struct running *r, int64_t now)
{
	pid_t all[256];
	size_t i, n, skip;

	if (r->known || !r->begun_ns)
		return;
	n = children(r->bash, all, 256);
	if (n < r->n && now - r->begun_ns < SETTLED_NS)
		return;
	skip = n > r->n ? n - r->n : 0;
	for (i = skip; i < n; i++) {
		r->pid[r->known] = all[i];
		r->fd[r->known++] = (int)syscall(SYS_pidfd_open, all[i], 0);
	}
	r->first_known = n >= r->n || (n && is_first(r->bash, all[0]));
	if (n < r->n && r->first_known)
		r->gone_ns = now;
}

static bool
is_gone(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return fd < 0 || poll(&p, 1, 0) > 0;
}

static void
drain(struct running *r, int sig)
{
	pid_t first[1];

	if (r->known) {
		if (r->first_known && !is_gone(r->fd[0]))
			signal_tree(r->pid[0], sig);
	} else if (children(r->bash, first, 1)) {
		signal_tree(first[0], sig);
	} else {
		kill(r->bash, sig);
	}
}

static void
end_all(const struct running *r)
{
	size_t i;

	for (i = 0; i < r->known; i++)
		if (!is_gone(r->fd[i]))
			signal_tree(r->pid[i], SIGKILL);
	if (r->grouped)
		kill(-r->bash, SIGKILL);
	kill(r->bash, SIGKILL);
}

/* A stage is gone, and the first one does not know. */
static void
look_for_gone(struct running *r, int64_t now, int64_t grace_ns)
{
	size_t i;

	if (!r->first_known || is_gone(r->fd[0]))
		return;
	for (i = 1; i < r->known && !r->gone_ns; i++)
		if (is_gone(r->fd[i]))
			r->gone_ns = now;
	if (r->gone_ns && !r->told_ns && now - r->gone_ns > GONE_NS) {
		r->told_ns = now;
		drain(r, SIGTERM);
	}
	if (r->told_ns && now - r->told_ns > grace_ns)
		end_all(r);
}

/* ---- watching ---------------------------------------------------------------------- */

static void
on_signal(struct running *r, int sig, struct attempt *a)
{
	if (sig != SIGINT && sig != SIGTERM)
		return;
	a->asked = sig;
	if (r->asks++ == 0) {
		/* A terminal has sent SIGINT to all of its group already. */
		if (r->grouped || sig != SIGINT)
			drain(r, sig);
	} else {
		end_all(r);
	}
}

static void
on_deadline(struct running *r, int64_t now, int64_t deadline_ns, struct attempt *a)
{
	if (!deadline_ns || now < deadline_ns || a->overdue)
		return;
	a->overdue = true;
	if (!r->told_ns) {
		r->told_ns = now;
		drain(r, SIGTERM);
	}
}

static int
watch(struct running *r, int status_fd, int64_t deadline_ns, int64_t grace_ns, struct attempt *a)
{
	static const struct timespec look = {0, LOOK_NS};
	int64_t now;
	int sig, code;
	char dot;

	while (waitpid(r->bash, &code, WNOHANG) == 0) {
		sig = sigtimedwait(&waited, NULL, &look);
		on_signal(r, sig, a);
		now = time_monotonic_ns();
		if (!r->begun_ns && read(status_fd, &dot, 1) == 1)
			r->begun_ns = now;
		find_stages(r, now);
		look_for_gone(r, now, grace_ns);
		on_deadline(r, now, deadline_ns, a);
		if (a->overdue && now - deadline_ns > grace_ns)
			end_all(r);
	}
	return WIFSIGNALED(code) ? KILLED + WTERMSIG(code) : WEXITSTATUS(code);
}

static void
read_statuses(int fd, size_t n, struct attempt *a)
{
	char text[4096];
	char *at = text, *end;
	ssize_t got = read(fd, text, sizeof(text) - 1);
	int *status = mem_array(n, sizeof(*status));
	size_t i;

	text[got > 0 ? got : 0] = '\0';
	at += *at == '.';
	for (i = 0; i < n; i++, at = end) {
		status[i] = (int)strtol(at, &end, 10);
		if (end == at)
			break;
	}
	if (i == n)
		a->status = status;
	else
		free(status);
}

int
attempt_run(const struct script *s, int64_t deadline_ns, int64_t grace_ns, int lock,
	struct attempt *a, struct failure *why)
{
	struct running r = {.n = s->n, .grouped = !isatty(STDIN_FILENO)};
	struct buf text = {0};
	int fd[2] = {-1, -1}, rc = -1;
	int64_t began_ns = time_monotonic_ns();
	size_t i;

	*a = (struct attempt){0};
	write_text(s, &text);
	r.pid = mem_array(s->n, sizeof(*r.pid));
	r.fd = mem_array(s->n, sizeof(*r.fd));
	if (pipe2(fd, O_CLOEXEC) < 0 || (r.bash = fork()) < 0) {
		fail(why, EXIT_OS, "cannot start bash: %s", strerror(errno));
		goto out;
	}
	if (r.bash == 0)
		become_bash(text.p, fd[1], lock, r.grouped);
	if (r.grouped)
		setpgid(r.bash, r.bash);
	close(fd[1]);
	fd[1] = -1;
	/* What is left in the background may hold the other end. */
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	a->bash = watch(&r, fd[0], deadline_ns, grace_ns, a);
	read_statuses(fd[0], s->n, a);
	a->took_ns = time_monotonic_ns() - began_ns;
	rc = 0;
out:
	for (i = 0; i < r.known; i++)
		if (r.fd[i] >= 0)
			close(r.fd[i]);
	for (i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	free(r.pid);
	free(r.fd);
	buf_release(&text);
	return rc;
}

int
attempt_pause(int64_t ns)
{
	int64_t until = time_monotonic_ns() + ns, left;
	struct timespec t;
	int sig;

	while ((left = until - time_monotonic_ns()) > 0) {
		t.tv_sec = (time_t)(left / (1000 * MS));
		t.tv_nsec = (long)(left % (1000 * MS));
		sig = sigtimedwait(&waited, NULL, &t);
		if (sig == SIGINT || sig == SIGTERM)
			return sig;
	}
	return 0;
}

void
attempt_release(struct attempt *a)
{
	free(a->status);
	a->status = NULL;
}

/* ---- whose fault it was ------------------------------------------------------------ */

/* The higher, the more it says of the whole. */
static int
weight(int status)
{
	if (status == EXIT_OK)
		return 0;
	if (status == EXIT_SIGPIPE) /* its reader was gone, and says why */
		return 1;
	if (status == EXIT_SOME_BAD)
		return 2;
	if (status == EXIT_TRY_AGAIN)
		return 3;
	if (status == EXIT_UNAVAILABLE)
		return 4;
	if (status > KILLED)
		return 5;
	return status == EXIT_FENCED ? 7 : 6;
}

int
attempt_verdict(const struct attempt *a, size_t n, size_t *stage)
{
	size_t i, worst = 0;

	*stage = n;
	for (i = 1; i < n; i++)
		if (weight(a->status[i]) > weight(a->status[worst]))
			worst = i;
	if (weight(a->status[worst]) < 2)
		return EXIT_OK;
	if (a->status[worst] != EXIT_SOME_BAD)
		*stage = worst;
	return a->status[worst] > KILLED ? EXIT_TRY_AGAIN : a->status[worst];
}

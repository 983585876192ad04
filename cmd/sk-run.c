/*
 * sk-run: supervises a pipeline.
 *
 * bash runs the pipeline; sk-run names the job to all stages, keeps a second copy away, starts
 * it again where that may help, ends it when its time is over, and says which stage failed. It
 * reads and writes no record, and its memory is that of the text of the pipeline.
 */
#define _DEFAULT_SOURCE /* flock */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "flow/flow.h"
#include "opt/opt.h"
#include "run/attempt.h"
#include "run/plan.h"
#include "time/time.h"

#define S_NS 1000000000LL
#define BACKOFF_NS (S_NS / 10)      /* before the first restart, twice as long before each more */
#define BACKOFF_MOST_NS (3 * S_NS)
#define STEADY_NS (60 * S_NS)       /* a run that lasted so long: the next one is a first */
#define SCRIPT_MAX (1 << 20)

static struct {
	const char *app, *state, *lock, *stamp;
	int64_t deadline_us, grace_us, restarts;
	bool restart, explain, quiet;
} opt = {.grace_us = 10000000, .restarts = -1};

/* ---- before the first run ---------------------------------------------------------- */

/* The pipeline: the operand itself, or what the file of that name holds. */
static int
read_script(const char *operand, struct buf *text, struct failure *why)
{
	struct stat st;
	ssize_t n;
	int fd;

	if (stat(operand, &st) < 0 || !S_ISREG(st.st_mode)) {
		buf_adds(text, operand);
		return 0;
	}
	fd = open(operand, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || st.st_size > SCRIPT_MAX) {
		fail(why, EXIT_NOINPUT, "%s: %s", operand,
			strerror(fd < 0 ? errno : EFBIG));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	do {
		buf_reserve(text, 4096);
		n = read(fd, text->p + text->n, 4096);
		text->n += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	close(fd);
	if (n < 0)
		return fail(why, EXIT_IO, "%s: %s", operand, strerror(errno));
	if (text->n && memchr(text->p, '\0', text->n))
		return fail(why, EXIT_USAGE, "%s: no text", operand);
	return 0;
}

static void
name_job(void)
{
	if (opt.app)
		setenv("SK_APP", opt.app, 1);
	if (opt.state)
		setenv("SK_STATE", opt.state, 1);
	opt.app = getenv("SK_APP");
	opt.state = getenv("SK_STATE");
}

/* All stages inherit the lock, so it is free when the last of them is gone, whatever became of
 * us. *fd -1: no lock was asked for. */
static int
take_lock(int *fd, struct failure *why)
{
	struct buf path = {0};
	char pid[24] = "";
	ssize_t n;

	*fd = -1;
	if (opt.lock)
		buf_adds(&path, opt.lock);
	else if (opt.state && (mkdir(opt.state, 0700) == 0 || errno == EEXIST))
		buf_addf(&path, "%s/run.lock", opt.state);
	else
		return opt.state ? fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s",
			opt.state, strerror(errno)) : 0;
	*fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0) {
		fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", path.p, strerror(errno));
	} else if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(*fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
		fail(why, EXIT_TRY_AGAIN, "%s: another run of the job holds it%s%s", path.p,
			*pid ? ", process " : "", pid);
		close(*fd);
		*fd = -1;
	} else {
		if (ftruncate(*fd, 0) == 0)
			(void)dprintf(*fd, "%ld\n", (long)getpid());
		buf_release(&path);
		return 0;
	}
	buf_release(&path);
	return -1;
}

/* ---- after a run ------------------------------------------------------------------- */

static void
say_stage(const struct script *s, size_t i, int status)
{
	struct failure f = {0};

	if (status > KILLED)
		fail(&f, status, "stage %zu of %zu was ended by signal %d (%s): %.200s", i + 1, s->n,
			status - KILLED, strsignal(status - KILLED), s->stage[i].text);
	else
		fail(&f, status, "stage %zu of %zu ended with status %d: %.200s", i + 1, s->n, status,
			s->stage[i].text);
	flow_say("sk-run", &f);
}

/* The time of the success, for who watches its age; there whole or not at all. */
static int
write_stamp(int status, struct failure *why)
{
	struct buf text = {0}, temp = {0};
	FILE *f;
	int rc = -1;

	if (!opt.stamp)
		return 0;
	buf_adds(&text, "{\"time\":\"");
	time_add_rfc3339(&text, time_now_us());
	buf_addf(&text, "\",\"status\":%d}\n", status);
	buf_addf(&temp, "%s.new", opt.stamp);
	f = fopen(buf_cstr(&temp), "we");
	if (f && fwrite(text.p, 1, text.n, f) == text.n && fflush(f) == 0 && fsync(fileno(f)) == 0)
		rc = 0;
	if (f && fclose(f) != 0)
		rc = -1;
	if (rc < 0 || rename(temp.p, opt.stamp) < 0)
		rc = fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", opt.stamp,
			strerror(errno));
	buf_release(&text);
	buf_release(&temp);
	return rc;
}

/* One run. Its status, with what went wrong said; *again: it may be tried again. */
static int
run_once(const struct script *s, int64_t deadline_ns, int lock, struct attempt *a, bool *again)
{
	struct failure why = {0};
	size_t stage;
	int status;

	*again = false;
	if (attempt_run(s, deadline_ns, opt.grace_us * 1000, lock, a, &why) < 0)
		return flow_say("sk-run", &why);
	if (!a->status && a->bash > KILLED) {
		fail(&why, EXIT_TRY_AGAIN, "bash was ended by signal %d", a->bash - KILLED);
		status = flow_say("sk-run", &why);
	} else if (!a->status) {
		fail(&why, a->bash ? a->bash : EXIT_USAGE, "bash came to no end of the pipeline, and "
			"ended with status %d", a->bash);
		return flow_say("sk-run", &why);
	} else {
		status = attempt_verdict(a, s->n, &stage);
		if (stage < s->n)
			say_stage(s, stage, a->status[stage]);
	}
	if (a->overdue) {
		fail(&why, EXIT_TRY_AGAIN, "the deadline has passed");
		return flow_say("sk-run", &why);
	}
	*again = !a->asked && (status == EXIT_TRY_AGAIN || status == EXIT_UNAVAILABLE);
	return status;
}

static int
supervise(const struct script *s, int lock)
{
	int64_t began_ns = time_monotonic_ns(), wait_ns = BACKOFF_NS, left_ns, restarts = 0;
	int64_t deadline_ns = opt.deadline_us ? began_ns + opt.deadline_us * 1000 : 0;
	struct failure why = {0};
	struct attempt a;
	bool again;
	int status, sig = 0;

	for (;;) {
		status = run_once(s, deadline_ns, lock, &a, &again);
		attempt_release(&a);
		if (!again || !opt.restart || restarts == opt.restarts)
			break;
		wait_ns = a.took_ns > STEADY_NS ? BACKOFF_NS : wait_ns;
		restarts = a.took_ns > STEADY_NS ? 1 : restarts + 1;
		left_ns = deadline_ns ? deadline_ns - time_monotonic_ns() : INT64_MAX;
		if (left_ns < wait_ns)
			break;
		if (!opt.quiet)
			fprintf(stderr, "sk-run: starting again in %.1f s\n", (double)wait_ns / S_NS);
		sig = attempt_pause(wait_ns);
		if (sig)
			break;
		wait_ns = wait_ns * 2 < BACKOFF_MOST_NS ? wait_ns * 2 : BACKOFF_MOST_NS;
	}
	if (status <= EXIT_SOME_BAD && write_stamp(status, &why) < 0)
		return flow_say("sk-run", &why);
	return status;
}

static struct opt options[] = {
	{0, "restart", OPT_FLAG, &opt.restart, NULL, "start again where that may help: a stage was "
		"killed, or ended with status 75 or 69; after 0.1 s, and longer each time, up to 3 s"},
	{0, "max-restarts", OPT_COUNT, &opt.restarts, "N", "no more than N times in a row; a run "
		"of more than a minute begins a new row"},
	{0, "app", OPT_STRING, &opt.app, "NAME", "the job's name, for all stages; else $SK_APP"},
	{0, "state", OPT_DIR, &opt.state, "DIR", "the job's folder, for all stages; else "
		"$SK_STATE"},
	{0, "lock", OPT_FILE, &opt.lock, "FILE", "one copy at a time; without it the job's folder "
		"is locked"},
	{0, "deadline", OPT_DURATION, &opt.deadline_us, "D", "after D ask the first stage to "
		"drain, and end with status 75"},
	{0, "grace", OPT_DURATION, &opt.grace_us, "D", "how long that may take before all stages "
		"are killed (10s)"},
	{0, "stamp", OPT_FILE, &opt.stamp, "FILE", "on success write the time into FILE"},
	{0, "explain", OPT_FLAG, &opt.explain, NULL, "say what would run, and what the chain "
		"guarantees, and stop"},
	{'q', "quiet", OPT_FLAG, &opt.quiet, NULL, "don't tell of restarts"},
	{0}
};

static const struct opt_group groups[] = {{"Options", options}, {0}};

static const struct opt_example examples[] = {
	{"A job of cron, that goes on where it was if it was killed",
		"sk-run --restart --state /var/lib/job --deadline 50m job.sh"},
	{"What would it guarantee?", "sk-run --explain job.sh"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct opt_command command = {
		.name = "sk-run",
		.summary = "supervises a pipeline",
		.synopsis = "[OPTION]... PIPELINE\n[OPTION]... FILE",
		.groups = groups,
		.examples = examples,
		.operands = "file",
	};
	struct script script = {0};
	struct buf text = {0};
	struct failure why = {0};
	char **operands;
	int n, status, lock = -1;

	status = opt_parse(&command, argc, argv, &operands, &n);
	if (status >= 0)
		goto out;
	if (n != 1) {
		status = opt_refuse(&command, "quote it: sk-run -- 'sk-cat a | sk-dedup'",
			n ? "the pipeline is one operand, not %d" : "a pipeline is missing%.0d", n);
		goto out;
	}
	name_job();
	if (read_script(operands[0], &text, &why) < 0 ||
		script_parse(&script, buf_cstr(&text), &why) < 0) {
		status = flow_say("sk-run", &why);
		goto out;
	}
	if (opt.explain) {
		buf_reset(&text);
		plan_explain(&script, opt.app, opt.state, &text);
		status = fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0 ?
			EXIT_OK : EXIT_IO;
		goto out;
	}
	if (take_lock(&lock, &why) < 0) {
		status = flow_say("sk-run", &why);
		goto out;
	}
	attempt_signals();
	status = supervise(&script, lock);
out:
	script_release(&script);
	buf_release(&text);
	return status;
}

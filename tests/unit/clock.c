/* The watermark over inputs that end, rest and come back. Times in seconds. */
#include "flow/clock.h"
#include "test.h"

#define S 1000000
#define NS 1000000000LL

static struct clock c = {.watermark_us = TIME_NONE};
static struct input a = {.name = "a"}, b = {.name = "b"}, d = {.name = "d"};

static bool
tell(const struct flow_time *t, struct input *in, int64_t s, size_t unread)
{
	return clock_tell(&c, t, in, s * S, &unread);
}

static void
is(bool moved, bool wanted, int64_t s, const char *title)
{
	ok(moved == wanted && c.watermark_us == (s == TIME_NONE ? TIME_NONE : s * S), "%s", title);
}

static void
begin(void)
{
	clock_release(&c);
	c.reads = 1;
	a = (struct input){.name = "a"};
	b = (struct input){.name = "b"};
	d = (struct input){.name = "d", .partition = 1};
}

static void
of_records(void)
{
	struct flow_time t = {.delay_us = 2 * S};

	begin();
	is(tell(&t, &a, 10, 1), false, TIME_NONE, "stands still while an input has told nothing");
	is(tell(&t, &b, 4, 0), true, 2, "the least of both, less the delay");
	is(tell(&t, &b, 3, 0), false, 2, "an older record moves nothing");
	is(tell(&t, &b, 20, 0), true, 8, "the other input holds it back now");
	a.ended = true;
	is(tell(&t, &b, 21, 0), true, 19, "an input that has ended does not");
	is(clock_rest(&c, &t, 100 * NS, 0), false, 19, "without --idle nobody rests");
	is(tell(&t, &d, 7, 0), false, 19, "one that comes late is late");
	is(clock_end(&c, &t), false, 19, "at the end of all the newest of all counts");
	is(tell(&t, &d, 50, 0), false, 19, "of two");
	is(clock_end(&c, &t), true, 48, "the newer");
}

/* Of one read. */
static void
of_unread(void)
{
	struct flow_time t = {.delay_us = 2 * S};
	size_t unread = 2;

	begin();
	a.unread = b.unread = 1;
	is(clock_tell(&c, &t, &a, 10 * S, &unread), false, TIME_NONE, "one is unread still");
	is(clock_tell(&c, &t, &a, 11 * S, &unread), false, TIME_NONE, "that tells nothing of it");
	is(clock_tell(&c, &t, &d, 12 * S, &unread), false, TIME_NONE, "nor one that never was");
	is(clock_tell(&c, &t, &b, 4 * S, &unread), true, 2, "none is, within that read");
	is(clock_tell(&c, &t, &b, 12 * S, &unread), true, 9, "and it stays so");
}

static void
of_rest(void)
{
	struct flow_time t = {.delay_us = 0, .idle_us = 5 * S};

	begin();
	tell(&t, &a, 10, 0);
	tell(&t, &b, 30, 0);
	a.at_end = true;
	is(clock_rest(&c, &t, 100 * NS, 0), false, 10, "at its end since now: not idle yet");
	is(clock_rest(&c, &t, 104 * NS, 0), false, 10, "nor after 4 s of 5");
	is(clock_rest(&c, &t, 105 * NS, 1), false, 10, "nor while an input has told nothing");
	is(clock_rest(&c, &t, 105 * NS, 0), true, 30, "after 5 s the other one counts alone");
	is(tell(&t, &b, 40, 0), true, 40, "and goes on");
	is(tell(&t, &a, 35, 0), false, 40, "a record of it is older than the watermark, which "
		"never goes back");
	is(tell(&t, &b, 50, 0), false, 40, "and it holds time back again");
	a.at_end = false;
	is(clock_rest(&c, &t, 200 * NS, 0), false, 40, "with a backlog it is never idle");
	is(clock_rest(&c, &t, 300 * NS, 0), false, 40, "however long that takes");
}

static void
of_all_at_rest(void)
{
	struct flow_time t = {.delay_us = 1 * S, .idle_us = 5 * S};

	begin();
	tell(&t, &a, 10, 0);
	tell(&t, &d, 30, 0);
	a.at_end = d.at_end = true;
	clock_rest(&c, &t, 100 * NS, 0);
	is(clock_rest(&c, &t, 110 * NS, 0), false, 9, "where all are idle time stands still");
	t.idle_advance = true;
	is(clock_rest(&c, &t, 110 * NS, 0), true, 39, "--idle-advance: 10 s have gone by since "
		"the newest, at 30 s, and the delay is 1 s");
	a.ended = d.ended = true;
	is(clock_rest(&c, &t, 200 * NS, 0), false, 39, "what has ended does not wait for a clock");
}

static void
of_a_restart(void)
{
	struct flow_time t = {.delay_us = 0, .idle_us = 5 * S};
	struct buf saved = {0};
	struct failure why;

	begin();
	tell(&t, &a, 10, 0);
	tell(&t, &d, 30, 0);
	a.at_end = true;
	clock_rest(&c, &t, 100 * NS, 0);
	clock_rest(&c, &t, 105 * NS, 0);
	clock_save(&c, &saved);
	begin();
	ok(clock_restore(&c, buf_slice(&saved), &why) == 0 && c.watermark_us == 30 * S,
		"a restart knows what --idle decided");
	is(tell(&t, &a, 11, 0), false, 30, "so a record is as late as it was before");
	buf_release(&saved);
}

/* Partitions are there again before they give anything, and may have nothing new. */
static void
of_partitions_after_a_restart(void)
{
	struct flow_time t = {.delay_us = 0, .idle_us = 5 * S};
	struct buf saved = {0};
	struct failure why;

	begin();
	tell(&t, &a, 10, 0);
	tell(&t, &d, 30, 0);
	clock_save(&c, &saved);
	begin();
	clock_restore(&c, buf_slice(&saved), &why);
	clock_enter(&c, &a);
	clock_enter(&c, &b);
	clock_enter(&c, &d);
	ok(a.seen && a.newest_us == 10 * S && d.newest_us == 30 * S && !b.seen,
		"those that had told a time have it, and no other");
	is(tell(&t, &d, 40, 0), false, 10, "one that gives nothing holds time back as before");
	clock_enter(&c, &a);
	is(tell(&t, &a, 20, 0), true, 20, "until it does, and is there once");
	clock_reset(&c);
	ok(!a.seen && !d.seen && c.watermark_us == TIME_NONE, "of what is void nothing stays");
	clock_restore(&c, buf_slice(&saved), &why);
	clock_enter(&c, &a);
	clock_enter(&c, &d);
	is(tell(&t, &d, 12, 0), false, 10, "and it is as it was at the epoch");
	is(tell(&t, &a, 50, 0), true, 30, "in every input");
	buf_release(&saved);
}

static void
of_looks(void)
{
	struct flow_time t = {.idle_us = 8 * S};

	ok(clock_look_ns(&t, 0) == 1 * NS, "--idle 8s: a look a second");
	t.idle_us = 400000;
	ok(clock_look_ns(&t, 7) == 7 + NS / 10, "--idle 400ms: every 100 ms");
	t.idle_us = 1;
	ok(clock_look_ns(&t, 0) == NS / 100, "never more often than every 10 ms");
	t.idle_us = INT64_MAX;
	ok(clock_look_ns(&t, 0) == 1 * NS, "the longest --idle does not overflow");
}

int
main(void)
{
	of_records();
	of_unread();
	of_rest();
	of_all_at_rest();
	of_a_restart();
	of_partitions_after_a_restart();
	of_looks();
	clock_release(&c);
	return done();
}

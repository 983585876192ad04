/*
 * Grids are counted on an axis: microseconds, less the offset; or with a zone days of its
 * calendar. What is the n-th of something there has its instant by instant_of().
 */
#include "window/window.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"

#define DAY_US INT64_C(86400000000)
#define LONGEST_US (INT64_C(3660000) * DAY_US) /* ten thousand years and some */

const char *const window_kind_name[WINDOW_KINDS] = {"tumbling", "hopping", "cumulate", "session",
	"sliding", "count"};

/* ---- the command line -------------------------------------------------------------- */

static int
read_length(const char *option, struct slice text, int64_t *us, struct failure *why)
{
	if (time_of_duration(text, us) == 0 && *us > 0 && *us <= LONGEST_US)
		return 0;
	fail(why, EXIT_USAGE, "--%s: '%.*s' is no length of a window", option,
		(int)(text.n < 60 ? text.n : 60), text.p);
	fail_hint(why, "a duration: 500ms, 10s, 5m, 1h30m, 7d");
	return -1;
}

/* "10m/1m" */
static int
read_steps(struct window_shape *w, const char *option, const char *text, struct failure *why)
{
	const char *slash = strchr(text, '/');

	if (!slash) {
		fail(why, EXIT_USAGE, "--%s: '%.60s' lacks a step", option, text);
		fail_hint(why, "--%s 10m/1m", option);
		return -1;
	}
	if (read_length(option, slice_of(text, (size_t)(slash - text)), &w->size_us, why) < 0)
		return -1;
	return read_length(option, slice_str(slash + 1), &w->step_us, why);
}

static int
read_count(struct window_shape *w, const char *text, struct failure *why)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > UINT32_MAX)
		return fail(why, EXIT_USAGE, "--count: '%.60s' is no number of records, 1 to "
			"%" PRIu32, text, UINT32_MAX);
	w->count = n;
	return 0;
}

static int
check_zone(const struct window_shape *w, struct failure *why)
{
	bool days = w->size_us % DAY_US == 0 &&
		(w->step_us % DAY_US == 0 ||
			(w->kind == WINDOW_CUMULATE && DAY_US % w->step_us == 0));

	if (window_is_grid(w) && days)
		return 0;
	fail(why, EXIT_USAGE, "--tz is for windows of whole days");
	fail_hint(why, "--tumbling 1d, --hopping 7d/1d, --cumulate 1d/1h");
	return -1;
}

static int
read_kind(struct window_shape *w, const char *text, struct failure *why)
{
	const char *option = window_kind_name[w->kind];

	switch (w->kind) {
	case WINDOW_HOPPING:
		return read_steps(w, option, text, why);
	case WINDOW_CUMULATE:
		if (read_steps(w, option, text, why) < 0)
			return -1;
		if (w->size_us % w->step_us == 0)
			return 0;
		return fail(why, EXIT_USAGE, "--cumulate: the longest window is a multiple of "
			"the step, and '%.60s' is none", text);
	case WINDOW_COUNT:
		return read_count(w, text, why);
	default:
		if (read_length(option, slice_str(text), &w->size_us, why) < 0)
			return -1;
		w->step_us = w->size_us;
		return 0;
	}
}

int
window_read(struct window_shape *w, const struct window_options *o, struct failure *why)
{
	int i, given = -1;

	*w = (struct window_shape){.lateness_us = o->lateness_us};
	for (i = 0; i < WINDOW_KINDS; i++) {
		if (!o->text[i])
			continue;
		if (given >= 0)
			return fail(why, EXIT_USAGE, "--%s and --%s exclude each other",
				window_kind_name[given], window_kind_name[i]);
		given = i;
	}
	if (given < 0) {
		fail(why, EXIT_USAGE, "no window is given");
		fail_hint(why, "--tumbling 1m, --hopping 10m/1m, --cumulate 1d/1h, --session 30s, "
			"--sliding 5m or --count 100");
		return -1;
	}
	w->kind = (enum window_kind)given;
	if (read_kind(w, o->text[given], why) < 0)
		return -1;
	if (o->offset_us && !window_is_grid(w))
		return fail(why, EXIT_USAGE, "--offset moves the grid of windows, and --%s has "
			"none", window_kind_name[given]);
	if (o->offset_us > LONGEST_US || o->lateness_us > LONGEST_US)
		return fail(why, EXIT_USAGE, "%s: more than ten thousand years",
			o->offset_us > LONGEST_US ? "--offset" : "--lateness");
	w->offset_us = o->offset_us;
	if (!o->zone)
		return 0;
	if (check_zone(w, why) < 0)
		return -1;
	w->zone = zone_open(o->zone, why);
	return w->zone ? 0 : -1;
}

void
window_release(struct window_shape *w)
{
	zone_free(w->zone);
	*w = (struct window_shape){0};
}

/* ---- the axis ---------------------------------------------------------------------- */

static inline int64_t
floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;

	return q - (a % b < 0);
}

/* How much of the axis a length is. */
static inline int64_t
on_axis(const struct window_shape *w, int64_t us)
{
	return w->zone ? us / DAY_US : us;
}

static inline int64_t
instant_of(const struct window_shape *w, int64_t x)
{
	return w->zone ? zone_instant(w->zone, x * DAY_US + w->offset_us) : x + w->offset_us;
}

/* The place of an instant, the greatest whose own instant is not after it. */
static inline int64_t
place_of(const struct window_shape *w, int64_t us)
{
	int64_t x;

	if (!w->zone)
		return us - w->offset_us;
	x = floor_div(us + zone_at(w->zone, us).offset_us - w->offset_us, DAY_US);
	while (instant_of(w, x) > us)
		x--;
	while (instant_of(w, x + 1) <= us)
		x++;
	return x;
}

/* The place of an edge; of several at one instant, where a zone has left out a day, the
 * first. */
static int64_t
place_of_edge(const struct window_shape *w, int64_t us)
{
	int64_t x = place_of(w, us);

	while (w->zone && instant_of(w, x - 1) == us)
		x--;
	return x;
}

/* ---- panes and windows ------------------------------------------------------------- */

/* The steps of a cumulate are shorter than a place of the axis where that is a day. */
static bool
steps_within(const struct window_shape *w)
{
	return w->kind == WINDOW_CUMULATE && w->zone && w->step_us < DAY_US;
}

static struct span
longest_of(const struct window_shape *w, int64_t us)
{
	int64_t size = on_axis(w, w->size_us), x = floor_div(place_of(w, us), size) * size;

	return (struct span){instant_of(w, x), instant_of(w, x + size)};
}

struct span
window_pane(const struct window_shape *w, int64_t us)
{
	int64_t size, step, rest, x, from;
	struct span s;

	if (w->kind == WINDOW_TUMBLING)
		return longest_of(w, us);
	if (steps_within(w)) {
		s = longest_of(w, us);
		x = (us - s.start_us) / w->step_us;
		s.start_us += x * w->step_us;
		if (s.end_us - s.start_us > w->step_us)
			s.end_us = s.start_us + w->step_us;
		return s;
	}
	size = on_axis(w, w->size_us);
	step = on_axis(w, w->step_us);
	/* Edges are where windows begin and where they end. */
	rest = size % step;
	x = place_of(w, us);
	from = floor_div(x, step) * step;
	if (x - from < rest)
		return (struct span){instant_of(w, from), instant_of(w, from + rest)};
	return (struct span){instant_of(w, from + rest), instant_of(w, from + step)};
}

static bool
cumulate_of(const struct window_shape *w, const struct span *pane, int64_t us,
	struct span *window)
{
	struct span s = longest_of(w, pane->start_us);
	int64_t end = pane->end_us, step = on_axis(w, w->step_us), size, x;

	if (!w->zone || steps_within(w)) {
		if (us >= end)
			end = s.start_us + ((us - s.start_us) / w->step_us + 1) * w->step_us;
		if (end > s.end_us && us < s.end_us)
			end = s.end_us;
	} else {
		size = on_axis(w, w->size_us);
		x = floor_div(place_of(w, pane->start_us), size) * size;
		if (us > end)
			x += (place_of(w, us) - x) / step * step;
		while (end <= us && end < s.end_us)
			end = instant_of(w, x += step);
	}
	*window = (struct span){s.start_us, end};
	return end > us && end <= s.end_us;
}

static bool
hopping_of(const struct window_shape *w, const struct span *pane, int64_t us,
	struct span *window)
{
	int64_t size = on_axis(w, w->size_us), step = on_axis(w, w->step_us);
	int64_t from = place_of(w, pane->start_us), x;

	/* The first that reaches the end of the pane, and the last that begins before it. */
	x = -floor_div(-(place_of_edge(w, pane->end_us) - size), step) * step;
	if (us > pane->end_us && (w->zone ? place_of(w, us) : us - w->offset_us) - size >= x)
		x = floor_div(place_of(w, us) - size, step) * step + (w->zone ? 0 : step);
	for (; x <= from; x += step) {
		*window = (struct span){instant_of(w, x), instant_of(w, x + size)};
		if (window->end_us > us)
			return true;
	}
	return false;
}

bool
window_of(const struct window_shape *w, const struct span *pane, int64_t us,
	struct span *window)
{
	if (us > TIME_US_MAX + 2 * LONGEST_US)
		return false;
	switch (w->kind) {
	case WINDOW_HOPPING:
		return hopping_of(w, pane, us, window);
	case WINDOW_CUMULATE:
		return cumulate_of(w, pane, us, window);
	default:
		*window = *pane;
		return pane->end_us > us;
	}
}

bool
window_is(const struct window_shape *w, const struct span *s)
{
	struct span pane, window;

	if (s->start_us >= s->end_us)
		return false;
	if (!window_is_grid(w))
		return w->kind == WINDOW_SESSION;
	pane = window_pane(w, s->start_us);
	return window_of(w, &pane, s->end_us - 1, &window) && window.start_us == s->start_us &&
		window.end_us == s->end_us;
}

/* The windows of an instant, by panes, against all windows that there are. */
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "window/window.h"

#define MINUTE INT64_C(60000000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MOST 4000

static uint64_t seed = 7;

static uint64_t
draw(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 20;
}

/* The k-th edge of a grid of this step, by its definition. */
static int64_t
edge(const struct window_shape *w, int64_t k, int64_t step)
{
	return w->zone ? zone_instant(w->zone, k * step + w->offset_us) : k * step + w->offset_us;
}

/* All windows that hold us, in the order of their ends. */
static size_t
by_definition(const struct window_shape *w, int64_t us, struct span *s)
{
	int64_t big = w->kind == WINDOW_CUMULATE ? w->size_us : w->step_us, k, end;
	int64_t k0 = (us - w->offset_us - w->size_us) / big - 3, k1 = (us - w->offset_us) / big + 3, i;
	size_t n = 0;

	for (k = k0; k <= k1; k++) {
		struct span x = {edge(w, k, big), 0};

		if (w->kind != WINDOW_CUMULATE) {
			x.end_us = w->zone ? zone_instant(w->zone, k * big + w->size_us +
				w->offset_us) : x.start_us + w->size_us;
			/* Where a day is left out two can end together: it is the longer one. */
			if (us >= x.start_us && us < x.end_us &&
				!(n && s[n - 1].end_us == x.end_us))
				s[n++] = x;
			continue;
		}
		end = edge(w, k + 1, big);
		if (us < x.start_us || us >= end)
			continue;
		for (x.end_us = x.start_us, i = 1; x.end_us < end && n < MOST; i++) {
			x.end_us = w->zone && w->step_us % DAY == 0 ?
				zone_instant(w->zone, k * big + w->offset_us + i * w->step_us) :
				x.end_us + w->step_us;
			if (x.end_us > end)
				x.end_us = end;
			if (us < x.end_us && !(n && s[n - 1].end_us == x.end_us))
				s[n++] = x;
		}
	}
	return n;
}

static void
shape(const char *kind, const char *text, const char *zone, int64_t offset, int64_t from,
	int64_t length)
{
	struct window_options o = {.zone = zone, .offset_us = offset};
	static struct span want[MOST], got[MOST];
	struct window_shape w;
	struct failure why;
	struct span pane, s;
	size_t n, m, i, bad = 0, round;
	int64_t us, after;

	for (i = 0; i < WINDOW_KINDS; i++)
		if (strcmp(window_kind_name[i], kind) == 0)
			o.text[i] = text;
	if (!ok(window_read(&w, &o, &why) == 0, "%s %s %s", kind, text, zone ? zone : ""))
		return;
	for (round = 0; round < 3000; round++) {
		us = from + (int64_t)(draw() % (uint64_t)length);
		if (round % 3 == 0)
			us -= us % MINUTE;
		n = by_definition(&w, us, want);
		pane = window_pane(&w, us);
		bad += us < pane.start_us || us >= pane.end_us;
		for (m = 0, after = INT64_MIN; m < MOST && window_of(&w, &pane, after, &s); m++) {
			got[m] = s;
			after = s.end_us;
			bad += s.start_us > pane.start_us || s.end_us < pane.end_us;
			bad += !window_is(&w, &s);
		}
		bad += m != n || memcmp(want, got, n * sizeof(*want)) != 0;
		/* From the middle on. */
		if (n) {
			i = draw() % n;
			bad += !window_of(&w, &pane, want[i].end_us - 1, &s) ||
				s.end_us != want[i].end_us;
			s.end_us++;
			bad += window_is(&w, &s) && w.step_us > 1;
		}
	}
	ok(!bad, "its windows are those of the definition (%zu not)", bad);
	bad = window_of(&w, &pane, INT64_MAX, &s);
	ok(!bad, "and none ends after all time");
	window_release(&w);
}

static void
refused(const char *kind, const char *text, const char *zone)
{
	struct window_options o = {.zone = zone};
	struct window_shape w;
	struct failure why = {0};
	size_t i;

	for (i = 0; i < WINDOW_KINDS; i++)
		if (strcmp(window_kind_name[i], kind) == 0)
			o.text[i] = text;
	ok(window_read(&w, &o, &why) < 0 && why.status == EXIT_USAGE, "--%s %s %s is refused: %s",
		kind, text, zone ? zone : "", why.text);
}

int
main(void)
{
	const int64_t now = 1774656000000000; /* 2026-03-28T00:00:00Z */
	const int64_t samoa = 1324339200000000; /* 2011-12-20T00:00:00Z */

	shape("tumbling", "1m", NULL, 0, now, DAY);
	shape("tumbling", "7m", NULL, 90000000, -DAY, 2 * DAY);
	shape("tumbling", "1us", NULL, 0, now, DAY);
	shape("tumbling", "7d", NULL, 4 * DAY, now, 90 * DAY);
	shape("hopping", "10m/1m", NULL, 0, now, DAY);
	shape("hopping", "10m/7m", NULL, 5 * MINUTE, -DAY, 2 * DAY);
	shape("hopping", "10m/10m", NULL, 0, now, DAY);
	shape("hopping", "2m/7m", NULL, 0, -DAY, 2 * DAY);
	shape("hopping", "1h/1s", NULL, 0, now, DAY);
	shape("cumulate", "1d/1h", NULL, 0, now, 3 * DAY);
	shape("cumulate", "15m/5m", NULL, 3 * MINUTE, -DAY, 2 * DAY);
	shape("tumbling", "1d", "Europe/Berlin", 0, now - 3 * DAY, 9 * DAY);
	shape("tumbling", "1d", "Europe/Berlin", 6 * HOUR, now, 300 * DAY);
	shape("tumbling", "1d", "Europe/Berlin", 2 * HOUR + 30 * MINUTE, now, 300 * DAY);
	shape("tumbling", "7d", "America/New_York", 4 * DAY, now - 400 * DAY, 800 * DAY);
	shape("tumbling", "1d", "America/Sao_Paulo", 0, now - 3000 * DAY, 3000 * DAY);
	shape("hopping", "7d/1d", "Australia/Lord_Howe", 0, now - 300 * DAY, 600 * DAY);
	shape("hopping", "7d/2d", "Europe/Berlin", 0, now - 300 * DAY, 600 * DAY);
	shape("cumulate", "6d/2d", "Europe/Berlin", 0, now - 10 * DAY, 20 * DAY);
	/* Without 2011-12-30. */
	shape("tumbling", "1d", "Pacific/Apia", 0, samoa, 20 * DAY);
	shape("tumbling", "2d", "Pacific/Apia", DAY, samoa, 20 * DAY);
	shape("hopping", "7d/1d", "Pacific/Apia", 0, samoa, 20 * DAY);
	shape("hopping", "3d/2d", "Pacific/Apia", 0, samoa, 20 * DAY);
	shape("hopping", "3d/2d", "Pacific/Apia", DAY, samoa, 20 * DAY);
	shape("hopping", "2d/1d", "Pacific/Apia", 6 * HOUR, samoa, 20 * DAY);
	shape("hopping", "1d/2d", "Pacific/Apia", DAY, samoa, 20 * DAY);
	shape("cumulate", "6d/2d", "Pacific/Apia", 0, samoa, 20 * DAY);
	shape("cumulate", "6d/2d", "Pacific/Apia", DAY, samoa, 20 * DAY);
	shape("cumulate", "1d/6h", "Pacific/Apia", 0, samoa, 20 * DAY);
	shape("cumulate", "1d/1h", "Europe/Berlin", 0, now - 10 * DAY, 20 * DAY);
	shape("cumulate", "1d/1h", "Australia/Lord_Howe", 0, now, 300 * DAY);
	refused("tumbling", "0", NULL);
	refused("tumbling", "x", NULL);
	refused("tumbling", "-1m", NULL);
	refused("tumbling", "100000000d", NULL);
	refused("hopping", "10m", NULL);
	refused("hopping", "10m/0", NULL);
	refused("cumulate", "10m/3m", NULL);
	refused("count", "0", NULL);
	refused("count", "1.5", NULL);
	refused("tumbling", "1h", "Europe/Berlin");
	refused("session", "1d", "Europe/Berlin");
	refused("tumbling", "1d", "Europe/Nowhere");
	return done();
}

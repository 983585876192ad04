/*
 * generate: order events, as many as one likes, the same for the same seed on any
 * machine.
 *
 *	generate [--seed N] [--events N | --bytes SIZE] >orders.ndjson
 *
 * Without options it writes the orders.ndjson that lies beside it.
 *
 * An order is created, paid and reserved; the events of many orders lie between each
 * other. Time goes on by up to 39 ms a line, and an event's ts is up to 4 s behind it, so
 * that no event is 5 s older than one before it. One line in a thousand comes a second
 * time, up to 20 lines later. Some orders carry a note with escapes and UTF-8. A declined
 * payment is followed by nothing. Money is counted in cents; no floating point is
 * involved.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define OUT_BYTES (1 << 20)
#define AHEAD 128         /* lines that a follow-up may be planned ahead */
#define BEGIN_MS INT64_C(1767344400000) /* 2026-01-02T09:00:00Z */

struct order {
	uint64_t number;
	unsigned user;
	unsigned cents;
	int64_t ts_ms;      /* of its newest event */
	bool paid;
	struct order *next; /* planned for the same line, or free */
};

struct product {
	const char *name;
	unsigned cents;
};

static const char *const categories[] = {
	"books", "garden", "home", "kitchen", "music", "office", "sports", "toys",
};

static const struct product products[8][6] = {
	{{"The Art of Computer Programming", 19999}, {"Atlas of the World", 4900},
		{"Dune", 1299}, {"Cooking for Two", 2450}, {"Haiku", 999},
		{"Cosmos", 1895}},
	{{"Watering Can, 10 l", 1750}, {"Tulip Bulbs (50)", 1299}, {"Rake", 2199},
		{"Garden Hose 25 m", 3495}, {"Seed Box", 899}, {"Wheelbarrow", 8990}},
	{{"Desk Lamp", 3499}, {"Wool Blanket", 5990}, {"Wall Clock", 2800},
		{"Picture Frame 30x40", 1495}, {"Door Mat", 1999}, {"Candle Set", 1250}},
	{{"Cast Iron Pan 28 cm", 4995}, {"Chef's Knife", 7900}, {"Kettle", 3999},
		{"Espresso Cups (6)", 2490}, {"Cutting Board", 1850}, {"Whisk", 699}},
	{{"Ukulele", 5900}, {"Guitar Strings", 1099}, {"Metronome", 2995},
		{"Studio Headphones", 14900}, {"Harmonica in C", 3450},
		{"Drum Sticks", 1190}},
	{{"Fountain Pen", 3200}, {"Notebook A5, dotted", 1290}, {"Stapler", 1549},
		{"Paper Clips (500)", 499}, {"Monitor Stand", 4590},
		{"Whiteboard", 6900}},
	{{"Yoga Mat", 2999}, {"Running Socks", 1295}, {"Dumbbells 2 x 5 kg", 4450},
		{"Skipping Rope", 950}, {"Water Bottle", 1690}, {"Climbing Chalk", 799}},
	{{"Wooden Train", 3990}, {"Puzzle, 1000 pieces", 1599}, {"Kite", 2250},
		{"Building Blocks", 4495}, {"Teddy Bear", 2499}, {"Marbles", 599}},
};

/* As they stand in JSON. */
static const char *const notes[] = {
	"Grüße \\\"Anna\\\"\\n– Ünïcode ☕",
	"Ring twice.\\tNo answer? Leave it with the neighbours.",
	"\\u00e9t\\u00e9 \\ud83c\\udf89 merci",
	"Label: C:\\\\orders\\\\2026\\\\new.pdf",
	"ギフト包装でお願いします 🎁",
	"fragile \\/ this side up",
	"Доставка после 18:00, пожалуйста",
	"line one\\r\\nline two\\u0007",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t state; /* of the random numbers: splitmix64 */

static uint64_t
mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* A number below n. */
static unsigned
below(unsigned n)
{
	state += UINT64_C(0x9E3779B97F4A7C15);
	return (unsigned)((mix(state) >> 32) * n >> 32);
}

/* ---- text -------------------------------------------------------------------------- */

static char *
put(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

static char *
put_uint(char *p, uint64_t v, int width)
{
	char text[20];
	int i = (int)sizeof(text);

	do
		text[--i] = (char)('0' + v % 10);
	while ((v /= 10) || (int)sizeof(text) - i < width);
	memcpy(p, text + i, sizeof(text) - (size_t)i);
	return p + sizeof(text) - i;
}

/* 1999 is 19.99, 1990 is 19.9, 1900 is 19: as most programs write numbers. */
static char *
put_cents(char *p, unsigned cents)
{
	p = put_uint(p, cents / 100, 1);
	cents %= 100;
	if (!cents)
		return p;
	*p++ = '.';
	*p++ = (char)('0' + cents / 10);
	if (cents % 10)
		*p++ = (char)('0' + cents % 10);
	return p;
}

/* An id: what it is, and digits that say nothing about the order of things. */
static char *
put_id(char *p, const char *kind, uint64_t number)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t v = mix(number * UINT64_C(0x9E3779B97F4A7C15) + (unsigned char)*kind);
	int i;

	p = put(p, kind);
	for (i = 60; i >= 0; i -= 4)
		*p++ = hex[v >> i & 15];
	return p;
}

static char *
put_ts(char *p, int64_t ms)
{
	static const unsigned char days[12] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	static int64_t day_begin, day_end; /* of the last call, with its text */
	static char date[24];
	unsigned year, month, length, t;
	int64_t day;

	if (ms < day_begin || ms >= day_end) {
		day = ms / 86400000;
		day_begin = day * 86400000;
		day_end = day_begin + 86400000;
		for (year = 1970;; year++) {
			length = 365;
			length += year % 4 == 0 && (year % 100 || year % 400 == 0);
			if (day < length)
				break;
			day -= length;
		}
		for (month = 0;; month++) {
			t = days[month] + (month == 1 && length == 366 ? 1u : 0u);
			if (day < t)
				break;
			day -= t;
		}
		snprintf(date, sizeof(date), "%04u-%02u-%02uT", year % 10000, month + 1,
			(unsigned)day + 1);
	}
	t = (unsigned)(ms - day_begin);
	memcpy(p, date, 11);
	p = put_uint(p + 11, t / 3600000, 2);
	*p++ = ':';
	p = put_uint(p, t / 60000 % 60, 2);
	*p++ = ':';
	p = put_uint(p, t / 1000 % 60, 2);
	*p++ = '.';
	p = put_uint(p, t % 1000, 3);
	*p++ = 'Z';
	return p;
}

/* ---- events ------------------------------------------------------------------------ */

static char *
put_end(char *p, int64_t ts_ms)
{
	p = put(p, ",\"ts\":\"");
	p = put_ts(p, ts_ms);
	return put(p, "\"}\n");
}

static char *
put_created(char *p, struct order *o)
{
	unsigned n = 1 + below(5), i, category, quantity, cents;
	const struct product *product;

	if (n < 5 && below(3))
		n++;
	p = put(p, "{\"type\":\"order-created\",\"orderId\":\"");
	p = put_id(p, "order-", o->number);
	p = put(p, "\",\"userId\":\"user-");
	p = put_uint(p, o->user, 6);
	p = put(p, "\",\"items\":[");
	o->cents = 0;
	for (i = 0; i < n; i++) {
		category = below(COUNT(categories));
		product = &products[category][below(COUNT(products[0]))];
		quantity = below(3) ? 1 : 1 + below(5);
		cents = product->cents - (below(4) ? 0 : product->cents / 10);
		o->cents += quantity * cents;
		p = put(p, i ? ",{\"itemId\":\"" : "{\"itemId\":\"");
		p = put_id(p, "item-", o->number * 8 + i);
		p = put(p, "\",\"product\":\"");
		p = put(p, product->name);
		p = put(p, "\",\"category\":\"");
		p = put(p, categories[category]);
		p = put(p, "\",\"quantity\":");
		p = put_uint(p, quantity, 1);
		p = put(p, ",\"price\":");
		p = put_cents(p, cents);
		*p++ = '}';
	}
	p = put(p, "],\"amount\":");
	p = put_cents(p, o->cents);
	if (below(32) == 0) {
		p = put(p, ",\"note\":\"");
		p = put(p, notes[below(COUNT(notes))]);
		*p++ = '"';
	}
	return put_end(p, o->ts_ms);
}

static char *
put_payment(char *p, const struct order *o, bool accepted)
{
	p = put(p, "{\"type\":\"payment-processed\",\"orderId\":\"");
	p = put_id(p, "order-", o->number);
	p = put(p, "\",\"paymentId\":\"");
	p = put_id(p, "payment-", o->number);
	p = put(p, "\",\"userId\":\"user-");
	p = put_uint(p, o->user, 6);
	p = put(p, "\",\"amount\":");
	p = put_cents(p, o->cents);
	p = put(p, accepted ? ",\"status\":\"accepted\"" : ",\"status\":\"declined\"");
	return put_end(p, o->ts_ms);
}

static char *
put_reserved(char *p, const struct order *o)
{
	p = put(p, "{\"type\":\"inventory-reserved\",\"orderId\":\"");
	p = put_id(p, "order-", o->number);
	p = put(p, "\",\"userId\":\"user-");
	p = put_uint(p, o->user, 6);
	*p++ = '"';
	return put_end(p, o->ts_ms);
}

/* ---- the stream -------------------------------------------------------------------- */

static struct order pool[4 * AHEAD];
static struct order *unused;
static struct order *plan[AHEAD]; /* what is to follow, by line */
static unsigned open_events;      /* events that are still to follow in any case */

static void
plan_at(struct order *o, uint64_t line)
{
	o->next = plan[line % AHEAD];
	plan[line % AHEAD] = o;
}

/* The order that line is planned for, or NULL. With hurry, the first that is planned at
 * all. */
static struct order *
planned(uint64_t line, bool hurry)
{
	struct order *o;
	uint64_t i;

	for (i = line; i < line + (hurry ? AHEAD : 1); i++) {
		o = plan[i % AHEAD];
		if (!o)
			continue;
		plan[i % AHEAD] = o->next;
		if (!hurry)
			while (plan[i % AHEAD]) { /* one a line: the others wait */
				struct order *other = plan[i % AHEAD];

				plan[i % AHEAD] = other->next;
				plan_at(other, i + 1);
			}
		return o;
	}
	return NULL;
}

static char *
put_event(char *p, uint64_t line, uint64_t *orders, int64_t now_ms, bool hurry)
{
	struct order *o = planned(line, hurry);
	int64_t ts = now_ms - below(below(16) ? 250 : 4000);
	unsigned user;
	bool accepted;

	if (!o) {
		o = unused;
		unused = o->next;
		o->number = ++*orders;
		o->user = below(100000);
		user = below(100000);
		if (user < o->user)
			o->user = user; /* some users order more than others */
		o->paid = false;
		o->ts_ms = ts;
		open_events += 2;
		plan_at(o, line + 2 + below(AHEAD / 2));
		return put_created(p, o);
	}
	o->ts_ms = ts > o->ts_ms ? ts : o->ts_ms + 1;
	open_events--;
	if (!o->paid) {
		accepted = below(25) != 0;
		o->paid = true;
		p = put_payment(p, o, accepted);
		if (accepted) {
			plan_at(o, line + 1 + below(AHEAD / 2));
			return p;
		}
		open_events--;
	} else {
		p = put_reserved(p, o);
	}
	o->next = unused;
	unused = o;
	return p;
}

static int
generate(uint64_t events, uint64_t bytes, FILE *out)
{
	static char buf[OUT_BYTES + LINE_MAX_BYTES];
	static char again[LINE_MAX_BYTES];
	uint64_t line, orders = 0, written = 0, again_at = 0;
	size_t again_n = 0, n, i;
	int64_t now_ms = BEGIN_MS;
	char *p = buf, *from;
	bool hurry;

	for (i = 0; i < COUNT(pool); i++) {
		pool[i].next = unused;
		unused = &pool[i];
	}
	for (line = 0; line < events && written < bytes; line++) {
		from = p;
		/* near the end an order begins only if nothing else is left to say */
		hurry = open_events + (again_n ? 4u : 3u) > events - line ||
			(open_events + UINT64_C(3)) * 150 > bytes - written || !unused;
		now_ms += below(40);
		if (again_n && (line >= again_at || line + 1 == events)) {
			memcpy(p, again, again_n);
			p += again_n;
			again_n = 0;
		} else {
			p = put_event(p, line, &orders, now_ms, hurry);
			if (!again_n && !hurry && below(1000) == 0) {
				again_n = (size_t)(p - from);
				memcpy(again, from, again_n);
				again_at = line + 1 + below(20);
			}
		}
		n = (size_t)(p - from);
		written += n;
		if (p - buf >= OUT_BYTES) {
			if (fwrite(buf, 1, (size_t)(p - buf), out) != (size_t)(p - buf))
				return -1;
			p = buf;
		}
	}
	if (fwrite(buf, 1, (size_t)(p - buf), out) != (size_t)(p - buf) || fflush(out))
		return -1;
	return 0;
}

/* ---- the command line -------------------------------------------------------------- */

static const char usage[] =
	"Usage: generate [--seed N] [--events N | --bytes SIZE]\n"
	"Write order events, one JSON object a line.\n\n"
	"  --seed N      another stream for every N (default 214)\n"
	"  --events N    that many lines (default 300)\n"
	"  --bytes SIZE  stop at the line that reaches SIZE; k, M, G: powers of 1024\n";

/* A whole number, with a size's letter if sized. */
static bool
number_of(const char *s, bool sized, uint64_t *v)
{
	char *end;

	errno = 0;
	if (*s < '0' || *s > '9')
		return false;
	*v = strtoull(s, &end, 10);
	if (sized && *end && strchr("kMG", *end)) {
		int shift = *end == 'k' ? 10 : *end == 'M' ? 20 : 30;

		if (*v > UINT64_MAX >> shift)
			return false;
		*v <<= shift;
		end++;
	}
	return !errno && !*end;
}

int
main(int argc, char **argv)
{
	uint64_t seed = 214, events = UINT64_MAX, bytes = UINT64_MAX;
	bool good = true;
	int i;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return fputs(usage, stdout) < 0 || fflush(stdout) ? 74 : 0;
	for (i = 1; good && i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			good = number_of(argv[i + 1], false, &seed);
		else if (strcmp(argv[i], "--events") == 0)
			good = number_of(argv[i + 1], false, &events);
		else if (strcmp(argv[i], "--bytes") == 0)
			good = number_of(argv[i + 1], true, &bytes);
		else
			good = false;
	}
	if (!good || i != argc || (events != UINT64_MAX && bytes != UINT64_MAX)) {
		fputs(usage, stderr);
		return 64;
	}
	if (events == UINT64_MAX && bytes == UINT64_MAX)
		events = 300;
	state = mix(seed + 1);
	if (generate(events, bytes, stdout) != 0) {
		fprintf(stderr, "generate: standard output: %s\n", strerror(errno));
		return 74;
	}
	return 0;
}

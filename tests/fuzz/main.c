/*
 * A driver for the fuzz targets where there is no libFuzzer (gcc): runs every file of the
 * corpus, then mutations of them until the time is up. Deterministic under -seed.
 *
 *	build/san/fuzz/scan [-seconds=N] [-seed=N] DIR|FILE...
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MAX_SEEDS 4096
#define MAX_SIZE 65536

static struct {
	uint8_t *p;
	size_t n;
} seeds[MAX_SEEDS];
static size_t nseeds;
static uint64_t state = 0x9E3779B97F4A7C15u;

static uint64_t
draw(void)
{
	uint64_t z = (state += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static void
add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;

	if (!f || nseeds == MAX_SEEDS)
		exit((fprintf(stderr, "cannot use %s\n", path), 2));
	p = malloc(MAX_SIZE);
	if (!p)
		exit(2);
	seeds[nseeds].p = p;
	seeds[nseeds++].n = fread(p, 1, MAX_SIZE, f);
	fclose(f);
}

static void
add(const char *path)
{
	struct stat st;
	struct dirent *e;
	char name[4096];
	DIR *d;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		add_file(name);
	}
	if (d)
		closedir(d);
}

static size_t
mutate(uint8_t *p, size_t n)
{
	static const char words[][12] = {
		"{", "}", "[", "]", "\"", "\\", "\\u", "\n", "\r\n", ",", ":", "null", "1e999",
		"-0", "0.1", "\xff", "\xc3\xa9", "\xed\xa0\x80", "\xf0\x9f\x98\x80", " ", "\t",
		"{\"$sk\":", "true", "select(", "|", ".a", "..", "//", "as $x", "\\ud800",
	};
	size_t times = 1 + draw() % 6, at, len, from;
	const char *w;

	while (times--) {
		at = n ? draw() % n : 0;
		switch (draw() % 6) {
		case 0:
			if (n)
				p[at] = (uint8_t)draw();
			break;
		case 1:
			if (n)
				p[at] ^= (uint8_t)(1u << draw() % 8);
			break;
		case 2:
			len = n ? 1 + draw() % (n < 32 ? n : 32) : 0;
			if (at + len > n)
				len = n - at;
			memmove(p + at, p + at + len, n - at - len);
			n -= len;
			break;
		case 3:
			w = words[draw() % (sizeof(words) / sizeof(words[0]))];
			len = strlen(w);
			if (n + len > MAX_SIZE)
				break;
			memmove(p + at + len, p + at, n - at);
			memcpy(p + at, w, len);
			n += len;
			break;
		case 4:
			len = n ? draw() % (n < 256 ? n : 256) : 0;
			from = n ? draw() % n : 0;
			if (from + len > n)
				len = n - from;
			if (n + len > MAX_SIZE)
				break;
			memmove(p + at + len, p + at, n - at);
			if (from >= at)
				from += len;
			memmove(p + at, p + from, len);
			n += len;
			break;
		default:
			if (n)
				n = draw() % (n + 1);
			break;
		}
	}
	return n;
}

int
main(int argc, char **argv)
{
	uint8_t *work = malloc(MAX_SIZE), *exact;
	double seconds = 1;
	unsigned long runs = 0;
	time_t end;
	size_t i, n;

	for (i = 1; i < (size_t)argc; i++) {
		if (strncmp(argv[i], "-seconds=", 9) == 0)
			seconds = atof(argv[i] + 9);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			state = strtoull(argv[i] + 6, NULL, 0);
		else
			add(argv[i]);
	}
	if (!nseeds || !work) {
		fprintf(stderr, "no corpus\n");
		return 2;
	}
	for (i = 0; i < nseeds; i++)
		LLVMFuzzerTestOneInput(seeds[i].p, seeds[i].n);
	end = time(NULL) + (time_t)seconds;
	while (time(NULL) < end) {
		for (i = 0; i < 200; i++) {
			n = draw() % nseeds;
			memcpy(work, seeds[n].p, seeds[n].n);
			n = mutate(work, seeds[n].n);
			/* Its own allocation, so that ASan sees a byte too far. */
			exact = malloc(n ? n : 1);
			if (!exact)
				return 2;
			memcpy(exact, work, n);
			LLVMFuzzerTestOneInput(exact, n);
			free(exact);
			runs++;
		}
	}
	printf("%zu seeds, %lu mutations\n", nseeds, runs);
	for (i = 0; i < nseeds; i++)
		free(seeds[i].p);
	free(work);
	return 0;
}

/* The manifest, and the folders that it tells of. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "capture/capture.h"

#define VERSION 1
#define MANIFEST "manifest.ndjson"
#define MANIFEST_MAX ((off_t)1 << 30)

/* ---- lanes ------------------------------------------------------------------------- */

static int
lane_cmp(const struct capture_lane *lane, struct slice topic, int32_t partition)
{
	int c = slice_cmp(slice_str(lane->topic), topic);

	return c ? c : (lane->partition > partition) - (lane->partition < partition);
}

/* Where the lane is, or would be. */
static size_t
lane_place(const struct capture *c, struct slice topic, int32_t partition)
{
	size_t low = 0, high = c->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (lane_cmp(c->lane[mid], topic, partition) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct capture_lane *
capture_find(const struct capture *c, struct slice topic, int32_t partition)
{
	size_t i = lane_place(c, topic, partition);

	if (i == c->n || lane_cmp(c->lane[i], topic, partition) != 0)
		return NULL;
	return c->lane[i];
}

struct capture_lane *
capture_add(struct capture *c, struct slice topic, int32_t partition)
{
	size_t i = lane_place(c, topic, partition);
	struct capture_lane *lane;

	if (i < c->n && lane_cmp(c->lane[i], topic, partition) == 0)
		return c->lane[i];
	lane = mem_zalloc(sizeof(*lane));
	lane->topic = mem_dup(topic.p, topic.n);
	lane->partition = partition;
	c->lane = mem_grow(c->lane, &c->cap, c->n + 1, sizeof(struct capture_lane *));
	memmove(c->lane + i + 1, c->lane + i, (c->n - i) * sizeof(struct capture_lane *));
	c->lane[i] = lane;
	c->n++;
	return lane;
}

/* In any order; a segment that is there already stays what it is. */
struct capture_segment *
capture_lane_add(struct capture_lane *lane, int64_t first)
{
	size_t i = lane->n;

	while (i && lane->segment[i - 1].first > first)
		i--;
	if (i && lane->segment[i - 1].first == first)
		return &lane->segment[i - 1];
	lane->segment = mem_grow(lane->segment, &lane->cap, lane->n + 1,
		sizeof(*lane->segment));
	memmove(lane->segment + i + 1, lane->segment + i,
		(lane->n - i) * sizeof(*lane->segment));
	lane->n++;
	lane->segment[i] = (struct capture_segment){.first = first};
	return &lane->segment[i];
}

void
capture_release(struct capture *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		free(c->lane[i]->topic);
		free(c->lane[i]->segment);
		free(c->lane[i]);
	}
	free(c->lane);
	free(c->dir);
	*c = (struct capture){0};
}

/* ---- reading the manifest ---------------------------------------------------------- */

static bool
whole(const struct json_doc *d, const char *name, int64_t *to)
{
	uint32_t t = json_get(d, 0, slice_str(name));
	struct slice s;
	char digits[24], *end;

	if (t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER)
		return false;
	s = json_text(d, t);
	if (s.n >= sizeof(digits))
		return false;
	memcpy(digits, s.p, s.n);
	digits[s.n] = '\0';
	errno = 0;
	*to = strtoll(digits, &end, 10);
	return !*end && !errno;
}

static bool
not_negative(const struct json_doc *d, const char *name, int64_t *to)
{
	return whole(d, name, to) && *to >= 0;
}

/* The bytes of a string that needs no escapes. */
static bool
plain(const struct json_doc *d, const char *name, struct slice *to)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	if (t == JSON_NONE || json_type_at(d, t) != JSON_STRING)
		return false;
	*to = json_string_raw(d, t);
	return true;
}

static bool
hash(const struct json_doc *d, const char *name, char to[33])
{
	struct slice s;

	if (!plain(d, name, &s) || s.n != 32)
		return false;
	memcpy(to, s.p, 32);
	to[32] = '\0';
	return true;
}

static bool
instant(const struct json_doc *d, const char *name, int64_t *to)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	*to = TIME_NONE;
	return t != JSON_NONE && (json_type_at(d, t) == JSON_NULL || whole(d, name, to));
}

/* A file that was renamed while the folder was read may have been passed over. */
static void
look_for(const struct capture *c, struct slice topic, int32_t partition,
	struct capture_segment *seg)
{
	struct buf path = {0};
	struct stat st;
	char *name = mem_dup(topic.p, topic.n);

	capture_path(&path, c->dir, name, partition, seg->first, false);
	seg->there = stat(buf_cstr(&path), &st) == 0;
	buf_release(&path);
	free(name);
}

static bool
read_segment(struct capture *c, const struct json_doc *d)
{
	int64_t partition, first, count, repeat, unpacked, bytes;
	struct capture_segment *seg;
	struct capture_stats *s;
	struct slice topic;

	if (!plain(d, "topic", &topic) || !capture_is_topic(topic) ||
		!not_negative(d, "partition", &partition) || partition > INT32_MAX ||
		!not_negative(d, "first", &first))
		return false;
	seg = capture_lane_add(capture_add(c, topic, (int32_t)partition), first);
	s = &seg->stats;
	s->first = first;
	if (!not_negative(d, "last", &s->last) || !not_negative(d, "count", &count) ||
		!not_negative(d, "repeat", &repeat) || !not_negative(d, "unpacked", &unpacked) ||
		!not_negative(d, "bytes", &bytes) || !instant(d, "min_ts", &s->min_ts) ||
		!instant(d, "max_ts", &s->max_ts) || !hash(d, "xxh3", seg->sum) ||
		!hash(d, "head", s->head) || s->last < first || count < 1)
		return false;
	s->count = (uint64_t)count;
	s->repeat = (uint64_t)repeat;
	s->unpacked = (uint64_t)unpacked;
	seg->bytes = (uint64_t)bytes;
	seg->known = true;
	seg->part = false;
	if (!seg->there)
		look_for(c, topic, (int32_t)partition, seg);
	return true;
}

/* {"capture":1,"numbered":[...]}. Partition 0 is what a numbered topic has. */
static int
read_head(struct capture *c, const struct json_doc *d, struct failure *why)
{
	struct json_iter it;
	struct slice topic;
	uint32_t list = json_get(d, 0, SLICE("numbered"));
	int64_t version;

	if (!whole(d, "capture", &version) || list == JSON_NONE)
		return fail(why, EXIT_CONFIG, "is no manifest of a capture");
	if (version != VERSION)
		return fail(why, EXIT_CONFIG, "is of version %lld, and this streamkit knows "
			"version %d", (long long)version, VERSION);
	for (json_enter(d, list, &it); json_step(d, &it);) {
		topic = json_type_at(d, it.value) == JSON_STRING ?
			json_string_raw(d, it.value) : (struct slice){0};
		if (!capture_is_topic(topic))
			return fail(why, EXIT_CONFIG, "names a topic that is none");
		capture_add(c, topic, 0)->numbered = true;
	}
	return 0;
}

static int
read_lines(struct capture *c, struct slice text, struct failure *why)
{
	struct json_scan scan = {0};
	struct json_doc d;
	const char *feed;
	uint64_t number = 0;
	int rc = 0;

	if (!text.n)
		rc = fail(why, EXIT_CONFIG, "is empty");
	while (rc == 0 && text.n) {
		feed = memchr(text.p, '\n', text.n);
		number++;
		if (!feed || json_doc_of(&scan, slice_of(text.p, (size_t)(feed - text.p)), &d,
				why) < 0)
			rc = fail(why, EXIT_CONFIG, "line %llu is broken",
				(unsigned long long)number);
		else if (number == 1)
			rc = read_head(c, &d, why);
		else if (!read_segment(c, &d))
			rc = fail(why, EXIT_CONFIG, "line %llu tells of no segment",
				(unsigned long long)number);
		if (feed) {
			text.n -= (size_t)(feed + 1 - text.p);
			text.p = feed + 1;
		}
	}
	json_scan_release(&scan);
	return rc;
}

/* The file's bytes: 1, 0 if it isn't there, -1. */
static int
slurp(const char *path, struct buf *b, struct failure *why)
{
	struct stat st;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (st.st_size > MANIFEST_MAX) {
			close(fd);
			return fail(why, EXIT_CONFIG, "%s: is larger than a manifest may be",
				path);
		}
		do {
			buf_reserve(b, 65536);
			n = read(fd, b->p + b->n, b->cap - b->n);
			b->n += n > 0 ? (size_t)n : 0;
		} while (n > 0 || (n < 0 && errno == EINTR));
	}
	err = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return fail(why, status_of_errno(err, EXIT_IO), "%s: %s", path, strerror(err));
	return 1;
}

static int
read_manifest(struct capture *c, struct failure *why)
{
	struct buf path = {0}, text = {0};
	int rc;

	buf_addf(&path, "%s/" MANIFEST, c->dir);
	rc = slurp(buf_cstr(&path), &text, why);
	c->listed = rc > 0;
	if (rc > 0) {
		rc = read_lines(c, buf_slice(&text), why);
		if (rc < 0) {
			fail_within(why, "%s: ", buf_cstr(&path));
			if (!*why->hint)
				fail_hint(why, "it is made anew from the segments if it is moved "
					"away, but for the list of numbered topics");
		}
	}
	buf_release(&path);
	buf_release(&text);
	return rc < 0 ? -1 : 0;
}

/* ---- reading the folders ----------------------------------------------------------- */

/* Digits without superfluous zeros; -1: something else. */
static int64_t
number_of(const char *s, size_t n)
{
	int64_t v = 0;
	size_t i;

	if (!n || n > 20)
		return -1;
	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || v > (INT64_MAX - 9) / 10)
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static void
take_file(struct capture_lane *lane, const char *name)
{
	int64_t first = strlen(name) > 20 ? number_of(name, 20) : -1;
	struct capture_segment *seg;
	bool part;

	if (first < 0)
		return;
	part = strcmp(name + 20, ".ndjson.zst.part") == 0;
	if (!part && strcmp(name + 20, ".ndjson.zst") != 0)
		return;
	seg = capture_lane_add(lane, first);
	/* Seen under both names, it is the finished one: it was renamed meanwhile. */
	seg->part = part && (!seg->there || seg->part);
	seg->there = true;
}

enum folder_kind { TOPICS, PARTITIONS, FILES };

/* Walk a folder and those in it. topic, lane: where we are. */
static int
walk(struct capture *c, const char *path, enum folder_kind kind, const char *topic,
	struct capture_lane *lane, struct failure *why)
{
	DIR *d = opendir(path);
	struct buf inner = {0};
	struct dirent *e;
	int64_t n;
	int rc = 0;

	if (!d)
		return errno == ENOENT || (errno == ENOTDIR && kind != TOPICS) ? 0 :
			fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path,
				strerror(errno));
	while (rc == 0 && (errno = 0, e = readdir(d))) {
		buf_reset(&inner);
		buf_addf(&inner, "%s/%s", path, e->d_name);
		if (kind == FILES) {
			take_file(lane, e->d_name);
		} else if (kind == PARTITIONS) {
			n = number_of(e->d_name, strlen(e->d_name));
			if (n < 0 || n > INT32_MAX || (n && e->d_name[0] == '0') ||
				(!n && e->d_name[1]))
				continue;
			rc = walk(c, buf_cstr(&inner), FILES, topic,
				capture_add(c, slice_str(topic), (int32_t)n), why);
		} else if (capture_is_topic(slice_str(e->d_name))) {
			rc = walk(c, buf_cstr(&inner), PARTITIONS, e->d_name, NULL, why);
		}
	}
	if (rc == 0 && errno)
		rc = fail(why, EXIT_IO, "%s: %s", path, strerror(errno));
	closedir(d);
	buf_release(&inner);
	return rc;
}

/* The oldest that are gone were removed on purpose; the last one says where to go on. */
static int
settle_lane(const struct capture *c, struct capture_lane *lane, struct failure *why)
{
	size_t gone = 0, i;

	while (gone + 1 < lane->n && !lane->segment[gone].there)
		gone++;
	lane->n -= gone;
	if (gone)
		memmove(lane->segment, lane->segment + gone,
			lane->n * sizeof(*lane->segment));
	for (i = 0; i + 1 < lane->n; i++)
		if (lane->segment[i].part)
			return fail(why, EXIT_CONFIG, "%s/%s/%d: the open segment %020lld is "
				"followed by another one", c->dir, lane->topic, lane->partition,
				(long long)lane->segment[i].first);
	return 0;
}

int
capture_load(const char *dir, struct capture *c, struct failure *why)
{
	size_t i;
	int rc;

	*c = (struct capture){.dir = mem_strdup(dir)};
	/* In this order: the manifest knows whatever was finished before the folders were
	 * read. */
	rc = walk(c, dir, TOPICS, NULL, NULL, why);
	if (rc == 0)
		rc = read_manifest(c, why);
	for (i = 0; i < c->n && rc == 0; i++)
		rc = settle_lane(c, c->lane[i], why);
	if (rc < 0)
		capture_release(c);
	return rc;
}

/* ---- writing the manifest ---------------------------------------------------------- */

static void
add_instant(struct buf *b, const char *name, int64_t ms)
{
	if (ms == TIME_NONE)
		buf_addf(b, "\"%s\":null,", name);
	else
		buf_addf(b, "\"%s\":%lld,", name, (long long)ms);
}

static void
add_segment(struct buf *b, const struct capture_lane *lane,
	const struct capture_segment *seg)
{
	const struct capture_stats *s = &seg->stats;

	buf_addf(b, "{\"file\":\"%s/%d/%020lld.ndjson.zst\",\"topic\":\"%s\",\"partition\":%d,"
		"\"first\":%lld,\"last\":%lld,\"count\":%llu,\"repeat\":%llu,", lane->topic,
		lane->partition, (long long)seg->first, lane->topic, lane->partition,
		(long long)s->first, (long long)s->last, (unsigned long long)s->count,
		(unsigned long long)s->repeat);
	add_instant(b, "min_ts", s->min_ts);
	add_instant(b, "max_ts", s->max_ts);
	buf_addf(b, "\"unpacked\":%llu,\"bytes\":%llu,\"xxh3\":\"%s\",\"head\":\"%s\"}\n",
		(unsigned long long)s->unpacked, (unsigned long long)seg->bytes, seg->sum,
		s->head);
}

static void
add_manifest(struct buf *b, const struct capture *c)
{
	const char *comma = "";
	size_t i, k;

	buf_addf(b, "{\"capture\":%d,\"numbered\":[", VERSION);
	for (i = 0; i < c->n; i++) {
		if (!c->lane[i]->numbered)
			continue;
		buf_addf(b, "%s\"%s\"", comma, c->lane[i]->topic);
		comma = ",";
	}
	buf_adds(b, "]}\n");
	for (i = 0; i < c->n; i++)
		for (k = 0; k < c->lane[i]->n; k++)
			if (c->lane[i]->segment[k].known)
				add_segment(b, c->lane[i], &c->lane[i]->segment[k]);
}

int
capture_sync_folder(const char *path, struct failure *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, err;

	rc = fd < 0 ? -1 : fsync(fd);
	err = errno;
	if (fd >= 0)
		close(fd);
	if (rc < 0 && err != EINVAL && err != EROFS && err != ENOTSUP)
		return fail(why, status_of_errno(err, EXIT_IO), "%s: %s", path, strerror(err));
	return 0;
}

static int
write_file(const char *path, struct slice text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), rc = 0, err;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (text.n) {
		n = write(fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -1;
			break;
		}
		text.p += n;
		text.n -= (size_t)n;
	}
	if (rc == 0)
		rc = fsync(fd);
	err = errno;
	if (close(fd) < 0 && rc == 0)
		return -1;
	errno = err;
	return rc;
}

int
capture_save(const struct capture *c, struct failure *why)
{
	struct buf text = {0}, path = {0}, fresh = {0};
	int rc = 0;

	buf_addf(&path, "%s/" MANIFEST, c->dir);
	buf_addf(&fresh, "%s.new", buf_cstr(&path));
	add_manifest(&text, c);
	if (write_file(buf_cstr(&fresh), buf_slice(&text)) < 0 ||
		rename(buf_cstr(&fresh), buf_cstr(&path)) < 0)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", buf_cstr(&path),
			strerror(errno));
	if (rc == 0)
		rc = capture_sync_folder(c->dir, why);
	buf_release(&text);
	buf_release(&path);
	buf_release(&fresh);
	return rc;
}

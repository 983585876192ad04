/* Names of sinks: their class, their key. */
#include "sink/sink.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capture.h"
#include "sink/out.h"
#include "source/uri.h"

static const char append_prefix[] = "append:";

static bool
appends(const char *uri)
{
	return strncmp(uri, append_prefix, sizeof(append_prefix) - 1) == 0;
}

/* The path or descriptor that a name stands for, without append:. */
static const char *
path_of(const char *uri)
{
	return appends(uri) ? uri + sizeof(append_prefix) - 1 : uri;
}

enum sink_class
sink_class(const char *uri)
{
	const char *path = path_of(uri);
	struct stat st;

	if (capture_is(uri))
		return SINK_CAPTURE;
	if (uri_fd(path, STDOUT_FILENO) >= 0)
		return SINK_STREAM;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return SINK_STREAM;
	return appends(uri) ? SINK_APPEND : SINK_WHOLE;
}

bool
sink_feeds(const char *uri, const struct source *source)
{
	const char *path = path_of(uri);
	int fd = uri_fd(path, STDOUT_FILENO);
	struct stat st;

	if ((fd >= 0 ? fstat(fd, &st) : stat(path, &st)) < 0 || !S_ISREG(st.st_mode))
		return false;
	return sink_class(uri) != SINK_WHOLE &&
		source_reads(source, st.st_dev, st.st_ino);
}

static int
refuse_scheme(const char *uri, struct slice scheme, struct failure *why)
{
	fail(why, EXIT_USAGE, "%s: %.*s: is no sink that this version knows", uri,
		(int)scheme.n, scheme.p);
	fail_hint(why, "a file of that name is ./%s", uri);
	return -1;
}

struct sink *
sink_open(const char *uri, struct failure *why)
{
	const char *path = path_of(uri);
	struct slice scheme = uri_scheme(uri);

	if (!*path) {
		fail(why, EXIT_USAGE, "the name of a sink is empty");
		return NULL;
	}
	if (capture_is(uri))
		return capture_sink_open(uri, why);
	if (scheme.p && !appends(uri)) {
		refuse_scheme(uri, scheme, why);
		return NULL;
	}
	switch (sink_class(uri)) {
	case SINK_STREAM:
		return stream_open(path, uri_fd(path, STDOUT_FILENO), why);
	case SINK_APPEND:
		return append_open(uri, path, why);
	default:
		return whole_open(uri, why);
	}
}

/* ---- keys ------------------------------------------------------------------------ */

/* Append an absolute path without "//" and "/./". */
static void
add_absolute(struct buf *out, const char *path)
{
	char cwd[PATH_MAX];
	size_t n;

	if (*path != '/' && getcwd(cwd, sizeof(cwd)))
		buf_adds(out, cwd);
	while (*path) {
		for (; *path == '/'; path++)
			;
		n = strcspn(path, "/");
		if (n && !(n == 1 && *path == '.')) {
			buf_addc(out, '/');
			buf_add(out, path, n);
		}
		path += n;
	}
}

/* A capture is its folder, whatever the options say. */
static void
add_capture(struct buf *out, const char *uri)
{
	struct capture_uri u;
	struct failure ignored;

	if (capture_uri_parse(uri, &u, &ignored) < 0) {
		buf_adds(out, uri);
		return;
	}
	buf_adds(out, "capture:");
	sink_key(u.dir, out);
	capture_uri_release(&u);
}

void
sink_key(const char *uri, struct buf *out)
{
	const char *path = path_of(uri);
	int fd = uri_fd(path, STDOUT_FILENO);
	struct place place;
	struct stat st;

	if (capture_is(uri)) {
		add_capture(out, uri);
		return;
	}
	if (fd >= 0) {
		buf_addf(out, "fd:%d", fd);
		return;
	}
	place_of(path, &place);
	if (stat(place.folder, &st) == 0)
		buf_addf(out, "%llx:%llx", (unsigned long long)st.st_dev,
			(unsigned long long)st.st_ino);
	else
		add_absolute(out, place.folder);
	buf_addf(out, "/%s", place.base);
	place_release(&place);
}

bool
sink_conflict(const char *a, const char *b)
{
	struct buf ka = {0}, kb = {0};
	bool same;

	sink_key(a, &ka);
	sink_key(b, &kb);
	same = slice_eq(buf_slice(&ka), buf_slice(&kb));
	buf_release(&ka);
	buf_release(&kb);
	return same && sink_class(a) != sink_class(b);
}

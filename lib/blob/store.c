/* Stores by name, and what names may be. */
#include "blob/store.h"

#include "base/sha.h"
#include "base/text.h"
#include "blob/kinds.h"

#define FAN 2 /* digits */

struct blob_store *
blob_open(const char *uri, const struct blob_options *opt, struct failure *why)
{
	if (strncmp(uri, "file:", 5) == 0 && uri[5])
		return blob_file_open(uri + 5, opt, why);
	if (strncmp(uri, "s3://", 5) == 0 && uri[5])
		return blob_s3_open(uri + 5, opt, why);
	fail(why, EXIT_USAGE, "'%s' is no store", uri);
	fail_hint(why, "a store is file:DIR or s3://BUCKET/PREFIX");
	return NULL;
}

void
blob_close(struct blob_store *s)
{
	if (s)
		s->close(s);
}

bool
blob_is_name(struct slice s)
{
	const char *slash;
	size_t n;

	if (s.n > BLOB_NAME_MAX)
		return false;
	while ((slash = s.n ? memchr(s.p, '/', s.n) : NULL)) {
		n = (size_t)(slash - s.p);
		if (!text_is_component(slice_of(s.p, n)))
			return false;
		s = slice_of(slash + 1, s.n - n - 1);
	}
	return text_is_component(s);
}

void
blob_add_path(const struct blob_store *s, struct slice name, struct buf *b)
{
	if (s->fans && sha_is_hex(name)) {
		buf_add(b, name.p, FAN);
		buf_addc(b, '/');
	}
	buf_add_slice(b, name);
}

void
blob_add_url(const struct blob_store *s, struct slice name, struct buf *b)
{
	buf_adds(b, s->url);
	buf_addc(b, '/');
	blob_add_path(s, name, b);
}

bool
blob_name_of(const struct blob_store *s, struct slice url, struct slice *name)
{
	size_t n = strlen(s->url);
	struct slice rest;

	if (!slice_starts(url, slice_str(s->url)) || url.n <= n || url.p[n] != '/')
		return false;
	rest = slice_of(url.p + n + 1, url.n - n - 1);
	if (s->fans && rest.n == FAN + SHA_HEX && rest.p[FAN] == '/') {
		*name = slice_of(rest.p + FAN + 1, rest.n - FAN - 1);
		return sha_is_hex(*name) && memcmp(rest.p, name->p, FAN) == 0;
	}
	*name = rest;
	return blob_is_name(rest) && !(s->fans && sha_is_hex(rest));
}

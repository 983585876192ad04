/*
 * Credentials of S3: $AWS_ACCESS_KEY_ID and its companions, or a file of the form that the AWS
 * tools read, whose section is $AWS_PROFILE or default. Lines before a section count for all,
 * so that a file of two lines will do. They are never taken from a command line, where anybody
 * may read them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "blob/s3.h"

void
s3_keys_release(struct s3_keys *k)
{
	free(k->id);
	free(k->secret);
	free(k->token);
	*k = (struct s3_keys){0};
}

static const char *
environment(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? text : NULL;
}

static struct slice
trimmed(struct slice s)
{
	while (s.n && strchr(" \t", s.p[0]))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

static void
take(char **to, struct slice value)
{
	free(*to);
	*to = value.n ? mem_dup(value.p, value.n) : NULL;
}

/* One line of the file. ours: it stands in our section. */
static void
read_line(struct s3_keys *k, struct slice line, struct slice profile, bool *ours)
{
	const char *equals;
	struct slice name, value;

	line = trimmed(line);
	if (!line.n || line.p[0] == '#' || line.p[0] == ';')
		return;
	if (line.p[0] == '[' && line.p[line.n - 1] == ']') {
		*ours = slice_eq(trimmed(slice_of(line.p + 1, line.n - 2)), profile);
		return;
	}
	equals = memchr(line.p, '=', line.n);
	if (!equals || !*ours)
		return;
	name = trimmed(slice_of(line.p, (size_t)(equals - line.p)));
	value = trimmed(slice_of(equals + 1, (size_t)(line.p + line.n - equals - 1)));
	if (slice_eq(name, SLICE("aws_access_key_id")))
		take(&k->id, value);
	else if (slice_eq(name, SLICE("aws_secret_access_key")))
		take(&k->secret, value);
	else if (slice_eq(name, SLICE("aws_session_token")))
		take(&k->token, value);
}

static int
read_file(struct s3_keys *k, const char *path, struct failure *why)
{
	const char *profile = environment("AWS_PROFILE");
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	bool ours = true;
	ssize_t n;
	int rc = 0;

	if (!f)
		return fail(why, status_of_errno(errno, EXIT_CONFIG), "%s: %s", path,
			strerror(errno));
	while ((n = getline(&line, &cap, f)) >= 0)
		read_line(k, slice_of(line, (size_t)n), slice_str(profile ? profile : "default"),
			&ours);
	if (ferror(f))
		rc = fail(why, EXIT_CONFIG, "%s: cannot read it", path);
	free(line);
	fclose(f);
	if (rc == 0 && (!k->id || !k->secret))
		rc = fail(why, EXIT_CONFIG, "%s: no aws_access_key_id and aws_secret_access_key "
			"for %s", path, profile ? profile : "default");
	return rc;
}

static int
read_usual(struct s3_keys *k, struct failure *why)
{
	const char *path = environment("AWS_SHARED_CREDENTIALS_FILE");
	const char *home = environment("HOME");
	struct buf b = {0};
	int rc = -1;

	if (path)
		return read_file(k, path, why);
	if (home) {
		buf_addf(&b, "%s/.aws/credentials", home);
		rc = read_file(k, buf_cstr(&b), why);
		buf_release(&b);
	}
	if (rc < 0) {
		fail(why, EXIT_CONFIG, "no credentials for s3");
		fail_hint(why, "$AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, or --credentials "
			"FILE");
	}
	return rc;
}

int
s3_keys_find(struct s3_keys *k, const char *file, struct failure *why)
{
	const char *id = environment("AWS_ACCESS_KEY_ID");
	const char *secret = environment("AWS_SECRET_ACCESS_KEY");
	const char *token = environment("AWS_SESSION_TOKEN");
	int rc;

	*k = (struct s3_keys){0};
	if (!file && id && secret) {
		k->id = mem_strdup(id);
		k->secret = mem_strdup(secret);
		k->token = token ? mem_strdup(token) : NULL;
		return 0;
	}
	rc = file ? read_file(k, file, why) : read_usual(k, why);
	if (rc < 0)
		s3_keys_release(k);
	return rc;
}

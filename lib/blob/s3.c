/* A request to an S3 server. The only file that knows libcurl. */
#include "blob/s3.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/keyed.h"
#include "base/mem.h"
#include "base/sha.h"
#include "base/text.h"
#include "time/time.h"

#define ANSWER_MAX ((size_t)16 << 20) /* of an answer that is no blob: a thousand names */
#define ERROR_MAX ((size_t)64 << 10)
#define CONNECT_MS 10000L
#define STILL_S 30L                   /* a transfer without a byte for so long is dead */
#define WAIT_MIN_US 50000
#define WAIT_MAX_US 10000000

struct s3 {
	CURL *curl;
	struct buf base;          /* the bucket's URL, with a slash at its end */
	char *bucket;
	struct buf provider;      /* aws:amz:REGION:s3 */
	struct s3_keys keys;
	const char *ca;           /* NULL: the system's */
	int64_t retry_us;
	struct sha *sha;
	uint64_t draw;            /* for waits that differ */
	/* Of the request in hand: */
	const struct s3_request *request;
	size_t sent;
	struct s3_answer answer;
	struct buf body;
	int64_t retry_after_us;
	struct failure *why;      /* of the sink */
	bool refused;             /* the sink wants no more */
	char message[CURL_ERROR_SIZE];
};

static void
begin_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- where ------------------------------------------------------------------------- */

void
s3_add_encoded(struct buf *b, struct slice s, bool slashes)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < s.n; i++) {
		c = (unsigned char)s.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && !slashes))
			buf_addc(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

static const char *
environment(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? text : NULL;
}

static const char *
first(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

/* The bucket's URL: behind the endpoint, or at Amazon's, where it is a host of its own if its
 * name can be one under their certificate. */
static int
find_base(struct s3 *s, const struct blob_options *opt, const char *region,
	struct failure *why)
{
	const char *endpoint = first(opt->endpoint, environment("AWS_ENDPOINT_URL_S3"),
		environment("AWS_ENDPOINT_URL"));
	const char *host;
	size_t n;

	if (!endpoint && !strchr(s->bucket, '.')) {
		buf_addf(&s->base, "https://%s.s3.%s.amazonaws.com/", s->bucket, region);
		return 0;
	}
	if (!endpoint) {
		buf_addf(&s->base, "https://s3.%s.amazonaws.com/%s/", region, s->bucket);
		return 0;
	}
	n = strncmp(endpoint, "https://", 8) == 0 ? 8 :
		strncmp(endpoint, "http://", 7) == 0 ? 7 : 0;
	host = endpoint + n;
	if (!n || !*host || strpbrk(host, "?#@ \t"))
		return fail(why, EXIT_USAGE, "the endpoint '%s' is no http://HOST:PORT or "
			"https://HOST", strchr(host, '@') ? "..@.." : endpoint);
	buf_adds(&s->base, endpoint);
	if (s->base.p[s->base.n - 1] != '/')
		buf_addc(&s->base, '/');
	buf_adds(&s->base, s->bucket);
	buf_addc(&s->base, '/');
	return 0;
}

struct s3 *
s3_open(const char *bucket, const struct blob_options *opt, struct failure *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct s3 *s = mem_zalloc(sizeof(*s));
	const char *region = first(opt->region, environment("AWS_REGION"),
		environment("AWS_DEFAULT_REGION"));

	pthread_once(&once, begin_curl);
	region = region ? region : "us-east-1";
	s->bucket = mem_strdup(bucket);
	s->retry_us = opt->retry_us;
	s->sha = sha_new();
	s->draw = keyed_draw().k0;
	s->ca = environment("AWS_CA_BUNDLE");
	buf_addf(&s->provider, "aws:amz:%s:s3", region);
	buf_cstr(&s->provider);
	if (!text_is_component(slice_str(region)))
		fail(why, EXIT_USAGE, "'%s' is no region", region);
	else if (find_base(s, opt, region, why) == 0 &&
		s3_keys_find(&s->keys, opt->credentials, why) == 0) {
		s->curl = curl_easy_init();
		if (s->curl)
			return s;
		fail(why, EXIT_OS, "libcurl can't begin");
	}
	s3_close(s);
	return NULL;
}

void
s3_close(struct s3 *s)
{
	if (!s)
		return;
	curl_easy_cleanup(s->curl);
	s3_keys_release(&s->keys);
	sha_free(s->sha);
	buf_release(&s->base);
	buf_release(&s->provider);
	buf_release(&s->body);
	free(s->bucket);
	free(s);
}

/* ---- bytes there and back ---------------------------------------------------------- */

static size_t
send_body(char *to, size_t size, size_t n, void *arg)
{
	struct s3 *s = arg;
	size_t room = size * n, left = s->request->body.n - s->sent;

	if (room > left)
		room = left;
	if (room)
		memcpy(to, s->request->body.p + s->sent, room);
	s->sent += room;
	return room;
}

/* libcurl sends the body anew, where a connection that it had kept turns out dead. */
static int
seek_body(void *arg, curl_off_t offset, int origin)
{
	struct s3 *s = arg;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > s->request->body.n)
		return CURL_SEEKFUNC_FAIL;
	s->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
take_body(char *p, size_t size, size_t n, void *arg)
{
	struct s3 *s = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 && s->request->sink) {
		if (s->request->sink->take(s->request->sink->arg, p, n, s->why) == 0)
			return n;
		s->refused = true;
		return 0;
	}
	if (n > (status / 100 == 2 ? ANSWER_MAX : ERROR_MAX) - s->body.n)
		return 0;
	buf_add(&s->body, p, n);
	return n;
}

/* The value of a header line, if it has this name. */
static bool
is_header(struct slice line, const char *name, struct slice *value)
{
	size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n) != 0)
		return false;
	*value = slice_of(line.p + n + 1, line.n - n - 1);
	while (value->n && strchr(" \t\"", value->p[0]))
		*value = slice_of(value->p + 1, value->n - 1);
	while (value->n && strchr(" \t\r\n\"", value->p[value->n - 1]))
		value->n--;
	return true;
}

static void
keep_text(char *to, size_t size, struct slice s)
{
	to[0] = '\0';
	if (s.n >= size)
		return;
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

static int64_t
http_date(struct slice s)
{
	char text[64];
	time_t t;

	keep_text(text, sizeof(text), s);
	t = curl_getdate(text, NULL);
	return t < 0 ? TIME_NONE : (int64_t)t * 1000000;
}

static size_t
take_header(char *p, size_t size, size_t n, void *arg)
{
	struct s3 *s = arg;
	struct slice line = slice_of(p, size * n), v;
	struct s3_answer *a = &s->answer;
	char digits[24];

	if (is_header(line, "etag", &v))
		keep_text(a->etag, sizeof(a->etag), v);
	else if (is_header(line, "content-encoding", &v))
		keep_text(a->encoding, sizeof(a->encoding), v);
	else if (is_header(line, "date", &v))
		a->date_us = http_date(v);
	else if (is_header(line, "last-modified", &v))
		a->modified_us = http_date(v);
	else if (is_header(line, "content-length", &v)) {
		keep_text(digits, sizeof(digits), v);
		a->size = strtoull(digits, NULL, 10);
	} else if (is_header(line, "retry-after", &v)) {
		keep_text(digits, sizeof(digits), v);
		s->retry_after_us = strtol(digits, NULL, 10) * 1000000LL;
	}
	return line.n;
}

/* ---- one try ----------------------------------------------------------------------- */

static struct curl_slist *
headers(struct s3 *s)
{
	const char *const *h = s->request->header;
	struct curl_slist *list = NULL;
	char hash[SHA_HEX], line[SHA_HEX + 32];
	struct buf token = {0};

	sha_of(s->sha, s->request->body, hash);
	snprintf(line, sizeof(line), "x-amz-content-sha256: %s", hash);
	list = curl_slist_append(list, line);
	if (s->keys.token) {
		buf_addf(&token, "x-amz-security-token: %s", s->keys.token);
		list = curl_slist_append(list, buf_cstr(&token));
		buf_release(&token);
	}
	for (; h && *h; h++)
		list = curl_slist_append(list, *h);
	/* No wait for leave to send. */
	return curl_slist_append(list, "Expect:");
}

static void
set_method(struct s3 *s)
{
	const struct s3_request *r = s->request;
	CURL *c = s->curl;

	if (strcmp(r->method, "HEAD") == 0) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	} else if (strcmp(r->method, "PUT") == 0) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body.n);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, send_body);
		curl_easy_setopt(c, CURLOPT_READDATA, s);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, seek_body);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, s);
	} else if (strcmp(r->method, "POST") == 0) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.n ? r->body.p : "");
	} else if (strcmp(r->method, "GET") != 0) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
	}
}

static long
still_seconds(const struct s3 *s)
{
	int64_t half = s->retry_us / 2000000;

	return half < 1 ? 1 : half < STILL_S ? (long)half : STILL_S;
}

static CURLcode
try_once(struct s3 *s, const char *url)
{
	CURL *c = s->curl;
	struct curl_slist *list = headers(s);
	CURLcode rc;

	s->answer = (struct s3_answer){.date_us = TIME_NONE, .modified_us = TIME_NONE};
	s->sent = 0;
	s->retry_after_us = 0;
	s->message[0] = '\0';
	buf_reset(&s->body);
	if (s->request->sink)
		s->request->sink->begin(s->request->sink->arg);
	curl_easy_reset(c); /* connections stay */
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_AWS_SIGV4, s->provider.p);
	curl_easy_setopt(c, CURLOPT_USERNAME, s->keys.id);
	curl_easy_setopt(c, CURLOPT_PASSWORD, s->keys.secret);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "streamkit");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->message);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, still_seconds(s));
	if (s->ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, s->ca);
	set_method(s);
	rc = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &s->answer.status);
	s->answer.body = buf_slice(&s->body);
	curl_slist_free_all(list);
	return rc;
}

/* ---- what came of it --------------------------------------------------------------- */

bool
s3_element(struct slice *xml, const char *name, struct slice *text)
{
	size_t n = strlen(name), i;
	const char *p = xml->p, *end = xml->p + xml->n, *from;

	for (; p && p < end && (p = memchr(p, '<', (size_t)(end - p))); p++) {
		if ((size_t)(end - p) < n + 2 || memcmp(p + 1, name, n) != 0 || p[n + 1] != '>')
			continue;
		from = p + n + 2;
		for (i = 0; i + n + 3 <= (size_t)(end - from); i++) {
			if (from[i] != '<' || from[i + 1] != '/' || from[i + n + 2] != '>' ||
				memcmp(from + i + 2, name, n) != 0)
				continue;
			*text = slice_of(from, i);
			*xml = slice_of(from + i + n + 3, (size_t)(end - from) - i - n - 3);
			return true;
		}
		return false;
	}
	return false;
}

/* The error that the body tells of, if it does. */
static void
read_code(struct s3 *s, struct slice *message)
{
	struct slice xml = s->answer.body, code;

	*message = (struct slice){0};
	if (!s3_element(&xml, "Code", &code))
		return;
	keep_text(s->answer.code, sizeof(s->answer.code), code);
	xml = s->answer.body;
	s3_element(&xml, "Message", message);
}

static bool
may_help(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

/* An answer that may be another one next time. An error may come with 200 too, where the
 * server began to answer before it knew. */
static bool
is_passing(const struct s3 *s)
{
	switch (s->answer.status) {
	case 408:
	case 409:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	case 200:
		return strcmp(s->answer.code, "InternalError") == 0 ||
			strcmp(s->answer.code, "SlowDown") == 0;
	default:
		return strcmp(s->answer.code, "RequestTimeout") == 0;
	}
}

static bool
is_told(const struct s3 *s)
{
	long status = s->answer.status;

	return (status / 100 == 2 && !s->answer.code[0]) || status == 412 || status == 501 ||
		(status == 404 && (!s->answer.code[0] ||
			strncmp(s->answer.code, "NoSuch", 6) == 0));
}

static int
refuse(struct s3 *s, CURLcode rc, struct slice message, struct failure *why)
{
	const struct s3_answer *a = &s->answer;
	struct buf shown = {0};
	int status = EXIT_UNAVAILABLE;

	buf_addf(&shown, "s3://%s", s->bucket);
	if (s->request->key.n) {
		buf_addc(&shown, '/');
		text_add_safe(&shown, s->request->key, 200);
	}
	if (rc != CURLE_OK) {
		fail(why, status, "%s: %s", buf_cstr(&shown),
			s->message[0] ? s->message : curl_easy_strerror(rc));
		buf_release(&shown);
		return -1;
	}
	if (a->status == 401 || a->status == 403 || strcmp(a->code, "InvalidAccessKeyId") == 0)
		status = EXIT_NOPERM;
	else if (a->status / 100 == 3 || a->status == 400)
		status = EXIT_CONFIG;
	buf_addf(&shown, ": the server answers %ld", a->status);
	if (a->code[0])
		buf_addf(&shown, " %s: ", a->code);
	text_add_safe(&shown, message, 200);
	fail(why, status, "%s", buf_cstr(&shown));
	if (a->status / 100 == 3)
		fail_hint(why, "a redirect is not followed: --endpoint and --region say where the "
			"bucket is");
	buf_release(&shown);
	return -1;
}

/* How long before try n: twice as long each time, and somewhere in the upper half of that. */
static int64_t
wait_us(struct s3 *s, int n)
{
	int64_t us = WAIT_MIN_US;

	while (n-- > 0 && us < WAIT_MAX_US)
		us *= 2;
	if (us > WAIT_MAX_US)
		us = WAIT_MAX_US;
	s->draw = s->draw * 6364136223846793005ULL + 1442695040888963407ULL;
	us = us / 2 + (int64_t)(s->draw >> 33) % (us / 2);
	return us > s->retry_after_us ? us : s->retry_after_us;
}

static void
pause_us(int64_t us)
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

int
s3_ask(struct s3 *s, const struct s3_request *r, const struct s3_answer **answer,
	struct failure *why)
{
	struct buf url = {0};
	struct slice message = {0};
	int64_t began = time_monotonic_ns(), wait;
	CURLcode rc;
	int tries, done = -1;

	buf_add_slice(&url, buf_slice(&s->base));
	if (!r->key.n)
		url.n--; /* the bucket itself */
	s3_add_encoded(&url, r->key, false);
	if (r->query)
		buf_addf(&url, "?%s", r->query);
	buf_cstr(&url);
	s->request = r;
	s->why = why;
	for (tries = 0;; tries++) {
		s->refused = false;
		rc = try_once(s, url.p);
		if (s->refused)
			break;
		if (rc == CURLE_OK)
			read_code(s, &message);
		if (rc == CURLE_OK && is_told(s)) {
			*answer = &s->answer;
			done = 0;
			break;
		}
		wait = wait_us(s, tries);
		if (!(rc == CURLE_OK ? is_passing(s) : may_help(rc)) ||
			(time_monotonic_ns() - began) / 1000 + wait > s->retry_us) {
			refuse(s, rc, message, why);
			break;
		}
		if (r->once)
			refuse(s, rc, message, why);
		pause_us(wait);
		if (r->once) {
			done = 1;
			break;
		}
	}
	buf_release(&url);
	return done;
}

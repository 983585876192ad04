/* The only file that knows libcrypto. */
#include "base/sha.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/mem.h"

struct sha {
	EVP_MD *kind; /* fetched once: that takes longer than a small digest */
	EVP_MD_CTX *ctx;
};

static _Noreturn void
no_libcrypto(void)
{
	static const char text[] = "streamkit: libcrypto does not do SHA-256\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		/* There is nobody left to tell. */
	}
	_exit(EXIT_OS);
}

static void
add_hex(char *to, const unsigned char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		to[2 * i] = digits[p[i] >> 4];
		to[2 * i + 1] = digits[p[i] & 15];
	}
	to[2 * n] = '\0';
}

struct sha *
sha_new(void)
{
	struct sha *s = mem_zalloc(sizeof(*s));

	s->kind = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->ctx = EVP_MD_CTX_new();
	if (!s->kind || !s->ctx)
		no_libcrypto();
	return s;
}

void
sha_free(struct sha *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->kind);
	free(s);
}

void
sha_begin(struct sha *s)
{
	if (!EVP_DigestInit_ex2(s->ctx, s->kind, NULL))
		no_libcrypto();
}

void
sha_add(struct sha *s, const void *p, size_t n)
{
	if (n && !EVP_DigestUpdate(s->ctx, p, n))
		no_libcrypto();
}

void
sha_end(struct sha *s, char hex[SHA_HEX])
{
	unsigned char digest[32];

	if (!EVP_DigestFinal_ex(s->ctx, digest, NULL))
		no_libcrypto();
	add_hex(hex, digest, sizeof(digest));
}

void
sha_of(struct sha *s, struct slice bytes, char hex[SHA_HEX])
{
	sha_begin(s);
	sha_add(s, bytes.p, bytes.n);
	sha_end(s, hex);
}

bool
md5_of(struct slice bytes, char hex[MD5_HEX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	if (!EVP_Digest(bytes.p, bytes.n, digest, &n, EVP_md5(), NULL))
		return false;
	add_hex(hex, digest, n);
	return true;
}

bool
sha_is_hex(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return s.n == SHA_HEX - 1;
}

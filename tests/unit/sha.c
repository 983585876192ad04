/* SHA-256 and MD5: the examples of FIPS 180-4 and RFC 1321, in one piece and in several. */
#include "base/sha.h"

#include <stdlib.h>

#include "test.h"

static const struct {
	const char *text, *sha, *md5;
} known[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	 "d41d8cd98f00b204e9800998ecf8427e"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	 "900150983cd24fb0d6963f7d28e17f72"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
	 "8215ef0796a20bcaaae116d3876c664a"},
};

int
main(void)
{
	struct sha *s = sha_new();
	struct slice text;
	char hex[SHA_HEX], md5[MD5_HEX];
	size_t i, j;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		text = slice_of(known[i].text, strlen(known[i].text));
		sha_of(s, text, hex);
		ok(strcmp(hex, known[i].sha) == 0, "SHA-256 of '%s'", known[i].text);
		sha_begin(s);
		for (j = 0; j < text.n; j++)
			sha_add(s, text.p + j, 1);
		sha_end(s, hex);
		ok(strcmp(hex, known[i].sha) == 0, "the same byte by byte");
		ok(md5_of(text, md5) && strcmp(md5, known[i].md5) == 0, "its MD5");
		ok(sha_is_hex(slice_str(hex)), "a digest is one");
	}
	sha_free(s);
	sha_free(NULL);
	hex[63] = 'A';
	ok(!sha_is_hex(slice_str(hex)), "capitals are not");
	ok(!sha_is_hex(slice_of(hex, 63)), "63 digits are not");
	return done();
}

/* What the kernels of x86-64 share: UTF-8, and the prefix xor. */
#ifndef SK_JSON_X86_H
#define SK_JSON_X86_H

#include <immintrin.h>

#include "json/judge.h"

#define AVX2 __attribute__((target("avx2,pclmul,bmi,bmi2,lzcnt,popcnt")))
#define S(x) (char)(x)

/*
 * UTF-8 by lookup: three tables, by the high and low half of the byte before and by the
 * high half of this one, whose conjunction is the kinds of error that the two make. Bit 7,
 * two continuations in a row, is right where a third or fourth byte is due.
 */
enum {
	TOO_SHORT = 1 << 0, TOO_LONG = 1 << 1, OVERLONG_3 = 1 << 2, TOO_LARGE = 1 << 3,
	SURROGATE = 1 << 4, OVERLONG_2 = 1 << 5, TOO_LARGE_1000 = 1 << 6, OVERLONG_4 = 1 << 6,
	TWO_CONTS = 1 << 7,
	CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};
#define UTF8_HIGH1 S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), \
	S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), S(TWO_CONTS), S(TWO_CONTS), S(TWO_CONTS), \
	S(TWO_CONTS), S(TOO_SHORT | OVERLONG_2), S(TOO_SHORT), \
	S(TOO_SHORT | OVERLONG_3 | SURROGATE), \
	S(TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4)
#define UTF8_LOW1 S(CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4), S(CARRY | OVERLONG_2), \
	S(CARRY), S(CARRY), S(CARRY | TOO_LARGE), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000)
#define UTF8_HIGH2 S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), \
	S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE), \
	S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT)

/* Both halves of a vector from the 16 bytes of a table. */
#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

/* The bytes of v at which UTF-8 is wrong, v coming after before. */
AVX2 static inline uint32_t
utf8_errors(__m256i v, __m256i before)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i cross = _mm256_permute2x128_si256(before, v, 0x21);
	__m256i prev1 = _mm256_alignr_epi8(v, cross, 15);
	__m256i prev2 = _mm256_alignr_epi8(v, cross, 14);
	__m256i prev3 = _mm256_alignr_epi8(v, cross, 13);
	__m256i special = _mm256_and_si256(
		_mm256_and_si256(
			_mm256_shuffle_epi8(TABLE(UTF8_HIGH1), _mm256_and_si256(
				_mm256_srli_epi16(prev1, 4), nibble)),
			_mm256_shuffle_epi8(TABLE(UTF8_LOW1), _mm256_and_si256(prev1, nibble))),
		_mm256_shuffle_epi8(TABLE(UTF8_HIGH2), _mm256_and_si256(
			_mm256_srli_epi16(v, 4), nibble)));
	/* 0x80 where the third byte of three or four, or the fourth of four, is due. */
	__m256i due = _mm256_and_si256(_mm256_set1_epi8(S(0x80)), _mm256_or_si256(
		_mm256_subs_epu8(prev2, _mm256_set1_epi8(0xE0 - 0x80)),
		_mm256_subs_epu8(prev3, _mm256_set1_epi8(0xF0 - 0x80))));
	__m256i error = _mm256_xor_si256(special, due);

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(error,
		_mm256_setzero_si256()));
}

AVX2 static inline uint64_t
prefix_xor(uint64_t x)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)x),
		_mm_set1_epi8(S(0xFF)), 0));
}

#endif

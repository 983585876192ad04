/* A unit test is a program that prints TAP: ok(condition, title...), then return done(). */
#ifndef SK_TEST_H
#define SK_TEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int test_count, test_failed;

__attribute__((format(printf, 2, 3), unused)) static bool
ok(bool good, const char *fmt, ...)
{
	va_list ap;

	test_count++;
	test_failed += !good;
	printf("%sok %d - ", good ? "" : "not ", test_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return good;
}

__attribute__((unused)) static int
done(void)
{
	printf("1..%d\n", test_count);
	return test_failed != 0;
}

#endif

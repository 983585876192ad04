/* Steps over strings and brackets. */
#include "json/reach.h"

#include "json/json.h"

static const char *
blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

/* The quote that ends the string that begins at p, or end. */
static const char *
closing_quote(const char *p, const char *end)
{
	const char *quote, *at;

	for (quote = p; (quote = memchr(quote + 1, '"', (size_t)(end - quote - 1)));) {
		for (at = quote; at[-1] == '\\'; at--)
			;
		if (!((quote - at) & 1))
			return quote;
	}
	return end;
}

static const char *
behind(const char *p, const char *end)
{
	return p < end ? p + 1 : end;
}

static const char *
closing_bracket(const char *p, const char *end)
{
	size_t depth = 0;
	char low;

	for (; p < end; p++) {
		low = (char)(*p | 0x20);
		if (*p == '"')
			p = closing_quote(p, end);
		else if (low == '{')
			depth++;
		else if (low == '}' && --depth == 0)
			return p;
		if (p == end)
			break;
	}
	return end;
}

struct slice
json_value_at(const char *p, const char *end)
{
	const char *at = p;

	if (p < end && *p == '"')
		at = behind(closing_quote(p, end), end);
	else if (p < end && (*p | 0x20) == '{')
		at = behind(closing_bracket(p, end), end);
	else
		while (at < end && !memchr(",]} \t\r\n", *at, 7))
			at++;
	return slice_of(p, (size_t)(at - p));
}

/* The last value of that name in the object that begins at p. */
static bool
member(const char *p, const char *end, struct slice name, struct slice *value)
{
	struct slice key, v;
	bool found = false;

	for (p = blanks(p + 1, end); p < end && *p == '"'; p = blanks(behind(p, end), end)) {
		key = json_value_at(p, end);
		p = blanks(key.p + key.n, end);
		p = blanks(behind(p, end), end);
		v = json_value_at(p, end);
		if (key.n >= 2 && json_raw_equals(slice_of(key.p + 1, key.n - 2), name)) {
			*value = v;
			found = true;
		}
		p = blanks(v.p + v.n, end);
	}
	return found;
}

enum json_reach
json_reach(struct slice text, const struct slice *name, size_t n, struct slice *value)
{
	const char *end = text.p + text.n, *p = blanks(text.p, end);
	struct slice v = n ? slice_of(p, (size_t)(end - p)) : json_value_at(p, end);
	size_t i;

	for (i = 0; i < n; i++) {
		if (v.n && v.p[0] == 'n')
			return JSON_REACH_NULL;
		if (!v.n || v.p[0] != '{')
			return JSON_REACH_BAD;
		if (!member(v.p, v.p + v.n, name[i], &v))
			return JSON_REACH_NULL;
	}
	*value = v;
	return JSON_REACH_FOUND;
}

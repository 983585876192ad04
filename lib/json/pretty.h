/* pretty: documents for people: indented, coloured, and harmless to a terminal. */
#ifndef SK_JSON_PRETTY_H
#define SK_JSON_PRETTY_H

#include "json/json.h"

enum pretty_how {
	PRETTY_INDENT = 1, /* a line a member or element, by two blanks a level; else one line */
	PRETTY_COLOR = 2,  /* names, strings and literals in the colours of jq */
};

/*
 * Append the value at t as jq prints it, without a line feed at its end. Numbers keep their
 * literals, and of members with one name all are shown. Strings have their shortest
 * escapes, but what would act on a terminal (control characters, marks that reorder text)
 * stays escaped, so what is shown is still the same JSON.
 */
void pretty_add(struct buf *, const struct json_doc *, uint32_t t, unsigned how);

/* True if a terminal shows the line as it stands: UTF-8 without control characters, tabs
 * excepted, and without marks that reorder text. */
bool pretty_is_harmless(struct slice line);

#endif

/* Names that come from data. */
#include "route/route.h"

#include <fnmatch.h>
#include <string.h>

#include "base/text.h"

/* The template with its {} filled; without one, the name. */
static void
fill(struct buf *b, const char *template, struct slice name)
{
	const char *at = template, *hole;

	if (!template) {
		buf_add_slice(b, name);
		return;
	}
	for (; (hole = strstr(at, "{}")); at = hole + 2) {
		buf_add(b, at, (size_t)(hole - at));
		buf_add_slice(b, name);
	}
	buf_adds(b, at);
}

static bool
is_allowed(const struct route_names *names, struct slice name, struct buf *scratch)
{
	size_t i;

	if (!text_is_component(name))
		return false;
	if (!names->n)
		return true;
	buf_reset(scratch);
	fill(scratch, names->topic, name);
	for (i = 0; i < names->n; i++)
		if (fnmatch(names->allow[i], buf_cstr(scratch), 0) == 0)
			return true;
	return false;
}

bool
route_name(const struct route_names *names, struct buf *name, struct buf *scratch,
	const struct value *v)
{
	buf_reset(name);
	switch (value_type(v)) {
	case JSON_STRING:
		value_add_text(name, v);
		break;
	case JSON_NUMBER:
		value_add_canonical(name, v);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		value_add_json(name, v);
		break;
	default:
		value_add_json(name, v);
		return false;
	}
	return is_allowed(names, buf_slice(name), scratch);
}

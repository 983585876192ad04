/* Keys of groups. */
#include "group/key.h"

/* The key of these outputs; where there is none, null. */
static struct value
key_of(const struct value *output, size_t n)
{
	if (n == 1)
		return *output;
	return n ? (struct value){.kind = VALUE_ARRAY, .u.array = {output, n}} : value_null();
}

int
group_key_of(const struct value *output, size_t n, bool null_key, struct buf *room,
	struct slice *identity, struct failure *why)
{
	const struct json_doc *d = n ? output->u.doc : NULL;
	struct value key;
	size_t i;

	/* Most keys are strings that stand in the record as they are told apart. */
	if (n == 1 && output->kind == VALUE_TOKEN && !(d->flags & JSON_LINE_ESCAPE) &&
		d->first[output->t] == '"') {
		*identity = json_text(d, output->t);
		return 0;
	}
	if (!null_key && !n)
		return fail_record(why, "key", "-k gives nothing");
	for (i = 0; i < n && !null_key; i++)
		if (value_type(&output[i]) == JSON_NULL)
			return fail_record(why, "key", n == 1 ? "the key is null or missing" :
				"a part of the key is null or missing");
	key = key_of(output, n);
	buf_reset(room);
	value_add_canonical(room, &key);
	*identity = buf_slice(room);
	return 0;
}

void
group_key_text(struct buf *b, const struct value *output, size_t n)
{
	struct value key = key_of(output, n);

	value_add_json(b, &key);
}

/* What a command line asks of windows. */
#include "window/windows.h"

int
windows_check(const struct windows_plan *plan, struct failure *why)
{
	bool follows = plan->shape.kind == WINDOW_SLIDING || plan->shape.kind == WINDOW_COUNT;

	if (plan->every_us && !plan->update)
		return fail(why, EXIT_USAGE, "--every goes with --emit update");
	if (plan->update && plan->partial)
		return fail(why, EXIT_USAGE, "--partial and --emit update exclude each other");
	if (follows && (plan->update || plan->partial || plan->from_partials))
		return fail(why, EXIT_USAGE, "--%s has whole results only: no --emit update, "
			"--partial, --from-partials", window_kind_name[plan->shape.kind]);
	return 0;
}

void
windows_add_shape(struct buf *b, const struct windows_plan *plan,
	const struct window_options *o, const char *key, const char *const *functions)
{
	size_t i;

	buf_adds(b, "{\"window\":");
	json_add_string(b, slice_str(window_kind_name[plan->shape.kind]));
	buf_adds(b, ",\"of\":");
	json_add_string(b, slice_str(o->text[plan->shape.kind]));
	buf_addf(b, ",\"offset\":%lld,\"tz\":", (long long)o->offset_us);
	json_add_string(b, slice_str(o->zone ? o->zone : "UTC"));
	buf_adds(b, ",\"key\":");
	if (key)
		json_add_string(b, slice_str(key));
	else
		buf_adds(b, "null");
	buf_adds(b, plan->from_partials ? ",\"from_partials\":true" : "");
	/* How the index of a session's key and the records that wait to be counted lie there. */
	if (plan->shape.kind == WINDOW_SESSION || plan->shape.kind == WINDOW_COUNT)
		buf_adds(b, ",\"layout\":2");
	buf_adds(b, ",\"functions\":[");
	for (i = 0; i < plan->nfolds; i++) {
		buf_adds(b, i ? "," : "");
		json_add_string(b, slice_str(functions[i]));
	}
	buf_adds(b, "]}");
}

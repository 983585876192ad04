/* Any bytes as a control line: read or refused, and what is read can be written again. */
#include <stdint.h>
#include <stdlib.h>

#include "flow/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice line = {(const char *)p, n}, sink = SLICE("side.ndjson");
	struct json_scan scan = {0};
	struct control c, again;
	struct failure why;
	struct buf b = {0};

	if (control_parse(line, &scan, &c, &why) == 0) {
		if (!control_is(line, control_run(line)))
			abort();
		if (c.kind == CONTROL_START) {
			control_add_start(&b, line, &c, c.timed, &sink, 1);
			if (control_parse(slice_of(b.p, b.n - 1), &scan, &again, &why) < 0 ||
				again.stage != c.stage + 1 || again.epoch != c.epoch)
				abort();
		} else if (c.kind == CONTROL_BARRIER) {
			control_add_barrier(&b, line, &c, c.lines + 1);
			if (control_parse(slice_of(b.p, b.n - 1), &scan, &again, &why) < 0 ||
				again.lines != c.lines + 1)
				abort();
		}
	}
	buf_release(&b);
	json_scan_release(&scan);
	return 0;
}

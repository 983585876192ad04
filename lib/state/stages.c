/* The stages of a folder. */
#include "state/stages.h"

#include <stdlib.h>
#include <string.h>

#include "state/look.h"

int
stages_find(struct stages *s, const char *dir, const char *name, struct failure *broken,
	struct failure *why)
{
	size_t i, n = 0;

	*s = (struct stages){.ledger = {.lock = -1}};
	broken->status = 0;
	if (look_names(dir, &s->name, &s->n, why) < 0)
		return -1;
	for (i = 0; i < s->n; i++)
		if (!name || strcmp(s->name[i], name) == 0)
			s->name[n++] = s->name[i];
		else
			free(s->name[i]);
	s->n = n;
	if (ledger_load(&s->ledger, dir, "", broken) < 0)
		s->ledger.there = false;
	else
		broken->status = 0;
	if (n || (!name && (s->ledger.there || broken->status)))
		return 0;
	return fail(why, EXIT_NOINPUT, "%s%s%s: holds no state", dir, name ? "/" : "",
		name ? name : "");
}

void
stages_release(struct stages *s)
{
	while (s->n)
		free(s->name[--s->n]);
	free(s->name);
	ledger_release(&s->ledger);
}

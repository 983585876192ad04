/* The kinds of store, for store.c alone. path: what follows file: in the name. */
#ifndef SK_BLOB_KINDS_H
#define SK_BLOB_KINDS_H

#include "blob/store.h"

struct blob_store *blob_file_open(const char *path, const struct blob_options *,
	struct failure *why);

#endif

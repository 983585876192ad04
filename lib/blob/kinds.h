/* The kinds of store, for store.c alone. path: what follows file: or s3:// in the name. */
#ifndef SK_BLOB_KINDS_H
#define SK_BLOB_KINDS_H

#include "blob/store.h"

struct blob_store *blob_file_open(const char *path, const struct blob_options *,
	struct failure *why);
struct blob_store *blob_s3_open(const char *path, const struct blob_options *,
	struct failure *why);

#endif

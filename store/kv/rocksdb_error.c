#include "store/kv/rocksdb_error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rocksdb/c.h>

/* The C API gives rocksdb::Status as text only. These are prefixes of its ToString; the first match counts. */
static const struct {
	const char *prefix;
	int code;
} kinds[] = {
	{"Result incomplete", STATUS_WOULD_BLOCK},
	{"Corruption", STATUS_CORRUPT},
	{"IO error: No space left on device", -ENOSPC},
	/* A file that the manifest names is missing. */
	{"IO error: No such file or directory", STATUS_CORRUPT},
	{"IO error: lock ", -EWOULDBLOCK},
	{"IO error: While lock file", -EWOULDBLOCK},
	{"IO error", -EIO},
	{"NotFound", STATUS_NOT_FOUND},
	{"Not implemented", -EOPNOTSUPP},
	{"Invalid argument", -EINVAL},
	{"Shutdown in progress", STATUS_STOPPING},
	{"Operation failed. Try again.", STATUS_WOULD_BLOCK},
};

int rocksdb_error_take(char *error, struct status *status)
{
	int code = -EIO;

	if (!error)
		return 0;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncmp(error, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
			code = kinds[i].code;
			break;
		}
	}
	status_set(status, code, "RocksDB: %s", error);
	rocksdb_free(error);
	return code;
}

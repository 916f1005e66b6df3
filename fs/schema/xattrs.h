/*
 * xattrs.h: the small extended attributes that are kept in the inode's row (rows.h, `xattrs`), and which names are
 * valid.
 */
#ifndef RAFTKV_FS_SCHEMA_XATTRS_H
#define RAFTKV_FS_SCHEMA_XATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

#define XATTR_ACL_ACCESS  "system.posix_acl_access"
#define XATTR_ACL_DEFAULT "system.posix_acl_default"
#define XATTR_CAPABILITY  "security.capability"

static inline struct slice xattr_name(const char *name)
{
	struct slice slice = {name, 0};

	while (name[slice.size] != '\0')
		slice.size++;
	return slice;
}

bool xattr_is(struct slice name, const char *other);
/* 0: user.*, trusted.*, security.*, and the two ACLs. -EINVAL: a prefix alone. -EOPNOTSUPP: any other name. */
int xattr_check_name(struct slice name);

/* False: `name` is not there. `value` borrows from `xattrs`. */
bool xattrs_find(struct slice xattrs, struct slice name, struct slice *value);
/* Writes to `copy` (`size_max` bytes) the attributes with `name` set to `value`; without `name` when `value` is NULL.
 * `*size`: bytes written. False: no room. */
bool xattrs_replace(struct slice xattrs, struct slice name, const struct slice *value, uint8_t *copy,
	size_t size_max, size_t *size);

#endif

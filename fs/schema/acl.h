/*
 * acl.h: POSIX access control lists, in the form that Linux gives them as extended attributes: a 32-bit version (2),
 * then entries of tag (16 bits), permissions (16 bits) and id (32 bits), little endian.
 *
 * Source: IEEE 1003.1e draft 17, and acl(5). Pure functions. The kernel checks permissions.
 */
#ifndef RAFTKV_FS_SCHEMA_ACL_H
#define RAFTKV_FS_SCHEMA_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

#define ACL_ENTRY_COUNT_MAX 512
#define ACL_SIZE_MAX	    (4 + 8 * ACL_ENTRY_COUNT_MAX) /* bytes */

enum acl_tag {
	ACL_TAG_USER_OBJ = 0x01, /* the owner */
	ACL_TAG_USER = 0x02,
	ACL_TAG_GROUP_OBJ = 0x04, /* the owning group */
	ACL_TAG_GROUP = 0x08,
	ACL_TAG_MASK = 0x10, /* what named users, named groups and the owning group get at most */
	ACL_TAG_OTHER = 0x20,
};

struct acl {
	size_t count;
	struct acl_entry {
		uint16_t tag;
		uint16_t perm; /* rwx */
		uint32_t id; /* of ACL_TAG_USER, ACL_TAG_GROUP */
	} entries[ACL_ENTRY_COUNT_MAX];
};

/* 0; -EOPNOTSUPP: another version; -EINVAL: not a valid ACL; -ENOSPC: more than ACL_ENTRY_COUNT_MAX entries. No bytes
 * are an empty list (count 0), which is valid and means "none"; acl_mode, acl_chmod and acl_create do not take it. */
int acl_decode(struct slice bytes, struct acl *acl);
/* `bytes` has room for ACL_SIZE_MAX bytes. Returns the part that was written. */
struct slice acl_encode(const struct acl *acl, void *bytes);

/* The nine permission bits that stat(2) shows of the ACL. */
uint32_t acl_mode(const struct acl *acl);
/* Does the mode say all that the ACL says? Then the ACL need not be kept. */
bool acl_is_mode(const struct acl *acl);
/* chmod(2): the owner's, the mask's (or the group's) and the others' entries become those of `mode`. */
void acl_chmod(struct acl *acl, uint32_t mode);
/* Makes the ACL of a new file from the default ACL of its directory: limits the entries to `mode`. Returns `mode`,
 * limited to the entries. */
uint32_t acl_create(struct acl *acl, uint32_t mode);

#endif

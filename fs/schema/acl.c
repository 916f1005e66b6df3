#include "fs/schema/acl.h"

#include <errno.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/plant.h"

#define ACL_VERSION	2
#define ACL_ENTRY_SIZE	8 /* bytes */
#define ACL_ID_NONE	UINT32_MAX
#define PERMISSION_BITS 07u

static bool is_named(const struct acl_entry *entry)
{
	return entry->tag == ACL_TAG_USER || entry->tag == ACL_TAG_GROUP;
}

static struct acl_entry *find(const struct acl *acl, enum acl_tag tag)
{
	for (size_t i = 0; i < acl->count; i++) {
		if (acl->entries[i].tag == tag)
			return (struct acl_entry *)&acl->entries[i];
	}
	return NULL;
}

/* The entry that the mode's group bits show. */
static struct acl_entry *find_group_class(const struct acl *acl)
{
	struct acl_entry *mask = find(acl, ACL_TAG_MASK);

	if (planted("fs:mask_ignored"))
		mask = NULL;
	return mask ? mask : find(acl, ACL_TAG_GROUP_OBJ);
}

/* Tags ascend. Owner, owning group and others have one entry each. There is at most one mask; named entries need it. */
static bool is_valid(const struct acl *acl)
{
	unsigned seen = 0;

	for (size_t i = 0; i < acl->count; i++) {
		const struct acl_entry *entry = &acl->entries[i];

		if ((entry->perm & ~PERMISSION_BITS) != 0 || entry->tag == 0 || entry->tag > ACL_TAG_OTHER)
			return false;
		if ((entry->tag & (entry->tag - 1u)) != 0 || seen > entry->tag * 2u - 1)
			return false;
		if (!is_named(entry) && (seen & entry->tag) != 0)
			return false;
		if (is_named(entry) && entry->id == ACL_ID_NONE)
			return false;
		seen |= entry->tag;
	}
	if ((seen & (ACL_TAG_USER | ACL_TAG_GROUP)) != 0 && (seen & ACL_TAG_MASK) == 0)
		return false;
	return acl->count == 0 || (seen & (ACL_TAG_USER_OBJ | ACL_TAG_GROUP_OBJ | ACL_TAG_OTHER)) ==
					  (ACL_TAG_USER_OBJ | ACL_TAG_GROUP_OBJ | ACL_TAG_OTHER);
}

int acl_decode(struct slice bytes, struct acl *acl)
{
	struct reader reader = reader_of(bytes);
	uint32_t version = reader_u32le(&reader);

	acl->count = 0;
	if (bytes.size == 0)
		return 0;
	if (reader.status != 0 || reader.size % ACL_ENTRY_SIZE > 0)
		return -EINVAL;
	if (version != ACL_VERSION)
		return -EOPNOTSUPP;
	if (reader.size / ACL_ENTRY_SIZE > ACL_ENTRY_COUNT_MAX)
		return -ENOSPC;
	while (reader_has_more(&reader)) {
		struct acl_entry *entry = &acl->entries[acl->count++];

		entry->tag = reader_u16le(&reader);
		entry->perm = reader_u16le(&reader);
		entry->id = reader_u32le(&reader);
	}
	return is_valid(acl) ? 0 : -EINVAL;
}

struct slice acl_encode(const struct acl *acl, void *bytes)
{
	struct writer writer = writer_fixed(bytes, ACL_SIZE_MAX);

	writer_u32le(&writer, ACL_VERSION);
	for (size_t i = 0; i < acl->count; i++) {
		const struct acl_entry *entry = &acl->entries[i];

		writer_u16le(&writer, entry->tag);
		writer_u16le(&writer, entry->perm);
		writer_u32le(&writer, is_named(entry) ? entry->id : ACL_ID_NONE);
	}
	check(writer.status == 0);
	return writer_written(&writer);
}

uint32_t acl_mode(const struct acl *acl)
{
	return (uint32_t)find(acl, ACL_TAG_USER_OBJ)->perm << 6 | (uint32_t)find_group_class(acl)->perm << 3 |
	       find(acl, ACL_TAG_OTHER)->perm;
}

bool acl_is_mode(const struct acl *acl)
{
	return acl->count == 3;
}

void acl_chmod(struct acl *acl, uint32_t mode)
{
	find(acl, ACL_TAG_USER_OBJ)->perm = (uint16_t)(mode >> 6 & PERMISSION_BITS);
	find_group_class(acl)->perm = (uint16_t)(mode >> 3 & PERMISSION_BITS);
	find(acl, ACL_TAG_OTHER)->perm = (uint16_t)(mode & PERMISSION_BITS);
}

uint32_t acl_create(struct acl *acl, uint32_t mode)
{
	uint32_t limited = mode & acl_mode(acl);

	acl_chmod(acl, limited);
	return (mode & ~0777u) | (limited & 0777u);
}

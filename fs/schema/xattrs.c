#include "fs/schema/xattrs.h"

#include <errno.h>
#include <string.h>

#include "proto/codec.h"
#include "fs/schema/rows.h"

bool xattr_is(struct slice name, const char *other)
{
	return slice_compare(name, xattr_name(other)) == 0;
}

int xattr_check_name(struct slice name)
{
	static const char *const families[] = {"user.", "trusted.", "security."};

	for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
		struct slice family = xattr_name(families[i]);

		if (name.size >= family.size && memcmp(name.data, family.data, family.size) == 0)
			return name.size > family.size ? 0 : -EINVAL;
	}
	if (xattr_is(name, XATTR_ACL_ACCESS) || xattr_is(name, XATTR_ACL_DEFAULT))
		return 0;
	return -EOPNOTSUPP;
}

bool xattrs_find(struct slice xattrs, struct slice name, struct slice *value)
{
	struct slice other;

	while (inode_xattr_next(&xattrs, &other, value)) {
		if (slice_compare(other, name) == 0)
			return true;
	}
	return false;
}

static void write_one(struct writer *writer, struct slice name, const struct slice *value)
{
	if (!value)
		return;
	writer_slice(writer, name);
	writer_slice(writer, *value);
}

bool xattrs_replace(struct slice xattrs, struct slice name, const struct slice *value, uint8_t *copy,
	size_t size_max, size_t *size)
{
	struct writer writer = writer_fixed(copy, size_max);
	struct slice other, other_value;
	bool is_written = false;

	while (inode_xattr_next(&xattrs, &other, &other_value)) {
		int order = slice_compare(name, other);

		if (!is_written && order <= 0) {
			write_one(&writer, name, value);
			is_written = true;
		}
		if (order != 0)
			write_one(&writer, other, &other_value);
	}
	if (!is_written)
		write_one(&writer, name, value);
	*size = writer.size;
	return writer.status == 0;
}

#include "fs/schema/file_data.h"

#include <string.h>

#include "proto/status.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int read_tiny(
	struct view *view, const struct inode *inode, uint64_t offset, uint8_t *bytes, size_t size)
{
	struct fs_key key = fs_key_tiny(inode->attributes.ino);
	struct kv_value row = {0};
	struct slice data;
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT;
	if (status != 0)
		return status;
	status = bytes_decode(row.data, FS_TINY_SIZE_MAX, &data);
	if (status == 0 && data.size != inode->tiny_size)
		status = STATUS_CORRUPT;
	if (status == 0) {
		size_t have = offset < data.size ? (size_t)least(data.size - offset, size) : 0;

		if (have > 0)
			memcpy(bytes, (const uint8_t *)data.data + offset, have);
		memset(bytes + have, 0, size - have);
	}
	kv_value_close(&row);
	return status;
}

/* Reads part of one unit, through a copy on the stack. */
static int read_part(
	struct view *view, struct slice object, uint64_t unit, size_t skip, uint8_t *bytes, size_t size)
{
	uint8_t whole[FS_UNIT_SIZE];
	int status = view_read(view, object, unit, 1, whole);

	if (status == 0)
		memcpy(bytes, whole + skip, size);
	return status;
}

static int read_units(struct view *view, uint64_t ino, uint64_t offset, uint8_t *bytes, size_t size)
{
	struct fs_key key = fs_key_object(ino);
	struct slice object = fs_key_slice(&key);
	int status = 0;

	while (status == 0 && size > 0) {
		size_t skip = offset % FS_UNIT_SIZE;
		size_t part = size;

		if (skip > 0 || size < FS_UNIT_SIZE) {
			part = (size_t)least(FS_UNIT_SIZE - skip, size);
			status = read_part(view, object, offset / FS_UNIT_SIZE, skip, bytes, part);
		} else {
			part -= part % FS_UNIT_SIZE;
			status = view_read(
				view, object, offset / FS_UNIT_SIZE, (uint32_t)(part / FS_UNIT_SIZE), bytes);
		}
		offset += part;
		bytes += part;
		size -= part;
	}
	return status;
}

int file_read(struct view *view, const struct inode *inode, uint64_t offset, void *bytes, size_t size)
{
	uint64_t end = inode->attributes.size;
	size_t inside = offset < end ? (size_t)least(end - offset, size) : 0;

	memset((uint8_t *)bytes + inside, 0, size - inside);
	if (inside == 0)
		return 0;
	if (inode->data == INODE_DATA_TINY)
		return read_tiny(view, inode, offset, bytes, inside);
	if (inode->data == INODE_DATA_UNITS)
		return read_units(view, inode->attributes.ino, offset, bytes, inside);
	memset(bytes, 0, inside);
	return 0;
}

int file_mapped(
	struct view *view, const struct inode *inode, uint64_t first, uint64_t count, uint64_t *mapped)
{
	struct fs_key key = fs_key_object(inode->attributes.ino);
	uint64_t end = file_units(inode->attributes.size);

	*mapped = 0;
	if (inode->data != INODE_DATA_UNITS || inode->units == 0 || first >= end || count == 0)
		return 0;
	return view_mapped(view, fs_key_slice(&key), first, least(count, end - first), mapped);
}

int file_seek(struct view *view, const struct inode *inode, uint64_t offset, bool data, uint64_t *result)
{
	struct fs_key key = fs_key_object(inode->attributes.ino);
	uint64_t size = inode->attributes.size;
	uint64_t unit;
	int status;

	if (inode->data != INODE_DATA_UNITS) {
		uint64_t data_end = inode->data == INODE_DATA_TINY ? inode->tiny_size : 0;
		bool is_data = offset < data_end;

		*result = is_data == data ? offset : data ? size : data_end;
		*result = least(*result, size);
		return 0;
	}
	status = view_next(view, fs_key_slice(&key), offset / FS_UNIT_SIZE, data, &unit);
	if (status != 0)
		return status;
	if (unit == offset / FS_UNIT_SIZE)
		*result = offset;
	else
		*result = unit >= file_units(size) ? size : unit * FS_UNIT_SIZE;
	*result = least(*result, size);
	return 0;
}

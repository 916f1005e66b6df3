/*
 * xattr.c: extended attributes. Small ones are in the inode's row while there is room; others have rows of their own. A
 * name is in one of the two places only.
 */
#include <errno.h>
#include <string.h>

#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/schema/xattrs.h"

int eval_xattr_get(struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name,
	struct slice *value, struct kv_value *row)
{
	struct fs_key key;
	int status;

	*row = (struct kv_value){0};
	if (xattrs_find(inode->inode.xattrs, name, value))
		return 0;
	if ((inode->inode.state & INODE_HAS_XATTRS) == 0)
		return -ENODATA;
	key = fs_key_xattr(inode->inode.attributes.ino, name);
	status = evaluation_get(evaluation, &key, row);
	if (status == STATUS_NOT_FOUND)
		return -ENODATA;
	return status == 0 ? bytes_decode(row->data, FS_XATTR_SIZE_MAX, value) : status;
}

/* Sets a small one, or removes it (`value` NULL). False: it is too large, or the inode's row has no room. */
static bool replace_inline(struct evaluation_inode *inode, struct slice name, const struct slice *value)
{
	uint8_t copy[FS_XATTRS_INLINE_SIZE_MAX];
	size_t size;

	if (value && value->size > FS_XATTR_INLINE_SIZE_MAX)
		return false;
	if (!xattrs_replace(inode->inode.xattrs, name, value, copy, sizeof copy, &size))
		return false;
	memcpy(inode->xattrs, copy, size);
	inode->inode.xattrs = slice_of(inode->xattrs, size);
	return true;
}

int eval_xattr_put(
	struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name, struct slice value)
{
	struct fs_key key = fs_key_xattr(inode->inode.attributes.ino, name);

	if (replace_inline(inode, name, &value)) {
		if ((inode->inode.state & INODE_HAS_XATTRS) != 0)
			evaluation_delete(evaluation, &key);
	} else {
		replace_inline(inode, name, NULL);
		inode->inode.state |= INODE_HAS_XATTRS;
		evaluation_put_bytes(evaluation, &key, value);
	}
	evaluation_touch(evaluation, inode);
	return 0;
}

int eval_xattr_delete(struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name)
{
	struct fs_key key = fs_key_xattr(inode->inode.attributes.ino, name);
	struct kv_value row = {0};
	struct slice value;
	int status = eval_xattr_get(evaluation, inode, name, &value, &row);

	if (status == 0 && row.data.size > 0)
		evaluation_delete(evaluation, &key);
	else if (status == 0)
		replace_inline(inode, name, NULL);
	kv_value_close(&row);
	if (status == 0)
		evaluation_touch(evaluation, inode);
	return status;
}

/* ---- All of an inode ---- */

static int delete_row(void *argument, struct slice key, struct slice value)
{
	struct evaluation *evaluation = argument;

	(void)value;
	mutations_delete(evaluation->mutations, KEY_DATA, key);
	return 0;
}

int eval_delete_xattr_rows(struct evaluation *evaluation, const struct inode *inode)
{
	struct fs_key prefix = fs_key_prefix(inode->attributes.ino, 'X');

	return evaluation_scan(evaluation, &prefix, delete_row, evaluation);
}

static int add_name_size(void *argument, struct slice key, struct slice value)
{
	size_t *size = argument;
	struct slice name;
	int status = fs_key_parse_xattr(key, &name);

	(void)value;
	*size += name.size + 1;
	return status;
}

/* listxattr(2) must be able to list all names. */
static int check_room(struct evaluation *evaluation, const struct inode *inode, struct slice new_name)
{
	struct fs_key prefix = fs_key_prefix(inode->attributes.ino, 'X');
	struct slice rest = inode->xattrs, name, value;
	size_t size = new_name.size + 1;
	int status = 0;

	while (inode_xattr_next(&rest, &name, &value))
		size += name.size + 1;
	if ((inode->state & INODE_HAS_XATTRS) != 0)
		status = evaluation_scan(evaluation, &prefix, add_name_size, &size);
	return status == 0 && size > FS_XATTR_LIST_SIZE_MAX ? -ENOSPC : status;
}

/* ---- Operations ---- */

static int open_inode(
	struct evaluation *evaluation, uint64_t ino, struct slice name, struct evaluation_inode **inode)
{
	int status = xattr_check_name(name);

	if (status == 0)
		status = evaluation_inode(evaluation, ino, inode);
	if (status == 0 && ((*inode)->inode.attributes.flags & (FS_FLAG_IMMUTABLE | FS_FLAG_APPEND)) != 0)
		status = -EPERM;
	return status;
}

static bool is_acl(struct slice name)
{
	return xattr_is(name, XATTR_ACL_ACCESS) || xattr_is(name, XATTR_ACL_DEFAULT);
}

static int check_flags(
	struct evaluation *evaluation, struct evaluation_inode *inode, const struct op_setxattr *op)
{
	struct kv_value row = {0};
	struct slice value;
	int status = eval_xattr_get(evaluation, inode, op->name, &value, &row);

	kv_value_close(&row);
	if (status == 0)
		return (op->flags & OP_XATTR_CREATE) != 0 ? -EEXIST : 0;
	if (status != -ENODATA || (op->flags & OP_XATTR_REPLACE) != 0)
		return status;
	return check_room(evaluation, &inode->inode, op->name);
}

int eval_setxattr(struct evaluation *evaluation, const struct op_setxattr *op)
{
	struct evaluation_inode *inode;
	int status = open_inode(evaluation, op->ino, op->name, &inode);

	if (status == 0 && (op->flags & OP_XATTR_NAMED) != 0 && inode->inode.attributes.nlink == 0)
		status = -ESTALE;
	if (status == 0 && is_acl(op->name)) {
		status = eval_acl_set(evaluation, inode, op);
	} else if (status == 0) {
		status = check_flags(evaluation, inode, op);
		if (status == 0)
			status = eval_xattr_put(evaluation, inode, op->name, op->value);
	}
	if (status == 0)
		evaluation_reply_attributes(evaluation, inode);
	return status;
}

int eval_removexattr(struct evaluation *evaluation, const struct op_removexattr *op)
{
	struct evaluation_inode *inode;
	int status = open_inode(evaluation, op->ino, op->name, &inode);

	if (status != 0)
		return status;
	status = eval_xattr_delete(evaluation, inode, op->name);
	if (status == -ENODATA && is_acl(op->name))
		status = 0; /* as Linux does: there is no ACL, as asked */
	if (status == 0)
		evaluation_reply_attributes(evaluation, inode);
	return status;
}

/*
 * acl.c: access control lists and the mode, which must agree: the entries of an access ACL's classes are the mode's
 * permission bits.
 */
#include <errno.h>

#include "proto/status.h"
#include "fs/schema/acl.h"
#include "fs/eval/families.h"
#include "fs/schema/xattrs.h"

/* A stored ACL. -ENODATA: there is none. */
static int load(
	struct evaluation *evaluation, struct evaluation_inode *inode, const char *name, struct acl *acl)
{
	struct kv_value row = {0};
	struct slice value;
	int status = eval_xattr_get(evaluation, inode, xattr_name(name), &value, &row);

	if (status == 0 && (acl_decode(value, acl) != 0 || acl->count == 0))
		status = STATUS_CORRUPT;
	kv_value_close(&row);
	return status;
}

static int store(struct evaluation *evaluation, struct evaluation_inode *inode, const char *name,
	const struct acl *acl)
{
	uint8_t bytes[ACL_SIZE_MAX];

	return eval_xattr_put(evaluation, inode, xattr_name(name), acl_encode(acl, bytes));
}

static int drop(struct evaluation *evaluation, struct evaluation_inode *inode, const char *name)
{
	int status = eval_xattr_delete(evaluation, inode, xattr_name(name));

	return status == -ENODATA ? 0 : status;
}

static int set_access(struct evaluation *evaluation, struct evaluation_inode *inode, const struct acl *acl)
{
	struct attributes *attributes = &inode->inode.attributes;

	if (acl->count == 0)
		return drop(evaluation, inode, XATTR_ACL_ACCESS);
	attributes->mode = (attributes->mode & ~0777u) | acl_mode(acl);
	evaluation_touch(evaluation, inode);
	if (acl_is_mode(acl))
		return drop(evaluation, inode, XATTR_ACL_ACCESS);
	return store(evaluation, inode, XATTR_ACL_ACCESS, acl);
}

static int set_default(struct evaluation *evaluation, struct evaluation_inode *inode, const struct acl *acl)
{
	if (!inode_is_directory(&inode->inode))
		return acl->count > 0 ? -EACCES : 0;
	if (acl->count == 0)
		return drop(evaluation, inode, XATTR_ACL_DEFAULT);
	return store(evaluation, inode, XATTR_ACL_DEFAULT, acl);
}

int eval_acl_set(struct evaluation *evaluation, struct evaluation_inode *inode, const struct op_setxattr *op)
{
	struct acl acl;
	int status;

	if (S_ISLNK(inode->inode.attributes.mode))
		return -EOPNOTSUPP;
	status = acl_decode(op->value, &acl);
	if (status != 0)
		return status;
	if (xattr_is(op->name, XATTR_ACL_DEFAULT))
		return set_default(evaluation, inode, &acl);
	if ((op->flags & OP_XATTR_KILL_SGID) != 0)
		inode->inode.attributes.mode &= ~(uint32_t)S_ISGID;
	return set_access(evaluation, inode, &acl);
}

int eval_acl_chmod(struct evaluation *evaluation, struct evaluation_inode *inode)
{
	struct acl acl;
	int status = load(evaluation, inode, XATTR_ACL_ACCESS, &acl);

	if (status != 0)
		return status == -ENODATA ? 0 : status;
	acl_chmod(&acl, inode->inode.attributes.mode);
	return store(evaluation, inode, XATTR_ACL_ACCESS, &acl);
}

int eval_acl_inherit(struct evaluation *evaluation, struct evaluation_inode *parent,
	struct evaluation_inode *child, uint32_t umask)
{
	struct attributes *attributes = &child->inode.attributes;
	struct acl acl;
	int status;

	if (S_ISLNK(attributes->mode))
		return 0;
	status = load(evaluation, parent, XATTR_ACL_DEFAULT, &acl);
	if (status == -ENODATA) {
		attributes->mode &= ~(umask & 0777u);
		return 0;
	}
	if (status == 0 && S_ISDIR(attributes->mode))
		status = store(evaluation, child, XATTR_ACL_DEFAULT, &acl);
	if (status != 0)
		return status;
	attributes->mode = acl_create(&acl, attributes->mode);
	return acl_is_mode(&acl) ? 0 : store(evaluation, child, XATTR_ACL_ACCESS, &acl);
}

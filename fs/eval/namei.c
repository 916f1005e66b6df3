/*
 * namei.c: makes and removes names.
 */
#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/eval/ends.h"

static bool is_immutable(const struct evaluation_inode *inode)
{
	return (inode->inode.attributes.flags & FS_FLAG_IMMUTABLE) != 0;
}

static bool is_fixed(const struct evaluation_inode *inode)
{
	return (inode->inode.attributes.flags & (FS_FLAG_IMMUTABLE | FS_FLAG_APPEND)) != 0;
}

int eval_check_removal(const struct evaluation_inode *directory, const struct evaluation_inode *child)
{
	return is_fixed(directory) || is_fixed(child) ? -EPERM : 0;
}

/* A directory that may get the new name. -EEXIST: the name exists, and `*existing` is its entry. */
static int open_place(struct evaluation *evaluation, uint64_t parent, struct slice name,
	struct evaluation_inode **directory, struct entry *existing)
{
	int status = evaluation_directory(evaluation, parent, directory);

	if (status != 0)
		return status;
	status = evaluation_entry(evaluation, *directory, name, existing);
	if (status == 0)
		return -EEXIST;
	if (status != STATUS_NOT_FOUND)
		return status;
	return is_immutable(*directory) ? -EPERM : 0;
}

static void begin_directory(struct evaluation *evaluation, struct inode *inode, uint64_t parent)
{
	inode->attributes.nlink = 2;
	inode->parent = parent;
	inode->seed[0] = evaluation_random(evaluation);
	inode->seed[1] = evaluation_random(evaluation);
	inode->creation_dirid = fs_ino_dirid(inode->attributes.ino);
	inode->creation_seq = FS_SEQ_FIRST;
}

int eval_format(struct evaluation *evaluation, const struct op_format *op)
{
	struct evaluation_inode *root;
	int status = evaluation_inode(evaluation, FS_ROOT_INO, &root);

	if (status != -ESTALE)
		return status == 0 ? -EEXIST : status;
	root = evaluation_new_inode(evaluation, FS_ROOT_INO, S_IFDIR | (op->mode & 07777));
	root->inode.attributes.uid = op->caller.uid;
	root->inode.attributes.gid = op->caller.gid;
	begin_directory(evaluation, &root->inode, FS_ROOT_INO);
	evaluation_reply_attributes(evaluation, root);
	return 0;
}

/* With S_ISGID on the parent, the group is the parent's, and a directory inherits S_ISGID. */
static void inherit_owner(
	const struct evaluation_inode *parent, struct evaluation_inode *child, const struct op_caller *caller)
{
	const struct attributes *from = &parent->inode.attributes;
	struct attributes *attributes = &child->inode.attributes;
	bool has_group = (from->mode & S_ISGID) != 0;

	attributes->uid = caller->uid;
	attributes->gid = has_group ? from->gid : caller->gid;
	if (has_group && S_ISDIR(attributes->mode))
		attributes->mode |= S_ISGID;
}

int eval_number_inode(struct evaluation *evaluation, struct evaluation_inode *home,
	struct evaluation_inode *parent, uint32_t mode, uint32_t umask, const struct op_caller *caller,
	struct evaluation_inode **child)
{
	uint64_t ino;
	int status;

	if (S_ISDIR(mode))
		status = eval_number_directory(evaluation, &home->inode, &ino);
	else
		status = eval_number_file(evaluation, home, &ino);
	if (status != 0)
		return status;
	*child = evaluation_new_inode(evaluation, ino, mode & (S_IFMT | 07777));
	if (S_ISDIR(mode))
		begin_directory(evaluation, &(*child)->inode, parent->inode.attributes.ino);
	inherit_owner(parent, *child, caller);
	return eval_acl_inherit(evaluation, parent, *child, umask);
}

static int answer_existing(
	struct evaluation *evaluation, const struct op_make *op, const struct entry *existing)
{
	struct evaluation_inode *inode;
	struct fs_key key;
	int status;

	if (op->exclusive || !S_ISREG(op->mode) || !S_ISREG(existing->type))
		return -EEXIST;
	evaluation->reply.existed = true;
	key = fs_key_inode(existing->ino);
	if (!evaluation_has_key(evaluation, fs_key_slice(&key)))
		return 0;
	status = evaluation_inode(evaluation, existing->ino, &inode);
	if (status != 0)
		return status == -ESTALE ? STATUS_CORRUPT : status;
	evaluation_reply_attributes(evaluation, inode);
	return 0;
}

int eval_check_links(struct evaluation *evaluation, const struct evaluation_inode *inode, uint32_t max)
{
	const struct attributes *attributes = &inode->inode.attributes;
	int status = 0;

	if (attributes->nlink < max - INTENTS_OF_INODE_MAX)
		return 0;
	if (!inode->is_remote)
		status = ends_await(evaluation, attributes->ino, ENDS_OF_LINKS, (struct slice){0});
	return status == 0 && attributes->nlink >= max ? -EMLINK : status;
}

static bool is_known_type(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
	       S_ISFIFO(mode) || S_ISSOCK(mode);
}

int eval_make(struct evaluation *evaluation, const struct op_make *op)
{
	struct evaluation_inode *parent, *child;
	struct entry existing;
	int status;

	if (!is_known_type(op->mode))
		return -EINVAL;
	status = open_place(evaluation, op->parent, op->name, &parent, &existing);
	if (status == -EEXIST)
		return answer_existing(evaluation, op, &existing);
	if (status != 0)
		return status;
	if (S_ISDIR(op->mode))
		status = eval_check_links(evaluation, parent, FS_DIRECTORY_COUNT_MAX);
	if (status != 0)
		return status;
	status = eval_number_inode(evaluation, parent, parent, op->mode, op->umask, &op->caller, &child);
	if (status != 0)
		return status;
	if (S_ISCHR(op->mode) || S_ISBLK(op->mode))
		child->inode.attributes.rdev = op->rdev;
	child->inode.target = op->target;
	if (S_ISDIR(op->mode))
		parent->inode.attributes.nlink++;
	evaluation_entry_put(evaluation, parent, op->name, &child->inode);
	evaluation_reply_attributes(evaluation, child);
	return 0;
}

int eval_tmpfile(struct evaluation *evaluation, const struct op_tmpfile *op)
{
	struct evaluation_inode *parent, *child;
	int status = evaluation_directory(evaluation, op->parent, &parent);

	if (status != 0)
		return status;
	if (is_immutable(parent))
		return -EPERM;
	status = eval_number_inode(
		evaluation, parent, parent, S_IFREG | (op->mode & 07777), op->umask, &op->caller, &child);
	if (status != 0)
		return status;
	child->inode.attributes.nlink = 0;
	child->inode.state |= INODE_IS_LINKABLE;
	eval_keep_open(evaluation, child);
	evaluation_reply_attributes(evaluation, child);
	return 0;
}

int eval_link(struct evaluation *evaluation, const struct op_link *op)
{
	struct evaluation_inode *parent, *inode;
	struct entry existing;
	int status = evaluation_inode(evaluation, op->ino, &inode);

	if (status == 0)
		status = open_place(evaluation, op->parent, op->name, &parent, &existing);
	if (status != 0)
		return status;
	if (inode_is_directory(&inode->inode) || is_fixed(inode))
		return -EPERM;
	if (inode->inode.attributes.nlink == 0 && (inode->inode.state & INODE_IS_LINKABLE) == 0)
		return -ESTALE;
	if (inode->inode.attributes.nlink >= FS_LINK_COUNT_MAX)
		return -EMLINK;
	if (inode->inode.attributes.nlink == 0)
		eval_end_keeping(evaluation, inode);
	inode->inode.attributes.nlink++;
	evaluation_touch(evaluation, inode);
	evaluation_entry_put(evaluation, parent, op->name, &inode->inode);
	evaluation_reply_attributes(evaluation, inode);
	return 0;
}

/* ---- Removal ---- */

static int find_victim(struct evaluation *evaluation, const struct op_remove *op,
	struct evaluation_inode **parent, struct evaluation_inode **victim)
{
	struct entry entry;
	int status = evaluation_directory(evaluation, op->parent, parent);

	if (status == 0)
		status = evaluation_entry(evaluation, *parent, op->name, &entry);
	if (status == STATUS_NOT_FOUND)
		return -ENOENT;
	if (status != 0)
		return status;
	status = evaluation_inode(evaluation, entry.ino, victim);
	return status == -ESTALE ? STATUS_CORRUPT : status;
}

int eval_drop_last(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold)
{
	bool is_held = hold, has_others = false;
	int status = eval_has_others(evaluation, &has_others);
	bool must_ask = has_others;

	if (status != 0)
		return status;
	if (hold)
		eval_keep_open(evaluation, victim);
	if (planted("grace:others_not_asked"))
		must_ask = false;
	if (must_ask)
		eval_begin_grace(evaluation, victim);
	else if (!hold)
		status = eval_is_held(evaluation, &victim->inode, NULL, &is_held);
	is_held = is_held || has_others;
	if (planted("fs:open_file_removed"))
		is_held = false;
	if (status != 0 || is_held)
		return status;
	evaluation->reply.victim.is_gone = true;
	return eval_destroy(evaluation, victim);
}

int eval_drop_name(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold)
{
	struct attributes *attributes = &victim->inode.attributes;

	if (attributes->nlink == 0)
		return STATUS_CORRUPT;
	attributes->nlink--;
	evaluation_touch(evaluation, victim);
	evaluation->reply.victim = (struct op_victim){.ino = attributes->ino, .nlink = attributes->nlink};
	if (victim->is_remote)
		victim->intent_flags |= INTENT_DROPS | (hold && attributes->nlink == 0 ? INTENT_HOLDS : 0u);
	else if (attributes->nlink == 0)
		return eval_drop_last(evaluation, victim, hold);
	return 0;
}

int eval_drop_directory(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold)
{
	struct inode *inode = &victim->inode;

	inode->attributes.nlink = 0;
	inode->parent = 0;
	evaluation_touch(evaluation, victim);
	evaluation->reply.victim = (struct op_victim){.ino = inode->attributes.ino};
	if (!victim->is_remote)
		return eval_drop_last(evaluation, victim, hold);
	victim->intent_flags |= INTENT_REMOVES | (hold ? INTENT_HOLDS : 0u);
	return 0;
}

int eval_unlink(struct evaluation *evaluation, const struct op_remove *op)
{
	struct evaluation_inode *parent, *victim;
	int status = find_victim(evaluation, op, &parent, &victim);

	if (status == 0)
		status = eval_check_removal(parent, victim);
	if (status == 0 && inode_is_directory(&victim->inode))
		status = -EISDIR;
	if (status != 0)
		return status;
	evaluation_entry_delete(evaluation, parent, op->name);
	status = eval_drop_name(evaluation, victim, op->hold);
	if (status == 0 && victim->inode.attributes.nlink > 0)
		evaluation_reply_attributes(evaluation, victim);
	return status;
}

int eval_rmdir(struct evaluation *evaluation, const struct op_remove *op)
{
	struct evaluation_inode *parent, *victim;
	int status = find_victim(evaluation, op, &parent, &victim);

	if (status == 0)
		status = eval_check_removal(parent, victim);
	if (status == 0 && !inode_is_directory(&victim->inode))
		status = -ENOTDIR;
	if (status == 0 && victim->inode.entries > 0)
		status = -ENOTEMPTY;
	if (status != 0)
		return status;
	parent->inode.attributes.nlink--;
	evaluation_entry_delete(evaluation, parent, op->name);
	return eval_drop_directory(evaluation, victim, op->hold);
}

/*
 * rename.c: rename(2) and renameat2(2) of files and directories, within a directory and across directories, atomically.
 */
#include <errno.h>
#include <linux/fs.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/eval/transact.h"
#include "fs/eval/ends.h"

#define DEPTH_MAX 1000000 /* directories above each other; more means damage */

struct rename {
	struct evaluation *evaluation;
	const struct op_rename *op;
	struct evaluation_inode *parent;
	struct evaluation_inode *new_parent;
	struct evaluation_inode *source;
	struct evaluation_inode *target; /* NULL: the new name is free */
};

static bool is_exchange(const struct rename *rename)
{
	return (rename->op->flags & RENAME_EXCHANGE) != 0;
}

static int check_flags(uint32_t flags)
{
	if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) != 0)
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) != 0 && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) != 0)
		return -EINVAL;
	return 0;
}

static int load_entry(struct evaluation *evaluation, struct evaluation_inode *directory, struct slice name,
	struct evaluation_inode **inode)
{
	struct entry entry;
	int status = evaluation_entry(evaluation, directory, name, &entry);

	*inode = NULL;
	if (status == STATUS_NOT_FOUND)
		return -ENOENT;
	if (status == 0)
		status = evaluation_inode(evaluation, entry.ino, inode);
	return status == -ESTALE ? STATUS_CORRUPT : status;
}

static int load_source(struct rename *rename)
{
	struct evaluation *evaluation = rename->evaluation;
	const struct op_rename *op = rename->op;
	int status;

	transact_expect_entry(evaluation, op->parent, op->name);
	status = evaluation_directory(evaluation, op->parent, &rename->parent);
	if (status == 0)
		status = load_entry(evaluation, rename->parent, op->name, &rename->source);
	return status;
}

/* If rows of other regions are missing, looks for the rest, too, so that all is asked for at once. */
static int load(struct rename *rename)
{
	struct evaluation *evaluation = rename->evaluation;
	const struct op_rename *op = rename->op;
	int status = evaluation_directory(evaluation, op->new_parent, &rename->new_parent);
	int target;

	if (status == 0)
		status = load_source(rename);
	if (status != 0 && status != STATUS_KEY_NOT_IN_REGION)
		return status;
	target = load_entry(evaluation, rename->new_parent, op->new_name, &rename->target);
	if (target == -ENOENT && !is_exchange(rename))
		target = 0;
	return status != 0 ? status : target;
}

/* The parent of a directory, read without a slot: the way up may be longer than there are slots. */
static int find_parent(struct evaluation *evaluation, uint64_t ino, uint64_t *parent)
{
	const struct wanted wanted = {.ino = ino, .is_upward = true};
	struct fs_key key = fs_key_inode(ino);
	struct kv_value row = {0};
	struct inode inode;
	int status = evaluation_get_known(evaluation, &key, &wanted, &row);

	if (status != 0)
		return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
	status = inode_decode(row.data, ino, &inode);
	*parent = inode.parent;
	kv_value_close(&row);
	if (status == 0 && (inode.state & INODE_HAS_INTENTS) != 0 &&
		evaluation_has_key(evaluation, fs_key_slice(&key)))
		status = ends_await(evaluation, ino, ENDS_OF_PLACE, (struct slice){0});
	return status;
}

/* Is `directory` the same as, or below, `ancestor`? */
static int is_below(struct evaluation *evaluation, uint64_t directory, uint64_t ancestor, bool *is_below_it)
{
	uint64_t ino = directory;

	for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
		int status;

		*is_below_it = ino == ancestor;
		if (*is_below_it || ino == FS_ROOT_INO)
			return 0;
		status = find_parent(evaluation, ino, &ino);
		if (status != 0)
			return status;
	}
	return STATUS_CORRUPT;
}

/* -EINVAL: a directory would lie below itself. */
static int check_loops(struct rename *rename)
{
	const struct inode *source = &rename->source->inode;
	bool moves_back = is_exchange(rename) && inode_is_directory(&rename->target->inode);
	bool is_loop = false;
	int status = 0;

	if (planted("fs:loops"))
		return 0;
	if (rename->parent == rename->new_parent || !(inode_is_directory(source) || moves_back))
		return 0;
	status = transact_take_tree(rename->evaluation);
	if (status == 0 && inode_is_directory(source))
		status = is_below(
			rename->evaluation, rename->op->new_parent, source->attributes.ino, &is_loop);
	if (status == 0 && !is_loop && moves_back)
		status = is_below(rename->evaluation, rename->op->parent,
			rename->target->inode.attributes.ino, &is_loop);
	return status == 0 && is_loop ? -EINVAL : status;
}

static int check_replacement(const struct rename *rename)
{
	bool is_directory = inode_is_directory(&rename->source->inode);
	const struct inode *target = &rename->target->inode;

	if (is_directory && !inode_is_directory(target))
		return -ENOTDIR;
	if (!is_directory && inode_is_directory(target))
		return -EISDIR;
	return is_directory && target->entries > 0 ? -ENOTEMPTY : 0;
}

static int check_links(const struct rename *rename)
{
	bool in = inode_is_directory(&rename->source->inode);
	bool out = rename->target && inode_is_directory(&rename->target->inode);

	if (rename->parent == rename->new_parent || in == out)
		return 0;
	return eval_check_links(
		rename->evaluation, in ? rename->new_parent : rename->parent, FS_DIRECTORY_COUNT_MAX);
}

static int check_rename(struct rename *rename)
{
	const struct op_rename *op = rename->op;
	int status;

	if (rename->target && (op->flags & RENAME_NOREPLACE) != 0)
		return -EEXIST;
	status = check_loops(rename);
	if (status == 0)
		status = eval_check_removal(rename->parent, rename->source);
	if (status == 0 && rename->target)
		status = eval_check_removal(rename->new_parent, rename->target);
	if (status == 0 && (rename->new_parent->inode.attributes.flags & FS_FLAG_IMMUTABLE) != 0)
		status = -EPERM;
	if (status == 0 && rename->target && !is_exchange(rename))
		status = check_replacement(rename);
	return status == 0 ? check_links(rename) : status;
}

/* Moves a directory from one parent to another. */
static void move_directory(
	struct evaluation_inode *from, struct evaluation_inode *to, struct evaluation_inode *inode)
{
	if (!inode_is_directory(&inode->inode))
		return;
	from->inode.attributes.nlink--;
	to->inode.attributes.nlink++;
	if (planted("fs:old_parent"))
		return;
	inode->inode.parent = to->inode.attributes.ino;
}

static int exchange(struct rename *rename)
{
	struct evaluation *evaluation = rename->evaluation;

	move_directory(rename->parent, rename->new_parent, rename->source);
	move_directory(rename->new_parent, rename->parent, rename->target);
	evaluation_touch(evaluation, rename->target);
	evaluation_entry_replace(evaluation, rename->parent, rename->op->name, &rename->target->inode);
	evaluation_entry_replace(
		evaluation, rename->new_parent, rename->op->new_name, &rename->source->inode);
	evaluation_reply_attributes(evaluation, rename->target);
	evaluation->reply.other = evaluation->reply.attributes;
	evaluation->reply.has_other = evaluation->reply.has_attributes;
	return 0;
}

/* The old name becomes the device that overlayfs takes for a removed name. It is created in this region: where the old
 * name is in another one, under the new parent's dirid. */
static int leave_whiteout(struct rename *rename)
{
	struct evaluation *evaluation = rename->evaluation;
	struct evaluation_inode *home = rename->parent->is_remote ? rename->new_parent : rename->parent;
	struct evaluation_inode *whiteout;
	int status = eval_number_inode(
		evaluation, home, rename->parent, S_IFCHR, 0, &rename->op->caller, &whiteout);

	if (status != 0)
		return status;
	evaluation_entry_replace(evaluation, rename->parent, rename->op->name, &whiteout->inode);
	return 0;
}

static int replace(struct rename *rename)
{
	struct evaluation *evaluation = rename->evaluation;
	struct evaluation_inode *target = rename->target;
	int status = 0;

	if (target && inode_is_directory(&target->inode)) {
		rename->new_parent->inode.attributes.nlink--;
		status = eval_drop_directory(evaluation, target, rename->op->hold);
	} else if (target) {
		status = eval_drop_name(evaluation, target, rename->op->hold);
	}
	if (status != 0)
		return status;
	move_directory(rename->parent, rename->new_parent, rename->source);
	if ((rename->op->flags & RENAME_WHITEOUT) != 0)
		status = leave_whiteout(rename);
	else
		evaluation_entry_delete(evaluation, rename->parent, rename->op->name);
	if (target)
		evaluation_entry_replace(
			evaluation, rename->new_parent, rename->op->new_name, &rename->source->inode);
	else
		evaluation_entry_put(
			evaluation, rename->new_parent, rename->op->new_name, &rename->source->inode);
	return status;
}

int eval_rename(struct evaluation *evaluation, const struct op_rename *op)
{
	struct rename rename = {.evaluation = evaluation, .op = op};
	int status = check_flags(op->flags);

	if (status == 0)
		status = load(&rename);
	if (status == 0 && rename.target == rename.source && (op->flags & RENAME_NOREPLACE) == 0) {
		evaluation_reply_attributes(
			evaluation, rename.source); /* two names of one inode: POSIX says to do nothing */
		return 0;
	}
	if (status == 0)
		status = check_rename(&rename);
	if (status != 0)
		return status;
	evaluation_touch(evaluation, rename.source);
	status = is_exchange(&rename) ? exchange(&rename) : replace(&rename);
	if (status == 0)
		evaluation_reply_attributes(evaluation, rename.source);
	return status;
}

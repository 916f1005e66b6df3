/*
 * families.h: what the files of the evaluator give each other: one function per operation, and the shared parts.
 *
 * All return as evaluation.h says. An operation that returns an errno has its mutations dropped by eval.c.
 */
#ifndef RAFTKV_FS_EVAL_FAMILIES_H
#define RAFTKV_FS_EVAL_FAMILIES_H

#include "fs/eval/evaluation.h"

/* namei.c */
int eval_format(struct evaluation *evaluation, const struct op_format *op);
int eval_make(struct evaluation *evaluation, const struct op_make *op);
int eval_tmpfile(struct evaluation *evaluation, const struct op_tmpfile *op);
int eval_link(struct evaluation *evaluation, const struct op_link *op);
int eval_unlink(struct evaluation *evaluation, const struct op_remove *op);
int eval_rmdir(struct evaluation *evaluation, const struct op_remove *op);
/* An inode created in `parent`, with owner, mode and ACLs; without a name yet. */
int eval_number_inode(struct evaluation *evaluation, struct evaluation_inode *parent, uint32_t mode,
	uint32_t umask, const struct op_caller *caller, struct evaluation_inode **child);
/* May the entry of `child` be taken out of `directory` (a removal or a rename)? -EPERM. */
int eval_check_removal(const struct evaluation_inode *directory, const struct evaluation_inode *child);
/* A name of `victim` is gone: one link less, and what follows. Fills in `reply.victim`. */
int eval_drop_name(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold);
int eval_drop_directory(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold);

/* create.c: numbers for new inodes */
int eval_number_file(struct evaluation *evaluation, struct evaluation_inode *parent, uint64_t *ino);
int eval_number_directory(struct evaluation *evaluation, uint64_t *ino);
/* A directory goes, and with it what it has for creations. */
int eval_end_creations(struct evaluation *evaluation, const struct inode *directory);

/* rename.c */
int eval_rename(struct evaluation *evaluation, const struct op_rename *op);

/* attr.c */
int eval_setattr(struct evaluation *evaluation, const struct op_setattr *op);
/* Content or owner changes: suid, sgid of what its group may execute, and file capabilities go. */
int eval_strip_privileges(struct evaluation *evaluation, struct evaluation_inode *file);

/* data.c */
int eval_write(struct evaluation *evaluation, const struct op_write *op);
int eval_copy(struct evaluation *evaluation, const struct op_copy *op);
/* A regular file whose content may change. -EISDIR, -EINVAL, -EPERM. */
int eval_writable_file(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **file);
/* Makes the bytes [offset, offset + size) those of `bytes` and extends the file; `size` > 0. */
int eval_store(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset,
	struct buf *bytes, size_t size);

/* space.c: giving units back */
int eval_fallocate(struct evaluation *evaluation, const struct op_fallocate *op);
int eval_reclaim(struct evaluation *evaluation);
int eval_resize(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size);
/* Before a file grows to `size`: garbage of an old truncation must not show. */
void eval_clear_garbage(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size);
/* Removes an inode that nobody names or holds: its row and all that lies beside it. */
int eval_destroy(struct evaluation *evaluation, struct evaluation_inode *victim);

/* xattr.c */
int eval_setxattr(struct evaluation *evaluation, const struct op_setxattr *op);
int eval_removexattr(struct evaluation *evaluation, const struct op_removexattr *op);
/* Below: any name. -ENODATA. `*value` borrows from `row` (kv_value_close) or the inode. */
int eval_xattr_get(struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name,
	struct slice *value, struct kv_value *row);
int eval_xattr_put(
	struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name, struct slice value);
int eval_xattr_delete(struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name);
int eval_delete_xattr_rows(struct evaluation *evaluation, const struct inode *inode);

/* acl.c */
int eval_acl_set(struct evaluation *evaluation, struct evaluation_inode *inode, const struct op_setxattr *op);
int eval_acl_chmod(struct evaluation *evaluation, struct evaluation_inode *inode);
/* Mode and ACLs of a new inode: by the parent's default ACL, else the umask. */
int eval_acl_inherit(struct evaluation *evaluation, struct evaluation_inode *parent,
	struct evaluation_inode *child, uint32_t umask);

/* lock.c */
int eval_lock(struct evaluation *evaluation, const struct op_lock *op);
/* Drops a session's locks and waits, or everybody's (`all`). */
int eval_drop_locks(struct evaluation *evaluation, uint64_t ino, uint64_t session, bool all);

/* orphan.c */
int eval_hold(struct evaluation *evaluation, const struct op_hold *op);
int eval_release(struct evaluation *evaluation, const struct op_release *op);
int eval_session_end(struct evaluation *evaluation, const struct op_session_end *op);
int eval_grace_end(struct evaluation *evaluation, const struct op_grace_end *op);
void eval_keep_open(struct evaluation *evaluation, struct evaluation_inode *inode);
/* Its last name goes, and other sessions may have it open. */
void eval_begin_grace(struct evaluation *evaluation, struct evaluation_inode *inode);
/* It has got a name. */
void eval_end_keeping(struct evaluation *evaluation, const struct evaluation_inode *inode);
/* Does a session other than `except` hold the inode, or has it grace? `except` may be NULL. */
int eval_is_held(
	struct evaluation *evaluation, const struct inode *inode, const uint64_t *except, bool *is_held);

/* session.c */
int eval_session_open(struct evaluation *evaluation, const struct op_session_open *op);
int eval_session_close(struct evaluation *evaluation, const struct op_session_end *op);
int eval_session_forget(struct evaluation *evaluation, const struct op_session_end *op);
int eval_session_remove(struct evaluation *evaluation, const struct op_session_end *op);
/* Is there a live session besides the one that asks? */
int eval_has_others(struct evaluation *evaluation, bool *has_others);

/* store.c */
int eval_store_enter(struct evaluation *evaluation, const struct op_store_enter *op);
int eval_store_set(struct evaluation *evaluation, const struct op_store_set *op);
int eval_allocate(struct evaluation *evaluation, enum counter_kind counter, uint64_t *id);
/* No id up to `id` will be drawn. */
int eval_allocate_past(struct evaluation *evaluation, enum counter_kind counter, uint64_t id);

#endif

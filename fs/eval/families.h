/*
 * families.h: what the evaluator's files share: one function per operation, and common parts.
 *
 * They return as evaluation.h says. When an operation returns an errno, eval.c drops its mutations.
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
/* A new inode for `parent`, with owner, mode and ACLs, but without a name. A file gets its number from `home`, a directory
 * of this region. */
int eval_number_inode(struct evaluation *evaluation, struct evaluation_inode *home,
	struct evaluation_inode *parent, uint32_t mode, uint32_t umask, const struct op_caller *caller,
	struct evaluation_inode **child);
/* May a removal or a rename take the entry of `child` out of `directory`? 0 or -EPERM. */
int eval_check_removal(const struct evaluation_inode *directory, const struct evaluation_inode *child);
/* After a name of `victim` was removed: takes a link off, and after the last one holds or deletes the inode. Fills in
 * `reply.victim`. */
int eval_drop_name(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold);
int eval_drop_directory(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold);
/* Of an inode of this region that has no link any more: holds it for sessions that have it open, or may have; without
 * them, deletes it. `hold`: the operation's session has it open. */
int eval_drop_last(struct evaluation *evaluation, struct evaluation_inode *victim, bool hold);
/* May the inode get one more link, of `max`? -EMLINK; STATUS_INCOMPLETE: that depends on intents. */
int eval_check_links(struct evaluation *evaluation, const struct evaluation_inode *inode, uint32_t max);

/* create.c: numbers of new inodes. -ENOSPC: no free dirid was found. */
int eval_number_file(struct evaluation *evaluation, struct evaluation_inode *parent, uint64_t *ino);
int eval_number_directory(struct evaluation *evaluation, const struct inode *parent, uint64_t *ino);
/* Is no key of that dirid there? 0; 1: there is one. */
int eval_is_free_dirid(struct evaluation *evaluation, uint64_t dirid);
/* Deletes the spills of a directory that is being deleted. */
int eval_end_creations(struct evaluation *evaluation, const struct inode *directory);

/* rename.c */
int eval_rename(struct evaluation *evaluation, const struct op_rename *op);

/* attr.c */
int eval_setattr(struct evaluation *evaluation, const struct op_setattr *op);
/* Before a change of content or owner: strips suid, sgid where the group may execute, and file capabilities. */
int eval_strip_privileges(struct evaluation *evaluation, struct evaluation_inode *file);

/* data.c */
int eval_write(struct evaluation *evaluation, const struct op_write *op);
int eval_copy(struct evaluation *evaluation, const struct op_copy *op);
/* A regular file whose content may change. -EISDIR, -EINVAL, -EPERM. */
int eval_writable_file(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **file);
/* Writes the first `size` (> 0) of `bytes` at `offset`, and extends the file. Shares `bytes`. */
int eval_store(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t offset,
	struct buf *bytes, size_t size);

/* space.c: truncation, holes, deletion */
int eval_fallocate(struct evaluation *evaluation, const struct op_fallocate *op);
int eval_reclaim(struct evaluation *evaluation);
int eval_resize(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size);
/* Before a file grows to `size`: unmaps garbage of an old truncation, which would become visible. */
void eval_clear_garbage(struct evaluation *evaluation, struct evaluation_inode *file, uint64_t size);
/* Deletes an inode that has no name and no hold: its row and all rows beside it. */
int eval_destroy(struct evaluation *evaluation, struct evaluation_inode *victim);

/* xattr.c */
int eval_setxattr(struct evaluation *evaluation, const struct op_setxattr *op);
int eval_removexattr(struct evaluation *evaluation, const struct op_removexattr *op);
/* The functions below take any name. -ENODATA. `*value` borrows from `row`, which the caller closes (kv_value_close),
 * or from the inode. */
int eval_xattr_get(struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name,
	struct slice *value, struct kv_value *row);
int eval_xattr_put(
	struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name, struct slice value);
int eval_xattr_delete(struct evaluation *evaluation, struct evaluation_inode *inode, struct slice name);
int eval_delete_xattr_rows(struct evaluation *evaluation, const struct inode *inode);

/* acl.c */
int eval_acl_set(struct evaluation *evaluation, struct evaluation_inode *inode, const struct op_setxattr *op);
int eval_acl_chmod(struct evaluation *evaluation, struct evaluation_inode *inode);
/* Sets mode and ACLs of a new inode, from the parent's default ACL, or from the umask when there is none. */
int eval_acl_inherit(struct evaluation *evaluation, struct evaluation_inode *parent,
	struct evaluation_inode *child, uint32_t umask);

/* lock.c */
int eval_lock(struct evaluation *evaluation, const struct op_lock *op);
/* Drops the locks and waiters of a session, or of all sessions with their H rows (`all`). */
int eval_drop_locks(struct evaluation *evaluation, uint64_t ino, uint64_t session, bool all);

/* orphan.c */
int eval_hold(struct evaluation *evaluation, const struct op_hold *op);
int eval_release(struct evaluation *evaluation, const struct op_release *op);
int eval_session_end(struct evaluation *evaluation, const struct op_session_end *op);
int eval_grace_end(struct evaluation *evaluation, const struct op_grace_end *op);
void eval_keep_open(struct evaluation *evaluation, struct evaluation_inode *inode);
/* The inode has lost its last name, and other sessions may have it open. */
void eval_begin_grace(struct evaluation *evaluation, struct evaluation_inode *inode);
/* The inode made with O_TMPFILE has got a name: ends this session's hold, and it is not linkable any more. */
void eval_end_keeping(struct evaluation *evaluation, struct evaluation_inode *inode);
/* Does a session other than `except` (NULL: none) hold the inode? FS_SESSION_GRACE counts as a session. */
int eval_is_held(
	struct evaluation *evaluation, const struct inode *inode, const uint64_t *except, bool *is_held);

/* session.c */
int eval_session_open(struct evaluation *evaluation, const struct op_session_open *op);
int eval_session_register(struct evaluation *evaluation, const struct op_session_register *op);
int eval_session_admit(struct evaluation *evaluation, const struct op_session_admit *op);
int eval_session_close(struct evaluation *evaluation, const struct op_session_end *op);
int eval_session_forget(struct evaluation *evaluation, const struct op_session_end *op);
int eval_session_remove(struct evaluation *evaluation, const struct op_session_end *op);
/* The first dirid behind the region's range. */
uint64_t eval_range_end(const struct evaluation *evaluation);
/* Is there a live session besides the asking one? Only region 1 knows; others take it that there is. */
int eval_has_others(struct evaluation *evaluation, bool *has_others);

/* prepare.c */
int eval_prepare(struct evaluation *evaluation, const struct op_prepare *op);

/* resolve.c */
int eval_resolve(struct evaluation *evaluation, const struct op_resolve *op);
int eval_transact_end(struct evaluation *evaluation, const struct op_resolve *op);

/* store.c */
int eval_store_enter(struct evaluation *evaluation, const struct op_store_enter *op);
int eval_store_set(struct evaluation *evaluation, const struct op_store_set *op);
int eval_setting_set(struct evaluation *evaluation, const struct op_setting_set *op);
int eval_allocate(struct evaluation *evaluation, enum counter_kind counter, uint64_t *id);
/* From now on only ids above `id` are drawn. */
int eval_allocate_past(struct evaluation *evaluation, enum counter_kind counter, uint64_t id);

#endif

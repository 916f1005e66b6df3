/*
 * evaluation.h: one evaluation of one operation: the inodes that it has read, its mutations and its reply.
 *
 * Inodes are loaded once into slots and written back at the end, so that an operation that uses the same inode twice (a
 * rename within a directory, a copy within a file) sees its own changes. All other rows are read from the view, which
 * does not show the mutations of this evaluation.
 *
 * Functions return 0, -errno of the operation, or a failure of the evaluation itself (STATUS_…, -EIO, -ENOMEM).
 */
#ifndef RAFTKV_FS_EVAL_EVALUATION_H
#define RAFTKV_FS_EVAL_EVALUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "store/evaluate/evaluator.h"
#include "fs/schema/op.h"
#include "fs/schema/rows.h"

#define EVALUATION_INODE_COUNT_MAX 8

struct evaluation_inode {
	struct inode inode;
	struct kv_value row; /* the inode's slices borrow from it */
	uint8_t xattrs[FS_XATTRS_INLINE_SIZE_MAX]; /* small xattrs once changed: `inode` borrows from it */
	bool is_new; /* has no row yet */
	bool is_changed;
	bool is_deleted;
};

struct evaluation {
	struct view *view;
	const struct eval_input *input;
	struct mutations *mutations;
	struct fs_time now;
	uint64_t draws; /* random numbers drawn */
	int64_t gained; /* inodes made less inodes deleted, among those written so far */
	bool has_begun; /* the root is new: the filesystem is being made */
	size_t inode_count;
	struct evaluation_inode inodes[EVALUATION_INODE_COUNT_MAX];
	struct op_reply reply;
};

void evaluation_init(struct evaluation *evaluation, struct view *view, const struct eval_input *input,
	struct mutations *mutations);
/* Puts and deletes the rows of changed inodes. */
void evaluation_write_inodes(struct evaluation *evaluation);
/* Changes the region's count of inodes (records.h) by those written. A region without a count, made by a version that
 * did not count, stays without. */
int evaluation_count_inodes(struct evaluation *evaluation);
/* Releases the slots, which may then be used again. */
void evaluation_close(struct evaluation *evaluation);

/* A number that clients cannot guess: another one with each call, the same ones when the evaluation is repeated. */
uint64_t evaluation_random(struct evaluation *evaluation);

/* ---- Rows ---- */

/* A key of KEY_DATA outside the region is STATUS_KEY_NOT_IN_REGION: at once from a get, at the end after a put or
 * delete. */

bool evaluation_has_key(const struct evaluation *evaluation, struct slice key);
int evaluation_get(struct evaluation *evaluation, const struct fs_key *key, struct kv_value *row);
int evaluation_scan(
	struct evaluation *evaluation, const struct fs_key *prefix, view_row_cb row, void *argument);
void evaluation_put(struct evaluation *evaluation, const struct fs_key *key, struct slice row);
void evaluation_put_bytes(struct evaluation *evaluation, const struct fs_key *key, struct slice bytes);
void evaluation_put_mark(struct evaluation *evaluation, enum key_space space, const struct fs_key *key);
void evaluation_delete(struct evaluation *evaluation, const struct fs_key *key);

/* ---- Inodes ---- */

/* -ESTALE: there is no such inode. */
int evaluation_inode(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot);
/* A directory whose entries may change. -ENOTDIR; -ESTALE: removed. */
int evaluation_directory(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot);
/* A new inode with a generation, one link and all times now; the caller fills in the rest. */
struct evaluation_inode *evaluation_new_inode(struct evaluation *evaluation, uint64_t ino, uint32_t mode);
static inline void evaluation_change(struct evaluation_inode *slot)
{
	slot->is_changed = true;
}
/* A change of metadata: sets ctime. evaluation_touch_content is for a change of a file's content or of a directory's
 * entries: it also sets mtime, and raises the data version. */
void evaluation_touch(struct evaluation *evaluation, struct evaluation_inode *slot);
void evaluation_touch_content(struct evaluation *evaluation, struct evaluation_inode *slot);
void evaluation_reply_attributes(struct evaluation *evaluation, struct evaluation_inode *slot);

/* ---- Entries. Changes keep the directory's count of entries and its times. ---- */

/* 0 or STATUS_NOT_FOUND. */
int evaluation_entry(struct evaluation *evaluation, const struct evaluation_inode *directory,
	struct slice name, struct entry *entry);
void evaluation_entry_put(struct evaluation *evaluation, struct evaluation_inode *directory,
	struct slice name, const struct inode *inode);
/* An existing name gets another inode. */
void evaluation_entry_replace(struct evaluation *evaluation, struct evaluation_inode *directory,
	struct slice name, const struct inode *inode);
void evaluation_entry_delete(
	struct evaluation *evaluation, struct evaluation_inode *directory, struct slice name);

#endif

/*
 * evaluation.h: one evaluation of one operation: what it has read, what it changes, what it answers.
 *
 * Inodes are loaded once into slots and written back at the end, so that an operation that meets the same inode twice
 * (a rename within a directory, a copy within a file) sees its own changes. All other rows are read from the view, which
 * does not show what this evaluation has put.
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
	struct kv_value row; /* the inode's slices point into it, */
	uint8_t xattrs[FS_XATTRS_INLINE_SIZE_MAX]; /* or here, once changed */
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
	int64_t gained; /* inodes, by what has been written so far */
	bool has_begun; /* the first of them all is new */
	size_t inode_count;
	struct evaluation_inode inodes[EVALUATION_INODE_COUNT_MAX];
	struct op_reply reply;
};

void evaluation_init(struct evaluation *evaluation, struct view *view, const struct eval_input *input,
	struct mutations *mutations);
/* Puts and deletes the rows of changed inodes. */
void evaluation_write_inodes(struct evaluation *evaluation);
/* After them: the region's number of inodes follows (COUNTER_INODES). A store of a version that did not count goes on
 * without. */
int evaluation_count_inodes(struct evaluation *evaluation);
void evaluation_close(struct evaluation *evaluation);

/* A number that nobody outside can guess; another one each time, the same in a repeated evaluation. */
uint64_t evaluation_random(struct evaluation *evaluation);

/* ---- Rows. A key outside the region is STATUS_KEY_NOT_IN_REGION, of a put or delete at the end. ---- */

bool evaluation_has_key(const struct evaluation *evaluation, struct slice key);
int evaluation_get(struct evaluation *evaluation, const struct fs_key *key, struct kv_value *row);
int evaluation_scan(
	struct evaluation *evaluation, const struct fs_key *prefix, view_row_cb row, void *argument);
void evaluation_put(struct evaluation *evaluation, const struct fs_key *key, struct slice row);
void evaluation_put_bytes(struct evaluation *evaluation, const struct fs_key *key, struct slice bytes);
void evaluation_put_mark(struct evaluation *evaluation, enum key_space space, const struct fs_key *key);
void evaluation_delete(struct evaluation *evaluation, const struct fs_key *key);

/* ---- Inodes ---- */

/* -ESTALE: there is none. */
int evaluation_inode(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot);
/* A directory that entries may be added to or taken from. -ENOTDIR; -ESTALE: removed. */
int evaluation_directory(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot);
/* A fresh one, all times now; the caller fills in the rest. */
struct evaluation_inode *evaluation_new_inode(struct evaluation *evaluation, uint64_t ino, uint32_t mode);
static inline void evaluation_change(struct evaluation_inode *slot)
{
	slot->is_changed = true;
}
/* The change of a file's metadata: ctime. Of its content or a directory's entries: mtime, too, and the version. */
void evaluation_touch(struct evaluation *evaluation, struct evaluation_inode *slot);
void evaluation_touch_content(struct evaluation *evaluation, struct evaluation_inode *slot);
void evaluation_reply_attributes(struct evaluation *evaluation, struct evaluation_inode *slot);

/* ---- Entries. Adding and taking one keep the directory's count and times. ---- */

/* STATUS_NOT_FOUND. */
int evaluation_entry(struct evaluation *evaluation, const struct evaluation_inode *directory,
	struct slice name, struct entry *entry);
void evaluation_entry_put(struct evaluation *evaluation, struct evaluation_inode *directory,
	struct slice name, const struct inode *inode);
/* The name means another inode from now on. */
void evaluation_entry_replace(struct evaluation *evaluation, struct evaluation_inode *directory,
	struct slice name, const struct inode *inode);
void evaluation_entry_delete(
	struct evaluation *evaluation, struct evaluation_inode *directory, struct slice name);

#endif

/*
 * evaluation.h: one evaluation of one operation: the inodes that it has read, its mutations and its reply.
 *
 * An operation on names may need rows of other regions (namespace.md § Operations across regions). They are facts that it
 * is given (OP_TRANSACT), and what it changes of them becomes intents (transact.h). Intents of other attempts in this
 * region make it wait (ends.h).
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

#include "proto/units.h"
#include "store/evaluate/evaluator.h"
#include "fs/schema/op.h"
#include "fs/schema/rows.h"

#define EVALUATION_INODE_COUNT_MAX  8
#define EVALUATION_ROW_COUNT_MAX    2 /* entries in other regions */
#define EVALUATION_WANTED_COUNT_MAX 4
#define EVALUATION_ENDS_COUNT_MAX   INTENTS_OF_INODE_MAX
#define EVALUATION_ENTRY_SIZE_MAX   32u /* bytes of the row of an entry */

struct evaluation_inode {
	struct inode inode;
	struct kv_value row; /* the inode's slices borrow from it */
	uint8_t xattrs[FS_XATTRS_INLINE_SIZE_MAX]; /* small xattrs once changed: `inode` borrows from it */
	bool is_new; /* has no row yet */
	bool is_changed;
	bool is_deleted;
	/* In another region: */
	bool is_remote;
	struct inode seen; /* as it was before the operation */
	uint32_t intent_flags; /* INTENT_… that `seen` and `inode` do not tell */
};

/* An entry in another region that the operation changes. */
struct evaluation_row {
	uint64_t directory;
	struct fs_key key;
	struct slice before; /* borrows from the facts */
	bool had, has;
	uint8_t after[EVALUATION_ENTRY_SIZE_MAX];
	size_t after_size;
};

struct evaluation {
	struct view *view;
	const struct eval_input *input;
	struct mutations *mutations;
	uint64_t session; /* whose operation it is */
	struct fs_time now;
	const uint64_t *random;
	uint64_t draws; /* random numbers drawn */
	int64_t gained; /* inodes made less inodes deleted, among those written so far */
	size_t inode_count;
	struct evaluation_inode inodes[EVALUATION_INODE_COUNT_MAX];
	struct op_reply reply;
	/* Of operations across regions: */
	bool may_lack; /* it may need rows of other regions */
	bool has_tree; /* it needs INTENT_TREE */
	const struct op_transact *transact; /* NULL: no attempt has begun */
	enum lack_kind lack; /* with STATUS_INCOMPLETE */
	size_t wanted_count;
	struct wanted wanted[EVALUATION_WANTED_COUNT_MAX]; /* names borrow from the operation */
	size_t ends_count;
	struct attempt ends[EVALUATION_ENDS_COUNT_MAX];
	size_t row_count;
	struct evaluation_row rows[EVALUATION_ROW_COUNT_MAX];
};

static inline struct fs_time evaluation_time(uint64_t wall) /* ns since the epoch */
{
	return (struct fs_time){
		.seconds = (int64_t)(wall / NS_PER_S), .nanoseconds = (uint32_t)(wall % NS_PER_S)};
}

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
 * delete. evaluation_get_known also finds facts, and notes what is wanted if there is none. */

bool evaluation_has_key(const struct evaluation *evaluation, struct slice key);
int evaluation_get(struct evaluation *evaluation, const struct fs_key *key, struct kv_value *row);
int evaluation_get_known(struct evaluation *evaluation, const struct fs_key *key, const struct wanted *wanted,
	struct kv_value *row);
int evaluation_scan(
	struct evaluation *evaluation, const struct fs_key *prefix, view_row_cb row, void *argument);
void evaluation_put(struct evaluation *evaluation, const struct fs_key *key, struct slice row);
void evaluation_put_bytes(struct evaluation *evaluation, const struct fs_key *key, struct slice bytes);
void evaluation_put_mark(struct evaluation *evaluation, enum key_space space, const struct fs_key *key);
void evaluation_delete(struct evaluation *evaluation, const struct fs_key *key);

/* ---- Inodes ---- */

/* -ESTALE: there is no such inode. STATUS_INCOMPLETE: it has intents. */
int evaluation_inode(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot);
/* As above, whatever intents it has: for changes that are the same before and after their end. */
int evaluation_load(struct evaluation *evaluation, uint64_t ino, struct evaluation_inode **slot);
/* A directory whose entries may change. -ENOTDIR; -ESTALE: removed. STATUS_INCOMPLETE: it is being moved or removed. */
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
/* Of an inode of another region the reply has no attributes, unless it is new: that region decides them. */
void evaluation_reply_attributes(struct evaluation *evaluation, struct evaluation_inode *slot);

/* ---- Entries. Changes keep the directory's count of entries and its times. ---- */

/* 0 or STATUS_NOT_FOUND. STATUS_INCOMPLETE: an intent will make, replace or delete it. */
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

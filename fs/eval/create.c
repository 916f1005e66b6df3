/*
 * create.c: numbers for new inodes. A file gets the next seq of its parent's creation dirid. A directory gets a dirid
 * of its own, drawn at random from the free dirids of the region, so that a split leaves both halves with free ones.
 */
#include <errno.h>
#include <string.h>

#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/schema/split_key.h"
#include "fs/schema/xattrs.h"

#define DRAW_COUNT_MAX 16

static int found_key(void *argument, struct slice key, struct slice value)
{
	(void)argument;
	(void)key;
	(void)value;
	return 1;
}

/* One of a removed directory may have keys left: files that were created in it may have names in other directories. */
int eval_is_free_dirid(struct evaluation *evaluation, uint64_t dirid)
{
	struct fs_key prefix = fs_key_dirid(dirid);

	return evaluation_scan(evaluation, &prefix, found_key, NULL);
}

/* Draws a free dirid of [first, end). Whether one of another region is free is seen when it is prepared. */
static int draw_dirid(struct evaluation *evaluation, uint64_t first, uint64_t end, uint64_t *dirid)
{
	if (first >= end)
		return -ENOSPC;
	for (int i = 0; i < DRAW_COUNT_MAX; i++) {
		struct fs_key key;
		int status = 0;

		*dirid = first + evaluation_random(evaluation) % (end - first);
		key = fs_key_dirid(*dirid);
		if (evaluation_has_key(evaluation, fs_key_slice(&key)))
			status = eval_is_free_dirid(evaluation, *dirid);
		if (status <= 0)
			return status;
	}
	return -ENOSPC;
}

static int allocate_dirid(struct evaluation *evaluation, uint64_t *dirid)
{
	const struct eval_input *input = evaluation->input;
	uint64_t first, end;

	fs_dirids_within(input->region_start, input->region_end, &first, &end);
	return draw_dirid(evaluation, first, end, dirid);
}

/* Large ACLs would be rows beside the child's. */
static bool gives_acls(const struct inode *parent)
{
	struct slice acl, name = slice_of(XATTR_ACL_DEFAULT, strlen(XATTR_ACL_DEFAULT));

	return (parent->state & INODE_HAS_XATTRS) != 0 || xattrs_find(parent->xattrs, name, &acl);
}

/* A child of the root is created in any region, so that each gets some of the trees. So is a child for which the region
 * has no dirid left. */
int eval_number_directory(struct evaluation *evaluation, const struct inode *parent, uint64_t *ino)
{
	bool may_leave = evaluation->may_lack && !gives_acls(parent);
	bool is_spread = may_leave && parent->attributes.ino == FS_ROOT_INO;
	uint64_t dirid;
	int status = is_spread ? -ENOSPC : allocate_dirid(evaluation, &dirid);

	if (status == -ENOSPC && may_leave)
		status = draw_dirid(evaluation, 1, FS_DIRID_END, &dirid);
	*ino = status == 0 ? fs_ino(dirid, FS_SEQ_DIRECTORY) : 0;
	return status;
}

/* All seqs are used, or the last spill is in another region: draws another dirid, of this region. Its S row keeps it from other directories until this one is deleted. */
static int add_spill(struct evaluation *evaluation, struct inode *directory)
{
	bool had = directory->creation_dirid != fs_ino_dirid(directory->attributes.ino);
	struct spill spill = {
		.directory = directory->attributes.ino, .before = had ? directory->creation_dirid : 0};
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct fs_key key;
	uint64_t dirid;
	int status = allocate_dirid(evaluation, &dirid);

	if (status != 0)
		return status;
	key = fs_key_spill(dirid);
	spill_encode(&spill, &writer);
	evaluation_put(evaluation, &key, writer_written(&writer));
	directory->creation_dirid = dirid;
	directory->creation_seq = FS_SEQ_FIRST;
	return 0;
}

int eval_number_file(struct evaluation *evaluation, struct evaluation_inode *parent, uint64_t *ino)
{
	struct inode *directory = &parent->inode;
	struct fs_key dirid = fs_key_dirid(directory->creation_dirid);
	int status = 0;

	if (directory->creation_seq == FS_SEQ_END || !evaluation_has_key(evaluation, fs_key_slice(&dirid)))
		status = add_spill(evaluation, directory);

	*ino = fs_ino(directory->creation_dirid, directory->creation_seq);
	directory->creation_seq++;
	evaluation_change(parent);
	return status;
}

/* The S rows of spills that a split has put elsewhere stay, and those behind them: their dirids are not drawn again, and
 * fsck names them. */
int eval_end_creations(struct evaluation *evaluation, const struct inode *directory)
{
	uint64_t own = fs_ino_dirid(directory->attributes.ino);
	uint64_t dirid = directory->creation_dirid != own ? directory->creation_dirid : 0;

	while (dirid != 0) {
		struct fs_key key = fs_key_spill(dirid);
		struct kv_value row = {0};
		struct spill spill;
		int status = evaluation_get(evaluation, &key, &row);

		if (status == STATUS_KEY_NOT_IN_REGION)
			return 0;
		if (status != 0)
			return status;
		status = spill_decode(row.data, &spill);
		kv_value_close(&row);
		if (status != 0)
			return status;
		evaluation_delete(evaluation, &key);
		dirid = spill.before;
	}
	return 0;
}

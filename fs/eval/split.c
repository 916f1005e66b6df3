#include "fs/eval/split.h"

#include "fs/schema/keys.h"
#include "fs/schema/records.h"
#include "fs/schema/split_key.h"

bool eval_may_begin(struct evaluator *evaluator, struct slice key)
{
	(void)evaluator;
	return fs_split_key_is_valid(key);
}

static enum split_fate follow_inode(uint64_t ino, struct slice key)
{
	struct fs_key dirid = fs_key_dirid(fs_ino_dirid(ino));

	return slice_compare(fs_key_slice(&dirid), key) >= 0 ? SPLIT_MOVES : SPLIT_STAYS;
}

static bool is_inode_count(struct slice row, struct slice value)
{
	uint8_t kind;
	int64_t count;

	return fs_key_parse_counter(row, &kind) == 0 && kind == COUNTER_INODES &&
	       inode_count_decode(value, &count) == 0;
}

enum split_fate eval_split_fate(
	struct evaluator *evaluator, struct slice row, struct slice key, struct slice *value)
{
	enum fs_hold_kind kind;
	uint64_t session, ino;

	(void)evaluator;
	if (fs_key_parse_hold(row, &session, &ino, &kind) == 0 || fs_key_parse_garbage(row, &ino) == 0)
		return follow_inode(ino, key);
	if (!is_inode_count(row, *value))
		return SPLIT_STAYS;
	*value = inode_count_zero();
	return SPLIT_IS_COPIED;
}

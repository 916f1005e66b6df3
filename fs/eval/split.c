#include "fs/eval/split.h"

#include "fs/schema/intent.h"
#include "fs/schema/keys.h"
#include "fs/schema/records.h"
#include "fs/schema/split_key.h"
#include "proto/plant.h"

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

static bool is_forgets(struct slice row)
{
	uint8_t kind;

	return fs_key_parse_counter(row, &kind) == 0 && kind == COUNTER_FORGETS;
}

static bool is_inode_count(struct slice row, struct slice value)
{
	uint8_t kind;
	int64_t count;

	return fs_key_parse_counter(row, &kind) == 0 && kind == COUNTER_INODES &&
	       inode_count_decode(value, &count) == 0;
}

/* Each is asked about, and resolved, where its inode is; a committed record where its anchor is. */
static bool find_inode(struct slice row, uint64_t *ino)
{
	enum fs_hold_kind kind;
	struct attempt attempt;
	uint64_t session;
	uint32_t index;

	if (fs_key_parse_hold(row, &session, ino, &kind) == 0 || fs_key_parse_garbage(row, ino) == 0)
		return true;
	if (fs_key_parse_intent(row, ino, &attempt, &index) == 0)
		return !planted("fs:split_leaves_intents");
	if (fs_key_parse_committed(row, &attempt) < 0)
		return false;
	*ino = attempt.anchor;
	return !planted("fs:split_leaves_committed");
}

enum split_fate eval_split_fate(
	struct evaluator *evaluator, struct slice row, struct slice key, struct slice *value)
{
	uint64_t ino;

	(void)evaluator;
	if (find_inode(row, &ino))
		return follow_inode(ino, key);
	if (is_forgets(row))
		return SPLIT_IS_COPIED;
	if (!is_inode_count(row, *value))
		return SPLIT_STAYS;
	*value = inode_count_zero();
	return SPLIT_IS_COPIED;
}

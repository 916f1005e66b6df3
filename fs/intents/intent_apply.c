#include "fs/intents/intent_apply.h"

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

static int add_links(int32_t by, struct attributes *attributes)
{
	int64_t sum = (int64_t)attributes->nlink + by;

	if (sum < 0 || sum > UINT32_MAX)
		return STATUS_CORRUPT;
	attributes->nlink = (uint32_t)sum;
	return 0;
}

static int add_entries(int32_t by, struct inode *inode)
{
	if (by == 0)
		return 0;
	if (!inode_is_directory(inode) || (by < 0 && inode->entries < (uint64_t) - (int64_t)by))
		return STATUS_CORRUPT;
	inode->entries += (uint64_t)(int64_t)by;
	return 0;
}

static void apply_times(uint32_t flags, const struct fs_time *time, struct attributes *attributes)
{
	if ((flags & INTENT_TOUCHES_CONTENT) != 0) {
		attributes_set_written(attributes, time);
		attributes->data_version++;
	} else if ((flags & INTENT_TOUCHES) != 0 && fs_time_is_before(&attributes->ctime, time)) {
		attributes->ctime = *time;
	}
}

static int apply_flags(const struct intent *intent, struct inode *inode)
{
	uint32_t flags = intent->inode.flags;

	if ((flags & (INTENT_MOVES | INTENT_REMOVES)) != 0 && !inode_is_directory(inode))
		return STATUS_CORRUPT;
	if ((flags & INTENT_MOVES) != 0)
		inode->parent = intent->inode.parent_after;
	if ((flags & INTENT_REMOVES) != 0) {
		inode->attributes.nlink = 0;
		inode->parent = 0;
	}
	if ((flags & INTENT_ENDS_KEEPING) != 0)
		inode->state &= ~INODE_IS_LINKABLE;
	return 0;
}

int intent_apply_inode(const struct intent *intent, const struct fs_time *time, struct inode *inode)
{
	bool is_removed = (intent->inode.flags & INTENT_REMOVES) != 0;
	int status;

	check(intent->kind == INTENT_INODE);
	status = is_removed ? 0 : add_links(intent->inode.nlink, &inode->attributes);
	if (status == 0 && !planted("reads:entries_not_added"))
		status = add_entries(intent->inode.entries, inode);
	if (status == 0)
		status = apply_flags(intent, inode);
	if (status == 0)
		apply_times(intent->inode.flags, time, &inode->attributes);
	return status;
}

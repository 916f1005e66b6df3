/*
 * suspects.h: the problems that every reading of a cluster in use has had so far.
 *
 * A reading is not of one moment: what one operation changes in several rows, it may have seen in part. So a problem of one
 * reading is a suspect. It stays one while each later reading has it, too: of the same kind and inode, in the same words.
 * Where one change may write what the problem compares, the inode must be unchanged, too, or for a count of the whole
 * filesystem all of them (check_stamp): a file that is moved to and fro looks lost again and again. Such a problem of an
 * inode that is changed all the time is not told.
 */
#ifndef RAFTKV_FS_CHECK_SUSPECTS_H
#define RAFTKV_FS_CHECK_SUSPECTS_H

#include "fs/check/check.h"

struct suspect {
	struct problem problem; /* owned */
	uint64_t stamp;
	bool is_met; /* by the present reading */
};

/* Zero at first. */
struct suspects {
	struct suspect *items;
	size_t count;
	uint32_t readings;
};

/* Takes a reading, whose check is complete and whose inspect is still open: of the first one all problems, of a later one
 * those that were suspects before. The check's report is empty afterwards. 0 or -ENOMEM. */
int suspects_take(struct suspects *suspects, struct check *check);
void suspects_close(struct suspects *suspects);

#endif

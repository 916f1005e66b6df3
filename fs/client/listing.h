/*
 * listing.h: takes the answer to a QUESTION_DIRECTORY with attributes. The inodes of entries may lie in other regions than
 * the directory: their entries come without attributes. The regions are asked for those, in parallel, and the entries
 * are given again with what they answered, in the same order.
 *
 * A region that does not answer within LISTING_PATIENCE_MS leaves its entries without attributes: whoever needs them looks
 * the name up. One request per region, with the numbers of all its inodes (QUESTION_ATTRIBUTES_OF_MANY): a listing may
 * have a thousand children in one other region. Only entries that the asker had room for are asked about.
 *
 * A region answers for the numbers up to its end and says where that is, so that a request goes on behind it: neither a
 * split meanwhile nor an unknown route takes anything away.
 */
#ifndef RAFTKV_FS_CLIENT_LISTING_H
#define RAFTKV_FS_CLIENT_LISTING_H

#include "fs/client/dispatcher.h"
#include "fs/schema/question.h"

#define LISTING_PATIENCE_MS  1000u
#define LISTING_CHILDREN_MAX 4096u /* in other regions; more come without attributes */
#define LISTING_PARTS_MAX    64u /* regions that are asked at once; the last part asks the others one by one */

struct listing;

struct listing_options {
	struct dispatcher *dispatcher;
	/* Shared: they stay until `done`. */
	const struct question *question;
	struct finding *finding;
	uint64_t limit; /* ns; 0: LISTING_PATIENCE_MS alone */
	void (*done)(void *argument, int status); /* the listing is gone */
	void *argument;
};

/* As finding_take. 1: `*listing` asks other regions, and `done` comes later. */
int listing_take(
	const struct listing_options *options, const struct cluster_answer *answer, struct listing **listing);
/* `done` comes from inside the call, with that status. */
void listing_give_up(struct listing *listing, int status);

#endif

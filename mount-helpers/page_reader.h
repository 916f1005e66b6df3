/*
 * page_reader.h: asks the leaders of a cluster's regions for pages of their rows (fs/schema/row_page.h), one at a time.
 *
 * The dispatcher of mounts finds the leader, follows routes by key, and asks again where a region moves or its leader
 * changes. The link has no session, as an administrator's.
 */
#ifndef RAFTKV_MOUNT_HELPERS_PAGE_READER_H
#define RAFTKV_MOUNT_HELPERS_PAGE_READER_H

#include "fs/schema/keys.h"
#include "fs/schema/row_page.h"
#include "proto/env.h"
#include "proto/logger.h"

#define PAGE_READER_PATIENCE_S 30u /* for one page; an election takes a few seconds, on a busy machine more */

struct page_reader;

struct page_reader_options {
	struct env *env;
	const struct logger *logger;
	const char *stores; /* in the form of store_list.h */
	/* Called now and then while a page is waited for. False ends the wait. */
	bool (*goes_on)(void *argument);
	void *argument;
};

/* Asks no store yet. 0 or a negative status, with a sentence. */
int page_reader_open(
	const struct page_reader_options *options, struct page_reader **reader, struct status *status);
/* Asks the leader of the region that has `key` for the page from `cursor` on. `*page` borrows from the reader until the next
 * call. 0; -ECANCELED; -ETIMEDOUT; STATUS_UNSUPPORTED: the leader's store is of an older version; or another negative status.
 * With a sentence. */
int page_reader_ask(struct page_reader *reader, const struct fs_key *key, struct slice cursor,
	struct row_page *page, struct status *status);
void page_reader_close(struct page_reader *reader); /* may be NULL */

#endif

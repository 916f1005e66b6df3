/*
 * store_book.h: where the stores of the cluster are, as its records say (records.h); until these could be read for the
 * first time, as the cluster began. Read anew when somebody asks and what is known is old.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_SERVER_STORE_BOOK_H
#define RAFTKV_FS_SERVER_STORE_BOOK_H

#include "fs/schema/records.h"
#include "fs/schema/store_list.h"
#include "store/raftkv.h"

#define STORE_BOOK_AGE_MS 1000u

struct store_book;

/* Shares all. NULL: no memory. */
struct store_book *store_book_new(
	struct raftkv *raftkv, struct env_loop *loop, const struct store_list *list);
/* When nothing is being read any more; perhaps from inside the call. The store stops, too, or has. */
void store_book_stop(struct store_book *book, void (*stopped)(void *argument), void *argument);
/* Stopped, or the loop has never run; may be NULL. */
void store_book_free(struct store_book *book);

/* Somebody says where a store is: until the records say more. */
void store_book_tell(struct store_book *book, uint64_t store, const char *address);
/* NULL: unknown. Valid until the loop goes on. */
const char *store_book_address(struct store_book *book, uint64_t store);
/* Each store that was not removed, by what is known now; the address is borrowed for the call. */
void store_book_each(struct store_book *book,
	void (*each)(void *argument, uint64_t store, const char *address), void *argument);

#endif

/*
 * store_book.h: the stores that one of a mount's dispatchers has learnt last, for all of them to ask for routes. One that is
 * used for the first time, or again after long, may know only stores that are gone meanwhile.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_CLIENT_STORE_BOOK_H
#define RAFTKV_FS_CLIENT_STORE_BOOK_H

#include "fs/client/routes.h"

struct store_book;

struct store_book *store_book_new(void); /* NULL: no memory */
void store_book_free(struct store_book *book); /* may be NULL */

/* Takes the addresses that these routes have now, in place of those before. Without memory for it those stay. */
void store_book_learn(struct store_book *book, const struct routes *routes);
uint32_t store_book_count(struct store_book *book);
/* Copies the address of the store of that number. 0: there are not so many; else the store. */
uint64_t store_book_find(struct store_book *book, uint32_t number, char address[RECORD_ADDRESS_SIZE_MAX + 1]);

#endif

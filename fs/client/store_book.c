#include "fs/client/store_book.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct book_entry {
	uint64_t store;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

struct store_book {
	pthread_mutex_t lock; /* of all below */
	uint32_t count;
	struct book_entry *entries;
};

struct store_book *store_book_new(void)
{
	struct store_book *book = calloc(1, sizeof *book);

	if (book && pthread_mutex_init(&book->lock, NULL) != 0) {
		free(book);
		book = NULL;
	}
	return book;
}

void store_book_free(struct store_book *book)
{
	if (!book)
		return;
	pthread_mutex_destroy(&book->lock);
	free(book->entries);
	free(book);
}

void store_book_learn(struct store_book *book, const struct routes *routes)
{
	uint32_t count = routes_store_count(routes);
	struct book_entry *entries = calloc(count, sizeof *entries), *before;

	if (!entries)
		return;
	for (uint32_t i = 0; i < count; i++) {
		entries[i].store = routes_store(routes, i);
		strcpy(entries[i].address, routes_address(routes, entries[i].store));
	}
	pthread_mutex_lock(&book->lock);
	before = book->entries;
	book->entries = entries;
	book->count = count;
	pthread_mutex_unlock(&book->lock);
	free(before);
}

uint32_t store_book_count(struct store_book *book)
{
	uint32_t count;

	pthread_mutex_lock(&book->lock);
	count = book->count;
	pthread_mutex_unlock(&book->lock);
	return count;
}

uint64_t store_book_find(struct store_book *book, uint32_t number, char address[RECORD_ADDRESS_SIZE_MAX + 1])
{
	uint64_t store = 0;

	pthread_mutex_lock(&book->lock);
	if (number < book->count) {
		store = book->entries[number].store;
		strcpy(address, book->entries[number].address);
	}
	pthread_mutex_unlock(&book->lock);
	return store;
}

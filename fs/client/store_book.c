#include "fs/client/store_book.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct page {
	uint64_t store;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

struct store_book {
	pthread_mutex_t lock; /* of all below */
	uint32_t count;
	struct page *pages;
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
	free(book->pages);
	free(book);
}

void store_book_learn(struct store_book *book, const struct routes *routes)
{
	uint32_t count = routes_store_count(routes);
	struct page *pages = calloc(count, sizeof *pages), *before;

	if (!pages)
		return;
	for (uint32_t i = 0; i < count; i++) {
		pages[i].store = routes_store(routes, i);
		strcpy(pages[i].address, routes_address(routes, pages[i].store));
	}
	pthread_mutex_lock(&book->lock);
	before = book->pages;
	book->pages = pages;
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
		store = book->pages[number].store;
		strcpy(address, book->pages[number].address);
	}
	pthread_mutex_unlock(&book->lock);
	return store;
}

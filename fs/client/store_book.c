#include "fs/client/store_book.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct store_book {
	pthread_mutex_t lock; /* of all below */
	uint32_t count;
	char (*addresses)[RECORD_ADDRESS_SIZE_MAX + 1];
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
	free(book->addresses);
	free(book);
}

void store_book_learn(struct store_book *book, const struct routes *routes)
{
	uint32_t count = routes_store_count(routes);
	char(*addresses)[RECORD_ADDRESS_SIZE_MAX + 1] = calloc(count, sizeof *addresses);
	void *before;

	if (!addresses)
		return;
	for (uint32_t i = 0; i < count; i++)
		strcpy(addresses[i], routes_address(routes, routes_store(routes, i)));
	pthread_mutex_lock(&book->lock);
	before = book->addresses;
	book->addresses = addresses;
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

bool store_book_address(struct store_book *book, uint32_t number, char address[RECORD_ADDRESS_SIZE_MAX + 1])
{
	bool is_there;

	pthread_mutex_lock(&book->lock);
	is_there = number < book->count;
	if (is_there)
		strcpy(address, book->addresses[number]);
	pthread_mutex_unlock(&book->lock);
	return is_there;
}

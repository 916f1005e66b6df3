#include "fs/server/store_book.h"

#include <stdlib.h>
#include <string.h>

#include "proto/container.h"

#define NS_PER_MS UINT64_C(1000000)

struct line {
	uint64_t store;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

struct page {
	uint32_t count;
	struct line lines[STORE_COUNT_MAX];
};

struct store_book {
	struct raftkv *raftkv;
	struct env_loop *loop;
	struct page *page; /* what is known */
	struct page *next; /* what is being read */
	uint64_t read_at; /* env_now; 0: never */
	bool is_reading;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	struct env_work work;
	int status;
	void (*stopped)(void *argument); /* NULL: it goes on */
	void *stopped_argument;
};

static void add(struct page *page, uint64_t store, struct slice address)
{
	struct line *line = &page->lines[page->count];

	if (page->count == STORE_COUNT_MAX || address.size > RECORD_ADDRESS_SIZE_MAX)
		return;
	page->count++;
	line->store = store;
	memcpy(line->address, address.data, address.size);
	line->address[address.size] = '\0';
}

/* ---- Reading the records ---- */

static int read_store(void *argument, struct slice key, struct slice value)
{
	struct store_record record;
	uint64_t store;
	int status = fs_key_parse_store(key, &store);

	if (status == 0)
		status = store_record_decode(value, &record);
	if (status == 0 && store_state_is_in(record.state))
		add(argument, store, record.address);
	return status;
}

static void end_reading(struct store_book *book)
{
	book->is_reading = false;
	if (book->stopped)
		book->stopped(book->stopped_argument);
}

static void take_next(struct store_book *book)
{
	struct page *known = book->page;

	if (book->status < 0 || book->next->count == 0)
		return; /* damage is for whoever needs the records; a new cluster has none yet */
	book->page = book->next;
	book->next = known;
}

static void read_on_worker(struct env_work *work)
{
	struct store_book *book = container_of(work, struct store_book, work);
	struct fs_key low = fs_key_stores(), high = fs_key_after(&low);

	book->next->count = 0;
	book->status = view_scan(raftkv_snapshot_view(book->snapshot, true), KEY_LOCAL, fs_key_slice(&low),
		fs_key_slice(&high), read_store, book->next);
}

static void on_read(struct env_work *work)
{
	struct store_book *book = container_of(work, struct store_book, work);

	raftkv_snapshot_free(book->snapshot);
	take_next(book);
	end_reading(book);
}

static void on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct store_book *book = container_of(read, struct store_book, read);

	book->snapshot = snapshot;
	if (status == 0)
		env_work_submit(book->loop, &book->work, read_on_worker, on_read);
	else
		end_reading(book);
}

static void refresh(struct store_book *book)
{
	uint64_t now = env_now(env_loop_env(book->loop));

	if (book->is_reading || book->stopped ||
		(book->read_at > 0 && now - book->read_at < STORE_BOOK_AGE_MS * NS_PER_MS))
		return;
	book->read_at = now;
	book->is_reading = true;
	book->read = (struct raftkv_read){
		.region = CLUSTER_REGION, .from_follower = true, .loop = book->loop, .done = on_snapshot};
	raftkv_async_snapshot(book->raftkv, &book->read);
}

/* ---- Life ---- */

struct store_book *store_book_new(struct raftkv *raftkv, struct env_loop *loop, const struct store_list *list)
{
	struct store_book *book = calloc(1, sizeof *book);

	if (!book)
		return NULL;
	book->raftkv = raftkv;
	book->loop = loop;
	book->page = calloc(1, sizeof *book->page);
	book->next = calloc(1, sizeof *book->next);
	if (!book->page || !book->next) {
		store_book_free(book);
		return NULL;
	}
	for (uint32_t i = 0; i < list->count; i++)
		add(book->page, i + 1, slice_of(list->addresses[i], strlen(list->addresses[i])));
	return book;
}

void store_book_stop(struct store_book *book, void (*stopped)(void *argument), void *argument)
{
	book->stopped = stopped;
	book->stopped_argument = argument;
	if (!book->is_reading)
		stopped(argument);
}

void store_book_free(struct store_book *book)
{
	if (!book)
		return;
	free(book->page);
	free(book->next);
	free(book);
}

void store_book_tell(struct store_book *book, uint64_t store, const char *address)
{
	struct line *line = NULL;

	for (uint32_t i = 0; i < book->page->count && !line; i++)
		if (book->page->lines[i].store == store)
			line = &book->page->lines[i];
	if (!line)
		add(book->page, store, slice_of(address, strlen(address)));
	else if (strlen(address) < sizeof line->address)
		strcpy(line->address, address);
}

const char *store_book_address(struct store_book *book, uint64_t store)
{
	refresh(book);
	for (uint32_t i = 0; i < book->page->count; i++)
		if (book->page->lines[i].store == store)
			return book->page->lines[i].address;
	return NULL;
}

void store_book_each(struct store_book *book,
	void (*each)(void *argument, uint64_t store, const char *address), void *argument)
{
	refresh(book);
	for (uint32_t i = 0; i < book->page->count; i++)
		each(argument, book->page->lines[i].store, book->page->lines[i].address);
}

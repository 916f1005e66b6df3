#include "fs/regions/store_addresses.h"

#include <stdlib.h>
#include <string.h>

#include "proto/container.h"
#include "proto/units.h"

struct store_address {
	uint64_t store;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
};

struct page {
	uint32_t count;
	struct store_address lines[STORE_COUNT_MAX];
};

struct store_addresses {
	struct raftkv *raftkv;
	struct env_loop *loop;
	struct page *page; /* the known addresses */
	struct page *next; /* filled by the reading under way */
	uint64_t read_at; /* env_now when the last reading began; 0: never */
	bool is_reading;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	struct env_work work;
	int status;
	void (*stopped)(void *argument); /* NULL: store_addresses_stop was not called */
	void *stopped_argument;
};

static void store_addresses_add(struct page *page, uint64_t store, struct slice address)
{
	struct store_address *line = &page->lines[page->count];

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
		store_addresses_add(argument, store, record.address);
	return status;
}

static void end_reading(struct store_addresses *addresses)
{
	addresses->is_reading = false;
	if (addresses->stopped)
		addresses->stopped(addresses->stopped_argument);
}

static void take_next(struct store_addresses *addresses)
{
	struct page *known = addresses->page;

	if (addresses->status < 0 || addresses->next->count == 0)
		return; /* keeps the old page: damage is reported elsewhere, and a new cluster has no records */
	addresses->page = addresses->next;
	addresses->next = known;
}

static void read_on_worker(struct env_work *work)
{
	struct store_addresses *addresses = container_of(work, struct store_addresses, work);
	struct fs_key low = fs_key_stores(), high = fs_key_after(&low);

	addresses->next->count = 0;
	addresses->status = view_scan(raftkv_snapshot_view(addresses->snapshot, true), KEY_LOCAL,
		fs_key_slice(&low), fs_key_slice(&high), read_store, addresses->next);
}

static void store_addresses_on_read(struct env_work *work)
{
	struct store_addresses *addresses = container_of(work, struct store_addresses, work);

	raftkv_snapshot_free(addresses->snapshot);
	take_next(addresses);
	end_reading(addresses);
}

static void store_addresses_on_snapshot(
	struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct store_addresses *addresses = container_of(read, struct store_addresses, read);

	addresses->snapshot = snapshot;
	if (status == 0)
		env_work_submit(addresses->loop, &addresses->work, read_on_worker, store_addresses_on_read);
	else
		end_reading(addresses);
}

static void refresh(struct store_addresses *addresses)
{
	uint64_t now = env_now(env_loop_env(addresses->loop));

	if (addresses->is_reading || addresses->stopped ||
		(addresses->read_at > 0 && now - addresses->read_at < STORE_ADDRESSES_AGE_MS * NS_PER_MS))
		return;
	addresses->read_at = now;
	addresses->is_reading = true;
	addresses->read = (struct raftkv_read){.region = CLUSTER_REGION,
		.from_follower = true,
		.loop = addresses->loop,
		.done = store_addresses_on_snapshot};
	raftkv_async_snapshot(addresses->raftkv, &addresses->read);
}

/* ---- Life ---- */

struct store_addresses *store_addresses_new(
	struct raftkv *raftkv, struct env_loop *loop, const struct store_list *list)
{
	struct store_addresses *addresses = calloc(1, sizeof *addresses);

	if (!addresses)
		return NULL;
	addresses->raftkv = raftkv;
	addresses->loop = loop;
	addresses->page = calloc(1, sizeof *addresses->page);
	addresses->next = calloc(1, sizeof *addresses->next);
	if (!addresses->page || !addresses->next) {
		store_addresses_free(addresses);
		return NULL;
	}
	for (uint32_t i = 0; i < list->count; i++)
		store_addresses_add(
			addresses->page, i + 1, slice_of(list->addresses[i], strlen(list->addresses[i])));
	return addresses;
}

void store_addresses_stop(struct store_addresses *addresses, void (*stopped)(void *argument), void *argument)
{
	addresses->stopped = stopped;
	addresses->stopped_argument = argument;
	if (!addresses->is_reading)
		stopped(argument);
}

void store_addresses_free(struct store_addresses *addresses)
{
	if (!addresses)
		return;
	free(addresses->page);
	free(addresses->next);
	free(addresses);
}

static struct store_address *find_line(struct page *page, uint64_t store)
{
	for (uint32_t i = 0; i < page->count; i++)
		if (page->lines[i].store == store)
			return &page->lines[i];
	return NULL;
}

void store_addresses_tell(struct store_addresses *addresses, uint64_t store, const char *address)
{
	struct store_address *line = find_line(addresses->page, store);

	if (!line)
		store_addresses_add(addresses->page, store, slice_of(address, strlen(address)));
	else if (strlen(address) < sizeof line->address)
		strcpy(line->address, address);
}

void store_addresses_forget(struct store_addresses *addresses, uint64_t store)
{
	struct store_address *line = find_line(addresses->page, store);

	if (line)
		*line = addresses->page->lines[--addresses->page->count];
}

const char *store_addresses_address(struct store_addresses *addresses, uint64_t store)
{
	const struct store_address *line;

	refresh(addresses);
	line = find_line(addresses->page, store);
	return line ? line->address : NULL;
}

void store_addresses_each(struct store_addresses *addresses,
	void (*each)(void *argument, uint64_t store, const char *address), void *argument)
{
	refresh(addresses);
	for (uint32_t i = 0; i < addresses->page->count; i++)
		each(argument, addresses->page->lines[i].store, addresses->page->lines[i].address);
}

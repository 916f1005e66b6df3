/*
 * store_addresses.h: the addresses of the cluster's stores, from its records (records.h); from the initial list until
 * the records could be read for the first time. A request for an address starts another reading if the last one is
 * older than STORE_ADDRESSES_AGE_MS. A store without a replica of region 1 reads none: it knows what it is told, which is
 * every store, once a second (reporter.h).
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_REGIONS_STORE_ADDRESSES_H
#define RAFTKV_FS_REGIONS_STORE_ADDRESSES_H

#include "fs/schema/records.h"
#include "fs/schema/store_list.h"
#include "store/raftkv.h"

#define STORE_ADDRESSES_AGE_MS 1000u

struct store_addresses;

/* Shares `raftkv` and `loop`; copies the list. NULL: no memory. */
struct store_addresses *store_addresses_new(
	struct raftkv *raftkv, struct env_loop *loop, const struct store_list *list);
/* `stopped` comes when no reading is under way, perhaps from inside the call. The store stops meanwhile, or has
 * stopped. */
void store_addresses_stop(struct store_addresses *addresses, void (*stopped)(void *argument), void *argument);
/* Stopped, or the loop has never run; may be NULL. */
void store_addresses_free(struct store_addresses *addresses);

/* Notes a store's address, or that it is lost or removed, until the next reading of the records. */
void store_addresses_tell(struct store_addresses *addresses, uint64_t store, const char *address);
void store_addresses_forget(struct store_addresses *addresses, uint64_t store);
/* NULL: unknown. Borrowed until the loop's next event. */
const char *store_addresses_address(struct store_addresses *addresses, uint64_t store);
/* Calls `each` for each store that is known and neither lost nor removed; the address is borrowed for the call. */
void store_addresses_each(struct store_addresses *addresses,
	void (*each)(void *argument, uint64_t store, const char *address), void *argument);

#endif

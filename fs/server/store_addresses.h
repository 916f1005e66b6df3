/*
 * store_addresses.h: where the stores of the cluster are, as its records say (records.h); until these could be read for the
 * first time, as the cluster began. Read anew when somebody asks and what is known is old.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_SERVER_STORE_ADDRESSES_H
#define RAFTKV_FS_SERVER_STORE_ADDRESSES_H

#include "fs/schema/records.h"
#include "fs/schema/store_list.h"
#include "store/raftkv.h"

#define STORE_ADDRESSES_AGE_MS 1000u

struct store_addresses;

/* Shares all. NULL: no memory. */
struct store_addresses *store_addresses_new(
	struct raftkv *raftkv, struct env_loop *loop, const struct store_list *list);
/* When nothing is being read any more; perhaps from inside the call. The store stops, too, or has. */
void store_addresses_stop(struct store_addresses *addresses, void (*stopped)(void *argument), void *argument);
/* Stopped, or the loop has never run; may be NULL. */
void store_addresses_free(struct store_addresses *addresses);

/* Somebody says where a store is: until the records say more. */
void store_addresses_tell(struct store_addresses *addresses, uint64_t store, const char *address);
/* NULL: unknown. Valid until the loop goes on. */
const char *store_addresses_address(struct store_addresses *addresses, uint64_t store);
/* Each store that was not removed, by what is known now; the address is borrowed for the call. */
void store_addresses_each(struct store_addresses *addresses,
	void (*each)(void *argument, uint64_t store, const char *address), void *argument);

#endif

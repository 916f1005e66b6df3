#include "fs/regions/load_stores.h"

#include <stdio.h>

#include "fs/schema/keys.h"

struct recalling {
	void (*each)(void *argument, const struct reporter_store *store);
	void *argument;
};

static int load_one(void *argument, struct slice key, struct slice value)
{
	const struct recalling *recalling = argument;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
	struct store_record record;
	uint64_t id;
	int status = fs_key_parse_store(key, &id);

	if (status == 0)
		status = store_record_decode(value, &record);
	if (status < 0)
		return status;
	snprintf(
		address, sizeof address, "%.*s", (int)record.address.size, (const char *)record.address.data);
	recalling->each(recalling->argument, &(struct reporter_store){.id = id,
						     .address = address,
						     .incarnation = record.incarnation,
						     .directory_id = record.directory_id,
						     .is_out = !store_state_is_in(record.state)});
	return 0;
}

static void look_for_region(void *argument, const struct region *region, uint64_t term)
{
	(void)term;
	*(bool *)argument |= region->id == CLUSTER_REGION;
}

int load_stores(struct raftkv *raftkv, void (*each)(void *argument, const struct reporter_store *store),
	void *argument)
{
	struct recalling recalling = {each, argument};
	struct fs_key low = fs_key_stores(), high = fs_key_after(&low);
	struct raftkv_snapshot *snapshot;
	bool is_here = false;
	int status;

	raftkv_each_region(raftkv, look_for_region, &is_here);
	status = is_here ? raftkv_stale_snapshot(raftkv, CLUSTER_REGION, &snapshot) : 0;
	if (!is_here || status < 0)
		return status;
	status = view_scan(raftkv_snapshot_view(snapshot, true), KEY_LOCAL, fs_key_slice(&low),
		fs_key_slice(&high), load_one, &recalling);
	raftkv_snapshot_free(snapshot);
	return status;
}

#include "tests/sim/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/check/check.h"
#include "proto/check.h"
#include "proto/env_read_only.h"
#include "store/rows/keys.h"
#include "tests/sim/violation.h"

/* The one region, as its rows say. */
static void load_region(struct kv_engine *kv, struct inspect_region *region)
{
	struct kv_value value = {0};
	struct apply_state state;
	struct key key;

	key_region_state(&key, 1);
	if (kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value) < 0 ||
		region_decode(value.data, &region->region) < 0)
		violation("audit: the region's state cannot be read");
	kv_value_close(&value);
	key_apply_state(&key, 1);
	if (kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value) < 0 ||
		apply_state_decode(value.data, &state) < 0)
		violation("audit: the apply state cannot be read");
	kv_value_close(&value);
	region->applied = state.index;
}

static void print_report(const struct report *report)
{
	for (size_t i = 0; i < report->count; i++)
		printf("%s: inode %llx %s\n", report->problems[i].code,
			(unsigned long long)report->problems[i].ino, report->problems[i].text);
}

void audit_store(struct store *store)
{
	struct inspect_region *region = calloc(1, sizeof *region);
	struct env *env = sim_node_start(store->node);
	struct inspect inspect = {.env = env_read_only_new(env),
		.dir.ident.store = store->number,
		.regions = region,
		.region_count = 1};
	const struct blocks_options blocks = {.env = inspect.env,
		.path = "/store/blocks",
		.file_size = store->config.store.block_file_size};
	struct check check;
	int status;

	check(region);
	inspect.kv = sim_kv_open(store->kv);
	load_region(inspect.kv, region);
	if (blocks_open(&blocks, &inspect.blocks, &inspect.blocks_status) < 0)
		violation("audit: store %u: %s", store->number, inspect.blocks_status.text);
	status = check_run(&check, &inspect, &(struct check_options){.data = true});
	if (status < 0)
		violation("audit: store %u: the check ends with %s", store->number, status_name(status));
	if (check.report.total > 0) {
		print_report(&check.report);
		violation("audit: store %u has %zu problems", store->number, (size_t)check.report.total);
	}
	check_close(&check);
	blocks_close(inspect.blocks);
	inspect.kv->ops->close(inspect.kv);
	region_close(&region->region);
	free(region);
	env_read_only_free(inspect.env);
	sim_node_kill(store->node);
}

#include "tests/sim/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/check/check.h"
#include "fs/schema/keys.h"
#include "fs/schema/records.h"
#include "proto/check.h"
#include "proto/env_read_only.h"
#include "store/rows/keys.h"
#include "store/rows/region_states.h"
#include "store/rows/slots.h"
#include "tests/lib/kv_rows.h"
#include "tests/sim/violation.h"

#define REGIONS_MAX 256u

static void load_region(struct kv_engine *kv, uint64_t id, struct inspect_region *region)
{
	struct apply_state state;

	if (region_state_get(kv, NULL, KV_TIER_ALL, id, &region->region) < 0)
		violation("audit: the state of region %llu cannot be read", (unsigned long long)id);
	if (apply_state_get(kv, NULL, KV_TIER_ALL, id, &state) < 0)
		violation("audit: the apply state of region %llu cannot be read", (unsigned long long)id);
	region->applied = state.index;
}

struct loading {
	struct kv_engine *kv;
	struct inspect_region *regions;
	uint32_t count;
};

static void load_state(void *argument, struct slice key, struct slice value)
{
	struct loading *loading = argument;

	(void)value;
	check(loading->count < REGIONS_MAX);
	load_region(loading->kv, key_region_of(key), &loading->regions[loading->count++]);
}

/* The regions, as their rows say. Returns their count. */
static uint32_t load_regions(struct kv_engine *kv, struct inspect_region *regions)
{
	struct loading loading = {.kv = kv, .regions = regions};
	struct key low, high;

	key_region_states(&low, &high);
	kv_rows_each(kv, &low, &high, load_state, &loading);
	return loading.count;
}

static void print_report(const struct report *report)
{
	for (size_t i = 0; i < report->count; i++)
		printf("%s: inode %llx %s\n", report->problems[i].code,
			(unsigned long long)report->problems[i].ino, report->problems[i].text);
}

/* Operations across regions leave nothing behind, once all were answered and swept. */
static void expect_settled(const struct store *store, const struct check *check)
{
	if (check->counts.intents + check->counts.committed > 0)
		violation("audit: store %u still has %llu intents and %llu committed records", store->number,
			(unsigned long long)check->counts.intents,
			(unsigned long long)check->counts.committed);
	for (size_t i = 0; i < check->inodes.count; i++)
		if (check->inodes.items[i].flags & INODE_HAS_INTENTS)
			violation("audit: store %u: inode %llx says that it has intents", store->number,
				(unsigned long long)check->inodes.items[i].ino);
}

/* What a session has in a region goes with it. */
static void expect_no_session(void *argument, struct slice row, struct slice value)
{
	const struct store *store = argument;
	struct slice key = key_row_inner(KEY_LOCAL, row);
	enum fs_hold_kind kind;
	uint64_t session, ino;
	struct registration registration;
	const char *what = NULL;

	if (slots_check(key, value, &session) >= 0)
		what = slots_are_of(session) ? "knows it" : NULL;
	else if (fs_key_parse_session(key, &session) == 0)
		what = "has its record";
	else if (registration_decode(key, value, &session, &registration) == 0)
		what = "has a registration of it";
	else if (fs_key_parse_hold(key, &session, &ino, &kind) == 0 && session != FS_SESSION_GRACE)
		what = "has an inode that it holds";
	if (what)
		violation("audit: store %u: session %llx has ended, and a region %s", store->number,
			(unsigned long long)session, what);
}

static void expect_no_sessions(struct store *store, struct kv_engine *kv)
{
	struct key low, high;

	key_row(&low, 0, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, UINT64_MAX, KEY_LOCAL, (struct slice){0});
	kv_rows_each(kv, &low, &high, expect_no_session, store);
}

void audit_store(struct store *store)
{
	struct inspect_region *regions = calloc(REGIONS_MAX, sizeof *regions);
	struct env *env = sim_node_start(store->node);
	struct inspect inspect = {
		.env = env_read_only_new(env), .dir.ident.store = store->number, .regions = regions};
	const struct blocks_options blocks = {.env = inspect.env,
		.path = "/store/blocks",
		.file_size = store->config.store.block_file_size};
	struct check check;
	int status;

	check(regions);
	inspect.kv = sim_kv_open(store->kv);
	inspect.region_count = load_regions(inspect.kv, regions);
	if (blocks_open(&blocks, &inspect.blocks, &inspect.blocks_status) < 0)
		violation("audit: store %u: %s", store->number, inspect.blocks_status.text);
	status = check_run(&check, &inspect, &(struct check_options){.data = true});
	if (status < 0)
		violation("audit: store %u: the check ends with %s", store->number, status_name(status));
	if (check.report.total > 0) {
		print_report(&check.report);
		violation("audit: store %u has %zu problems", store->number, (size_t)check.report.total);
	}
	expect_settled(store, &check);
	expect_no_sessions(store, inspect.kv);
	check_close(&check);
	blocks_close(inspect.blocks);
	inspect.kv->ops->close(inspect.kv);
	for (uint32_t i = 0; i < inspect.region_count; i++)
		region_close(&regions[i].region);
	free(regions);
	env_read_only_free(inspect.env);
	sim_node_kill(store->node);
}

#include "mount-helpers/cluster_view.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mount-helpers/size_text.h"

#define ADDRESS_WIDTH_MIN 24u
#define US_A_PERCENT	  1e4 /* microseconds of CPU per second */
#define KEY_TEXT_SIZE	  64
#define LINES_MAX	  100u /* regions that are listed */
#define LINES_WORST	  20u /* regions on one screen */

/* ---- Words ---- */

const char *view_store_state(uint32_t state)
{
	return state == STORE_UP	 ? "up"
	       : state == STORE_DRAINING ? "draining"
	       : state == STORE_LOST	 ? "lost"
	       : state == STORE_REMOVED	 ? "removed"
					 : "?";
}

const char *view_step(uint32_t step)
{
	static const char *const words[] = {
		[PLACEMENT_REST] = "none",
		[PLACEMENT_WAIT] = "wait",
		[PLACEMENT_STUCK] = "stuck",
		[PLACEMENT_ADD] = "add",
		[PLACEMENT_PROMOTE] = "promote",
		[PLACEMENT_REMOVE] = "remove",
		[PLACEMENT_TRANSFER] = "transfer",
	};

	return step < sizeof words / sizeof *words ? words[step] : "?";
}

const char *view_role(uint32_t roles)
{
	return roles == REGION_VOTER	  ? "voter"
	       : roles == REGION_LEARNER  ? "learner"
	       : (roles & REGION_VOTER)	  ? "incoming voter"
	       : (roles & REGION_LEARNER) ? "incoming learner"
					  : "leaving";
}

static const char *key_text(const ProtobufCBinaryData *key, char text[KEY_TEXT_SIZE])
{
	size_t shown = key->len < KEY_TEXT_SIZE / 2 ? key->len : KEY_TEXT_SIZE / 2 - 1;

	text[0] = '\0';
	for (size_t i = 0; i < shown; i++)
		snprintf(text + 2 * i, 3, "%02x", key->data[i]);
	return key->len == 0 ? "-" : text;
}

uint64_t view_leader_store(const Raftkv__OverviewRegion *region)
{
	for (size_t i = 0; i < region->n_members; i++)
		if (region->members[i]->replica->id == region->leader)
			return region->members[i]->replica->store;
	return 0;
}

uint32_t view_count_leaders(const Raftkv__OverviewReply *overview, uint64_t store)
{
	uint32_t count = 0;

	for (size_t i = 0; i < overview->n_regions; i++)
		count += view_leader_store(overview->regions[i]) == store;
	return count;
}

uint64_t view_sum_load(const Raftkv__OverviewReply *overview, uint64_t store)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < overview->n_regions; i++)
		if (view_leader_store(overview->regions[i]) == store)
			sum += overview->regions[i]->cpu_us;
	return sum;
}

/* Percent of a core. */
static double percent(uint64_t cpu_us)
{
	return (double)cpu_us / US_A_PERCENT;
}

/* ---- Stores ---- */

int view_address_width(const Raftkv__OverviewReply *overview)
{
	size_t width = ADDRESS_WIDTH_MIN;

	for (size_t i = 0; i < overview->n_stores; i++)
		if (strlen(overview->stores[i]->address) > width)
			width = strlen(overview->stores[i]->address);
	return (int)width;
}

static void print_store(const Raftkv__OverviewReply *overview, const Raftkv__OverviewStore *store)
{
	const Raftkv__StoreStats *stats = store->stats;
	char alive[32] = "yes", room[SIZE_TEXT_SIZE];

	if (!store->is_alive && store->silent_ms < STORE_SILENCE_MS)
		strcpy(alive, "not heard");
	else if (!store->is_alive)
		snprintf(alive, sizeof alive, "no, %" PRIu64 " s", store->silent_ms / 1000);
	printf("%5" PRIu64 "  %-*s %-9s %-11s %8u %8u %6.1f%%  %-10s %s\n", store->store,
		view_address_width(overview), store->address, view_store_state(store->state), alive,
		store->replicas, view_count_leaders(overview, store->store),
		percent(view_sum_load(overview, store->store)),
		stats && stats->space_total > 0 ? size_text(stats->space_available, room) : "-",
		*store->version ? store->version : "-");
}

static void print_stores(const Raftkv__OverviewReply *overview)
{
	printf("%5s  %-*s %-9s %-11s %8s %8s %7s  %-10s %s\n", "store", view_address_width(overview),
		"address", "state", "alive", "replicas", "leaders", "load", "disk free", "version");
	for (size_t i = 0; i < overview->n_stores; i++)
		print_store(overview, overview->stores[i]);
}

static void write_stats(struct json *json, const Raftkv__StoreStats *stats)
{
	if (!stats)
		return;
	json_number(json, "space_total_bytes", stats->space_total);
	json_number(json, "space_available_bytes", stats->space_available);
	json_number(json, "data_used_bytes", stats->data_used);
	json_bool(json, "full", stats->is_full);
	json_number(json, "writes_total", stats->writes);
	json_number(json, "reads_lease_total", stats->reads_lease);
	json_number(json, "reads_read_index_total", stats->reads_read_index);
	json_number(json, "reads_follower_total", stats->reads_follower);
	json_number(json, "log_syncs_total", stats->log_syncs);
	json_number(json, "uptime_seconds", stats->uptime_s);
}

static void write_stores(struct json *json, const char *key, const Raftkv__OverviewReply *overview)
{
	json_begin(json, key, '[');
	for (size_t i = 0; i < overview->n_stores; i++) {
		const Raftkv__OverviewStore *store = overview->stores[i];

		json_begin(json, NULL, '{');
		json_number(json, "id", store->store);
		json_string(json, "address", store->address);
		json_string(json, "state", view_store_state(store->state));
		json_bool(json, "alive", store->is_alive);
		json_number(json, "silent_ms", store->silent_ms);
		json_number(json, "incarnation", store->incarnation);
		json_number(json, "replacement", store->replacement);
		json_number(json, "replicas", store->replicas);
		json_number(json, "leaders", view_count_leaders(overview, store->store));
		json_number(json, "region_bytes", store->region_bytes);
		json_number(json, "cpu_us_per_second", view_sum_load(overview, store->store));
		json_string(json, "version", store->version);
		json_string(json, "labels", store->labels);
		write_stats(json, store->stats);
		json_end(json, '}');
	}
	json_end(json, ']');
}

/* ---- Regions ---- */

static void print_region(const Raftkv__OverviewRegion *region)
{
	char from[KEY_TEXT_SIZE], to[KEY_TEXT_SIZE];

	printf("%8" PRIu64 "  %-20s  %-20s  %7" PRIu64 "  %12" PRIu64 "  %6.1f%%  %6" PRIu64 " ",
		region->region, key_text(&region->start, from), key_text(&region->end, to),
		region->epoch->version, region->epoch->conf_version, percent(region->cpu_us),
		view_leader_store(region));
	for (size_t i = 0; i < region->n_members; i++) {
		const Raftkv__OverviewMember *member = region->members[i];

		printf(" %" PRIu64 "%s%s", member->replica->store,
			member->replica->roles == REGION_VOTER ? "" : " (",
			member->replica->roles == REGION_VOTER ? "" : view_role(member->replica->roles));
		fputs(member->replica->roles == REGION_VOTER ? "" : ")", stdout);
		fputs(member->is_active ? "" : "!", stdout);
	}
	putchar('\n');
}

static void print_regions(Raftkv__OverviewRegion **regions, size_t count)
{
	printf("%8s  %-20s  %-20s  %7s  %12s  %7s  %6s  %s\n", "region", "from", "to", "version",
		"conf version", "load", "leader", "stores (!: silent)");
	for (size_t i = 0; i < count; i++)
		print_region(regions[i]);
}

size_t view_limit(const struct command *command)
{
	if (command->is_json || command_has(command, "all"))
		return SIZE_MAX;
	return (size_t)command_number(command, "limit", LINES_MAX);
}

void view_tell_left_out(size_t count)
{
	if (count > 0)
		printf("and %zu more: --all prints them\n", count);
}

static void print_members(const Raftkv__OverviewRegion *region)
{
	printf("\n%8s  %6s  %-16s  %12s  %s\n", "replica", "store", "role", "log up to", "state");
	for (size_t i = 0; i < region->n_members; i++) {
		const Raftkv__OverviewMember *member = region->members[i];

		printf("%8" PRIu64 "  %6" PRIu64 "  %-16s  %12" PRIu64 "  %s\n", member->replica->id,
			member->replica->store, view_role(member->replica->roles), member->match,
			member->replica->id == region->leader ? "leads"
			: member->wants_snapshot	      ? "needs a snapshot"
			: member->is_in_snapshot	      ? "gets a snapshot"
			: member->is_active		      ? "follows"
							      : "silent");
	}
	printf("log up to %" PRIu64 "; next step: %s\n", region->last_index, view_step(region->step));
}

static void write_member(struct json *json, const Raftkv__OverviewMember *member)
{
	json_begin(json, NULL, '{');
	json_number(json, "replica", member->replica->id);
	json_number(json, "store", member->replica->store);
	json_string(json, "role", view_role(member->replica->roles));
	json_number(json, "match", member->match);
	json_bool(json, "active", member->is_active);
	json_bool(json, "in_snapshot", member->is_in_snapshot);
	json_bool(json, "wants_snapshot", member->wants_snapshot);
	json_end(json, '}');
}

static void write_region(struct json *json, const Raftkv__OverviewRegion *region)
{
	char text[KEY_TEXT_SIZE];

	json_begin(json, NULL, '{');
	json_number(json, "id", region->region);
	json_string(json, "start", region->start.len > 0 ? key_text(&region->start, text) : NULL);
	json_string(json, "end", region->end.len > 0 ? key_text(&region->end, text) : NULL);
	json_number(json, "version", region->epoch->version);
	json_number(json, "conf_version", region->epoch->conf_version);
	json_number(json, "leader_store", view_leader_store(region));
	json_number(json, "last_index", region->last_index);
	json_number(json, "cpu_us_per_second", region->cpu_us);
	json_string(json, "next_step", view_step(region->step));
	json_begin(json, "members", '[');
	for (size_t i = 0; i < region->n_members; i++)
		write_member(json, region->members[i]);
	json_end(json, ']');
	json_end(json, '}');
}

static void write_regions(struct json *json, const char *key, Raftkv__OverviewRegion **regions, size_t count)
{
	json_begin(json, key, '[');
	for (size_t i = 0; i < count; i++)
		write_region(json, regions[i]);
	json_end(json, ']');
}

/* ---- Regions in trouble ---- */

enum trouble {
	TROUBLE_NONE,
	TROUBLE_SNAPSHOT, /* a replica gets a snapshot, or needs one */
	TROUBLE_SILENT, /* a replica was not heard of lately */
	TROUBLE_FEW, /* too few replicas have a vote */
	TROUBLE_NO_LEADER,
	TROUBLE_COUNT,
};

uint32_t view_replicas_wanted(const Raftkv__OverviewReply *overview)
{
	for (size_t i = 0; i < overview->n_settings; i++)
		if (overview->settings[i]->setting == SETTING_REPLICAS && overview->settings[i]->value > 0)
			return (uint32_t)overview->settings[i]->value;
	return PLACEMENT_REPLICAS;
}

static enum trouble trouble_of(const Raftkv__OverviewReply *overview, const Raftkv__OverviewRegion *region)
{
	uint32_t voters = 0;
	bool is_silent = false, is_in_snapshot = false;

	for (size_t i = 0; i < region->n_members; i++) {
		const Raftkv__OverviewMember *member = region->members[i];

		voters += (member->replica->roles & REGION_VOTER) != 0;
		is_silent |= !member->is_active;
		is_in_snapshot |= member->is_in_snapshot || member->wants_snapshot;
	}
	return view_leader_store(region) == 0		 ? TROUBLE_NO_LEADER
	       : voters < view_replicas_wanted(overview) ? TROUBLE_FEW
	       : is_silent				 ? TROUBLE_SILENT
	       : is_in_snapshot				 ? TROUBLE_SNAPSHOT
							 : TROUBLE_NONE;
}

/* The worst come first, LINES_WORST at most. */
static void print_worst(const Raftkv__OverviewReply *overview, size_t trouble_count)
{
	Raftkv__OverviewRegion *worst[LINES_WORST];
	size_t count = 0;

	for (int trouble = TROUBLE_COUNT - 1; trouble > TROUBLE_NONE; trouble--)
		for (size_t i = 0; i < overview->n_regions && count < LINES_WORST; i++)
			if (trouble_of(overview, overview->regions[i]) == (enum trouble)trouble)
				worst[count++] = overview->regions[i];
	if (count == 0)
		return;
	print_regions(worst, count);
	if (trouble_count > count)
		printf("and %zu more that are not well: 'raftkv health'\n", trouble_count - count);
}

/* Few regions are all printed; of many the number, and those in trouble. */
static void sum_up_regions(const Raftkv__OverviewReply *overview)
{
	size_t counts[TROUBLE_COUNT] = {0};

	if (overview->n_regions <= LINES_WORST) {
		print_regions(overview->regions, overview->n_regions);
		return;
	}
	for (size_t i = 0; i < overview->n_regions; i++)
		counts[trouble_of(overview, overview->regions[i])]++;
	printf("%zu regions: %zu without a leader, %zu with fewer than %u replicas, %zu with a silent one, "
	       "%zu with "
	       "one that needs a snapshot; 'raftkv region ls' lists them\n",
		overview->n_regions, counts[TROUBLE_NO_LEADER], counts[TROUBLE_FEW],
		view_replicas_wanted(overview), counts[TROUBLE_SILENT], counts[TROUBLE_SNAPSHOT]);
	print_worst(overview, overview->n_regions - counts[TROUBLE_NONE]);
}

/* ---- Sessions ---- */

static void print_sessions(const Raftkv__OverviewReply *overview)
{
	char since[32];

	printf("%8s  %-20s  %-24s  %7s  %s\n", "session", "host", "mounted on", "process", "since");
	for (size_t i = 0; i < overview->n_sessions; i++) {
		const Raftkv__OverviewSession *session = overview->sessions[i];
		time_t opened = (time_t)session->opened_s;
		struct tm time;

		since[strftime(since, sizeof since - 1, "%F %T", localtime_r(&opened, &time))] = '\0';
		printf("%8" PRIu64 "  %-20s  %-24s  %7u  %s%s\n", session->session, session->host,
			session->mount_point, session->pid, since, session->is_dying ? ", ending" : "");
	}
}

static void write_sessions(struct json *json, const Raftkv__OverviewReply *overview)
{
	json_begin(json, "sessions", '[');
	for (size_t i = 0; i < overview->n_sessions; i++) {
		const Raftkv__OverviewSession *session = overview->sessions[i];

		json_begin(json, NULL, '{');
		json_number(json, "id", session->session);
		json_string(json, "host", session->host);
		json_string(json, "mount", session->mount_point);
		json_number(json, "process_id", session->pid);
		json_number(json, "opened_seconds", session->opened_s);
		json_bool(json, "ending", session->is_dying);
		json_end(json, '}');
	}
	json_end(json, ']');
}

/* ---- All of it ---- */

static void print_all(const Raftkv__OverviewReply *overview)
{
	uint64_t lease = 0, round = 0, follower = 0, writes = 0;

	for (size_t i = 0; i < overview->n_stores; i++) {
		const Raftkv__StoreStats *stats = overview->stores[i]->stats;

		lease += stats ? stats->reads_lease : 0;
		round += stats ? stats->reads_read_index : 0;
		follower += stats ? stats->reads_follower : 0;
		writes += stats ? stats->writes : 0;
	}
	printf("cluster %016" PRIx64 ", coordinated by store %" PRIu64 ", term %" PRIu64 "\n\n",
		overview->cluster, overview->coordinator, overview->term);
	print_stores(overview);
	putchar('\n');
	sum_up_regions(overview);
	putchar('\n');
	print_sessions(overview);
	printf("\nsince they began: %" PRIu64 " changes; %" PRIu64 " reads under the lease, %" PRIu64
	       " by a round, %" PRIu64 " of these on followers\n",
		writes, lease, round, follower);
}

static void write_parts(struct json *json, const Raftkv__OverviewReply *overview)
{
	json_number(json, "coordinator", overview->coordinator);
	json_number(json, "term", overview->term);
	write_stores(json, "stores", overview);
	write_regions(json, "regions", overview->regions, overview->n_regions);
	write_sessions(json, overview);
}

static void write_all(struct json *json, const Raftkv__OverviewReply *overview)
{
	char cluster[17];

	snprintf(cluster, sizeof cluster, "%016" PRIx64, overview->cluster);
	json_begin(json, NULL, '{');
	json_string(json, "cluster", cluster);
	write_parts(json, overview);
	json_end_line(json, '}');
}

/* NULL: failed, and the reason has been printed. */
static Raftkv__OverviewReply *load(const char *list)
{
	Raftkv__OverviewReply *overview = NULL;
	struct status status = {0};
	struct cluster *cluster;
	int code = cluster_open(list, &cluster, &status);

	if (code == 0)
		code = cluster_overview(cluster, &overview, &status);
	cluster_close(cluster);
	if (code < 0)
		command_fail(&status);
	return overview;
}

int view_status(struct command *command, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);

	if (!overview)
		return COMMAND_FAILED;
	if (command->is_json)
		write_all(&command->json, overview);
	else
		print_all(overview);
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

int view_write_parts(struct json *json, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);

	if (!overview)
		return COMMAND_FAILED;
	write_parts(json, overview);
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

int view_stores(struct command *command, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);

	if (!overview)
		return COMMAND_FAILED;
	if (command->is_json) {
		write_stores(&command->json, NULL, overview);
		putc('\n', command->json.file);
	} else {
		print_stores(overview);
	}
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

/* ---- One region ---- */

static bool has_key(const Raftkv__OverviewRegion *region, struct slice key)
{
	return slice_compare(slice_of(region->start.data, region->start.len), key) <= 0 &&
	       (region->end.len == 0 || slice_compare(key, slice_of(region->end.data, region->end.len)) < 0);
}

/* Until a split has reached all stores, two regions may claim the key: the one that begins last is the later one. */
static size_t find_region(const Raftkv__OverviewReply *overview, const struct region_place *place)
{
	struct fs_key key = region_place_key(place);
	size_t found = overview->n_regions;

	for (size_t i = 0; i < overview->n_regions; i++)
		if (place->region > 0 ? overview->regions[i]->region == place->region
				      : has_key(overview->regions[i], fs_key_slice(&key)))
			found = i;
	return found;
}

uint64_t view_find_region(const Raftkv__OverviewReply *overview, const struct region_place *place)
{
	size_t i = find_region(overview, place);

	return i < overview->n_regions ? overview->regions[i]->region : 0;
}

int view_find_start(struct cluster *cluster, uint64_t region, struct buf **start, struct status *status)
{
	const struct region_place place = {.region = region};
	Raftkv__OverviewReply *overview;
	int code = cluster_overview(cluster, &overview, status);
	size_t i;

	*start = NULL;
	if (code < 0)
		return code;
	i = find_region(overview, &place);
	if (i == overview->n_regions)
		code = status_set(status, STATUS_REGION_NOT_FOUND,
			"the cluster has no region %" PRIu64 "; see 'raftkv region ls'", region);
	else if (overview->regions[i]->start.len > 0)
		*start = buf_copy(overview->regions[i]->start.data, overview->regions[i]->start.len);
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return code;
}

int view_region(struct command *command, const char *list, const struct region_place *place)
{
	Raftkv__OverviewReply *overview = load(list);
	struct status status = {0};
	int exit_code = COMMAND_OK;
	size_t i;

	if (!overview)
		return COMMAND_FAILED;
	i = find_region(overview, place);
	if (i == overview->n_regions) {
		status_set(&status, STATUS_REGION_NOT_FOUND, "the cluster has no region %.150s", place->text);
		exit_code = command_fail(&status);
	} else if (command->is_json) {
		write_regions(&command->json, NULL, &overview->regions[i], 1);
		putc('\n', command->json.file);
	} else {
		print_regions(&overview->regions[i], 1);
		print_members(overview->regions[i]);
	}
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return exit_code;
}

int view_regions(struct command *command, const char *list)
{
	Raftkv__OverviewReply *overview = load(list);
	size_t limit = view_limit(command), count;

	if (!overview)
		return COMMAND_FAILED;
	count = overview->n_regions < limit ? overview->n_regions : limit;
	if (command->is_json) {
		write_regions(&command->json, NULL, overview->regions, count);
		putc('\n', command->json.file);
	} else {
		print_regions(overview->regions, count);
		view_tell_left_out(overview->n_regions - count);
	}
	raftkv__overview_reply__free_unpacked(overview, NULL);
	return COMMAND_OK;
}

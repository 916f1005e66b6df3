/* The problems of a cluster, and their remedies. Each has a code, which is never given another meaning. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/size_text.h"
#include "proto/check.h"

#define SPACE_LOW_PERCENT    5
#define SPACE_SCARCE_PERCENT 15
#define EXCESS_AGE_S	     1800u
#define US_A_PERCENT	     10000u /* microseconds of CPU per second, of a core */
#define INTENT_AGE_MS	     5000u
#define BEHIND_COUNT	     4096 /* entries by which a current replica may be behind */

#define ALIKE_MAX      5u /* complaints of one code that are printed */
#define CODE_COUNT_MAX 32u

/* How often there was a complaint. */
struct complaint {
	const char *code;
	size_t count;
};

struct judging {
	struct command *command;
	const Raftkv__OverviewReply *overview;
	bool is_ill;
	struct complaint complaints[CODE_COUNT_MAX];
};

static struct complaint *count_complaint(struct judging *judging, const char *code)
{
	struct complaint *complaint = judging->complaints;

	while (complaint->code && strcmp(complaint->code, code) != 0)
		complaint++;
	check(complaint < judging->complaints + CODE_COUNT_MAX - 1);
	complaint->code = code;
	complaint->count++;
	return complaint;
}

/* Of many regions most may have the same trouble. JSON has all. */
static void tell_left_out(const struct judging *judging)
{
	const struct complaint *complaint = judging->complaints;

	for (; complaint->code && !judging->command->is_json; complaint++)
		if (complaint->count > ALIKE_MAX)
			printf("%s and %zu more of these: 'raftkv health --json' has all\n", complaint->code,
				complaint->count - ALIKE_MAX);
}

static void complain(struct judging *judging, const char *code, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void complain(struct judging *judging, const char *code, const char *remedy, const char *format, ...)
{
	struct json *json = &judging->command->json;
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	judging->is_ill = true;
	if (count_complaint(judging, code)->count > ALIKE_MAX && !judging->command->is_json)
		return;
	if (!judging->command->is_json) {
		printf("%s %s\n       %s\n", code, text, remedy);
		return;
	}
	json_begin(json, NULL, '{');
	json_string(json, "code", code);
	json_string(json, "text", text);
	json_string(json, "remedy", remedy);
	json_end(json, '}');
}

/* ---- Stores ---- */

/* By the report of the store that leads it. */
static void judge_stuck(struct judging *judging, const Raftkv__OverviewStore *store)
{
	const Raftkv__StoreStats *stats = store->stats;
	char size[SIZE_TEXT_SIZE];

	if (!stats || stats->stuck_region == 0 || !store->is_alive)
		return;
	complain(judging, "RKV113",
		"make new directories for a part of what is in it, and move the files there by copying them: "
		"a region "
		"is split between directories alone",
		"region %" PRIu64 " has %s, most of it under dirid:0x%" PRIx64 ", and cannot be split",
		stats->stuck_region, size_text(stats->stuck_size, size), stats->stuck_dirid);
}

static void judge_busy(struct judging *judging, const Raftkv__OverviewStore *store)
{
	const Raftkv__StoreStats *stats = store->stats;

	if (!stats || stats->busy_region == 0 || !store->is_alive)
		return;
	complain(judging, "RKV116",
		"spread what is asked for over several directories: a region is split between directories "
		"alone",
		"region %" PRIu64 " takes %u %% of a core, most of it under dirid:0x%" PRIx64
		", and cannot be split",
		stats->busy_region, stats->busy_cpu_us / US_A_PERCENT, stats->busy_dirid);
}

static bool is_roomy(const Raftkv__StoreStats *stats, uint32_t percent)
{
	return stats->space_available >= stats->space_total / 100 * percent;
}

static void judge_store(struct judging *judging, const Raftkv__OverviewStore *store)
{
	const Raftkv__StoreStats *stats = store->stats;

	if (!store->is_alive && store->state != STORE_LOST && store->silent_ms >= STORE_SILENCE_MS)
		complain(judging, "RKV102",
			"start it again; if its data is lost: 'raftkv store replace', and then 'raftkvd "
			"--join'",
			"store %" PRIu64 " at %.150s is silent for %" PRIu64 " s", store->store,
			store->address, store->silent_ms / 1000);
	if (store->state == STORE_LOST)
		complain(judging, "RKV108",
			"if this lasts, add a store ('raftkvd --join') that can take them",
			"store %" PRIu64 " is lost, and %u of its replicas are not yet made anew",
			store->store, store->replicas);
	if (stats && store->is_alive && stats->intent_age_ms > INTENT_AGE_MS)
		complain(judging, "RKV112",
			"it ends when the leader of that region answers, or another one has been elected",
			"an operation across regions has not ended in region %" PRIu64 " for %" PRIu64
			" s: it waits for region %" PRIu64,
			stats->intent_region, stats->intent_age_ms / 1000, stats->intent_awaits);
	if (stats && stats->is_full)
		complain(judging, "RKV106",
			"remove files, or give the disk more room; with a store to spare: 'raftkv store "
			"drain'",
			"the disk of store %" PRIu64 " has no room for more data", store->store);
	else if (stats && !is_roomy(stats, SPACE_LOW_PERCENT))
		complain(judging, "RKV106",
			"remove files, or give the disk more room; with a store to spare: 'raftkv store "
			"drain'",
			"less than 5 %% of the disk of store %" PRIu64 " is free", store->store);
	else if (stats && store->is_alive && !is_roomy(stats, SPACE_SCARCE_PERCENT))
		complain(judging, "RKV114",
			"add stores ('raftkvd --join'), give the disk more room, or remove files, before it "
			"is "
			"full",
			"%" PRIu64 " %% of the disk of store %" PRIu64 " is in use",
			100 - stats->space_available / (stats->space_total / 100), store->store);
	judge_stuck(judging, store);
	judge_busy(judging, store);
}

static bool is_of_another_version(const Raftkv__OverviewReply *overview, const Raftkv__OverviewStore **other)
{
	const char *version = NULL;

	for (size_t i = 0; i < overview->n_stores; i++) {
		*other = overview->stores[i];
		if (*(*other)->version == '\0')
			continue;
		if (version && strcmp(version, (*other)->version) != 0)
			return true;
		version = (*other)->version;
	}
	return false;
}

/* ---- Regions ---- */

static bool is_voter(const Raftkv__OverviewMember *member)
{
	return (member->replica->roles & REGION_VOTER) != 0;
}

static bool is_full(const Raftkv__OverviewReply *overview, uint64_t store)
{
	for (size_t i = 0; i < overview->n_stores; i++)
		if (overview->stores[i]->store == store)
			return overview->stores[i]->stats && overview->stores[i]->stats->is_full;
	return false;
}

/* Whether this replica has the whole log, or nearly: then the loss of the leader alone would lose nothing. */
static bool is_current(const Raftkv__OverviewRegion *region, const Raftkv__OverviewMember *member)
{
	return !member->is_in_snapshot && !member->wants_snapshot &&
	       member->match + BEHIND_COUNT >= region->last_index;
}

static void judge_copies(struct judging *judging, const Raftkv__OverviewRegion *region)
{
	const Raftkv__OverviewMember *behind = NULL;
	uint32_t voters = 0, current = 0;
	uint64_t store;

	if (!region->is_by_leader) /* no other replica knows how far they are */
		return;
	for (size_t i = 0; i < region->n_members; i++) {
		const Raftkv__OverviewMember *member = region->members[i];
		bool is_good = member->is_active && is_current(region, member);

		voters += is_voter(member);
		current += is_voter(member) && is_good;
		if (is_voter(member) && member->is_active && !is_good)
			behind = member;
	}
	if (!behind)
		return;
	store = behind->replica->store;
	complain(judging, "RKV109",
		is_full(judging->overview, store)
			? "remove files, or give that disk more room: it is then brought up to date by "
			  "itself; or put a larger store in its place: 'raftkv store replace'"
			: "it is being brought up to date; if this lasts, see that store's log",
		"region %" PRIu64 " has %u of %u replicas that are current: the one on store %" PRIu64
		" has the log up to %" PRIu64 " of %" PRIu64 "%s",
		region->region, current, voters, store, behind->match, region->last_index,
		is_full(judging->overview, store) ? ", and its disk is full" : "");
}

static void judge_room(struct judging *judging, const Raftkv__OverviewRegion *region)
{
	uint32_t voters = 0, full = 0;

	for (size_t i = 0; i < region->n_members; i++) {
		voters += is_voter(region->members[i]);
		full += is_voter(region->members[i]) &&
			is_full(judging->overview, region->members[i]->replica->store);
	}
	if (full > 0 && full > voters / 2)
		complain(judging, "RKV110", "remove files, give the disks more room, or add larger stores",
			"%u of %u stores that hold region %" PRIu64
			" have no room: writes to it are refused with ENOSPC",
			full, voters, region->region);
}

/* No store that answers leads it or knows who does. */
static void judge_leader(struct judging *judging, const Raftkv__OverviewRegion *region)
{
	uint32_t voters = 0, active = 0;

	if (view_leader_store(region) > 0)
		return;
	for (size_t i = 0; i < region->n_members; i++) {
		voters += is_voter(region->members[i]);
		active += is_voter(region->members[i]) && region->members[i]->is_active;
	}
	complain(judging, "RKV111",
		"most stores that hold it must run and reach each other; its requests wait meanwhile, and "
		"nothing "
		"is lost",
		"region %" PRIu64 " has no leader: %u of the %u stores that hold it are alive",
		region->region, active, voters);
}

static void judge_count(struct judging *judging, const Raftkv__OverviewRegion *region, uint32_t voters)
{
	uint32_t wanted = view_replicas_wanted(judging->overview);

	if (voters >= wanted)
		return;
	if (voters < PLACEMENT_REPLICAS)
		complain(judging, "RKV107",
			"add stores ('raftkvd --join') until there are as many as replicas are wanted",
			"region %" PRIu64 " has %u of %u replicas: it does not survive the loss of a store",
			region->region, voters, wanted);
	else
		complain(judging, "RKV107",
			"add stores ('raftkvd --join') until there are as many as replicas are wanted",
			"region %" PRIu64 " has %u of %u replicas", region->region, voters, wanted);
}

static void judge_region(struct judging *judging, const Raftkv__OverviewRegion *region)
{
	uint32_t voters = 0, active = 0;

	judge_leader(judging, region);
	judge_copies(judging, region);
	judge_room(judging, region);
	for (size_t i = 0; i < region->n_members; i++) {
		voters += is_voter(region->members[i]);
		active += is_voter(region->members[i]) && region->members[i]->is_active;
	}
	if (voters > 1 && active <= voters / 2 + 1 && active < voters)
		complain(judging, "RKV103", "bring its silent stores back, or replace them",
			"region %" PRIu64
			" has %u of %u voters alive: it would not survive the loss of one more",
			region->region, active, voters);
	judge_count(judging, region, voters);
	if (region->step == PLACEMENT_STUCK)
		complain(judging, "RKV104",
			"add a store ('raftkvd --join') or bring one back; 'raftkv store add' ends a drain",
			"region %" PRIu64 " is to leave a store, and no other one can take it",
			region->region);
}

/* It takes time to move what is too much: what shrinks is let be. */
static void judge_balance(struct judging *judging)
{
	const Raftkv__OverviewReply *overview = judging->overview;
	char size[SIZE_TEXT_SIZE];

	if (overview->excess_s < EXCESS_AGE_S)
		return;
	complain(judging, "RKV115",
		"look for what keeps it there: labels that leave no other place, stores that are silent, "
		"full or "
		"draining, a region that cannot be split; more stores in the same place take a part of it",
		"store %" PRIu64
		" has %s more than its share of the data, and that has not shrunk for %" PRIu64 " minutes",
		overview->excess_store, size_text(overview->excess_bytes, size), overview->excess_s / 60);
}

static void judge(struct judging *judging)
{
	const Raftkv__OverviewReply *overview = judging->overview;
	const Raftkv__OverviewStore *other;

	for (size_t i = 0; i < overview->n_stores; i++)
		judge_store(judging, overview->stores[i]);
	for (size_t i = 0; i < overview->n_regions; i++)
		judge_region(judging, overview->regions[i]);
	judge_balance(judging);
	if (is_of_another_version(overview, &other))
		complain(judging, "RKV105",
			"end the upgrade: restart the stores of the older version, one by one",
			"store %" PRIu64 " has version %.20s, others have another", other->store,
			other->version);
	tell_left_out(judging);
}

/* ---- Without a coordinator ---- */

/* No store coordinates the cluster: tells which of the listed stores answer. */
static void judge_silence(struct judging *judging, struct cluster *cluster, const struct status *why)
{
	const struct store_list *list = cluster_list(cluster);
	uint32_t answers = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		struct status status = {0};
		char *text;

		if (cluster_stats(cluster, list->addresses[i], &text, &status) == 0)
			answers++;
		else
			complain(judging, "RKV102", "start it, and see its log", "no store answers: %.200s",
				status.text);
		free(text);
	}
	complain(judging, "RKV101",
		"most stores must run and reach each other; requests wait meanwhile, and nothing is lost",
		"no store coordinates the cluster (%u of %u that were asked answer): %.100s", answers,
		list->count, why->text);
}

int view_judge(struct command *command, const char *list, bool *is_ill)
{
	struct judging judging = {.command = command};
	Raftkv__OverviewReply *overview = NULL;
	struct status status = {0};
	struct cluster *cluster;

	if (cluster_open(list, &cluster, &status) < 0)
		return command_fail(&status);
	if (cluster_overview(cluster, &overview, &status) == 0) {
		judging.overview = overview;
		judge(&judging);
		raftkv__overview_reply__free_unpacked(overview, NULL);
	} else {
		judge_silence(&judging, cluster, &status);
	}
	cluster_close(cluster);
	*is_ill |= judging.is_ill;
	return COMMAND_OK;
}

#include "tests/raft_chaos/profile.h"

#include <stddef.h>
#include <string.h>

/* A mix: the weight of each fault, and how bad network and disks are (0–3). */
struct mix {
	const char *name;
	uint32_t rough_network;
	uint32_t rough_disk;
	bool is_hasty; /* faults follow each other quickly, and neither PreVote nor CheckQuorum holds candidates back */
	uint32_t weights[FAULT_COUNT];
};

static const struct mix mixes[] = {
	{"calm", 0, 0, false,
		{[FAULT_TRANSFER] = 1, [FAULT_CONF_CHANGE] = 2, [FAULT_COMPACT] = 2, [FAULT_HIBERNATE] = 2}},
	{"lossy", 3, 1, false,
		{[FAULT_CRASH] = 1, [FAULT_CAMPAIGN] = 1, [FAULT_CONF_CHANGE] = 1, [FAULT_COMPACT] = 2}},
	{"split", 1, 1, false,
		{[FAULT_LAME_LEADER] = 2,
			[FAULT_LARGE_LOST] = 2,
			[FAULT_PARTITION] = 5,
			[FAULT_ISOLATE] = 5,
			[FAULT_BRIDGE] = 3,
			[FAULT_CONF_CHANGE] = 1,
			[FAULT_COMPACT] = 1,
			[FAULT_PAUSE] = 1}},
	{"crashes", 1, 2, false,
		{[FAULT_CRASH] = 8,
			[FAULT_PAUSE] = 2,
			[FAULT_COMPACT] = 3,
			[FAULT_CAMPAIGN] = 2,
			[FAULT_DISK_READ] = 2}},
	{"members", 1, 1, false,
		{[FAULT_CONF_CHANGE] = 14,
			[FAULT_CRASH] = 2,
			[FAULT_ISOLATE] = 3,
			[FAULT_PARTITION] = 2,
			[FAULT_TRANSFER] = 2,
			[FAULT_COMPACT] = 4}},
	{"elections", 2, 3, false,
		{[FAULT_CAMPAIGN] = 10,
			[FAULT_TRANSFER] = 5,
			[FAULT_FORGET_LEADER] = 3,
			[FAULT_ISOLATE] = 4,
			[FAULT_CRASH] = 2}},
	{"slow-disks", 2, 3, false,
		{[FAULT_CAMPAIGN] = 4,
			[FAULT_CRASH] = 4,
			[FAULT_PAUSE] = 3,
			[FAULT_ISOLATE] = 4,
			[FAULT_COMPACT] = 2,
			[FAULT_DISK_READ] = 3}},
	{"short-reigns", 1, 3, true,
		{[FAULT_LAME_LEADER] = 2, [FAULT_LARGE_LOST] = 4, [FAULT_CAMPAIGN] = 24, [FAULT_CRASH] = 1}},
	{"everything", 2, 2, false,
		{[FAULT_CRASH] = 3,
			[FAULT_PARTITION] = 3,
			[FAULT_ISOLATE] = 3,
			[FAULT_BRIDGE] = 1,
			[FAULT_PAUSE] = 2,
			[FAULT_CAMPAIGN] = 3,
			[FAULT_TRANSFER] = 3,
			[FAULT_FORGET_LEADER] = 2,
			[FAULT_CONF_CHANGE] = 5,
			[FAULT_COMPACT] = 4,
			[FAULT_DISK_READ] = 3,
			[FAULT_HIBERNATE] = 2}},
};

/* Lease-based reads are linearizable only while no other node can be elected within a live leader's lease: equal clocks, no
 * pauses, no cuts, no restarted voter that forgot which leader it heard from, no transfer. */
static const struct mix lease_mix = {
	"lease", 0, 1, false, {[FAULT_CONF_CHANGE] = 3, [FAULT_COMPACT] = 3, [FAULT_DISK_READ] = 1}};

const char *fault_name(enum fault fault)
{
	static const char *const names[] = {"crash", "partition", "isolate", "bridge", "lame leader",
		"large lost", "pause", "campaign", "transfer", "forget leader", "conf change", "compact",
		"disk read", "hibernate"};

	return names[fault];
}

static void choose_roughness(struct profile *profile, const struct mix *mix, struct random *random)
{
	static const uint32_t loss_max[] = {1, 60, 150, 300};
	static const uint32_t slow_max_ms[] = {1, 10, 60, 200};
	static const uint32_t storage_max_us[] = {0, 2000, 20000, 200000};

	profile->loss_permille = (uint32_t)random_below(random, loss_max[mix->rough_network]);
	profile->duplicate_permille = (uint32_t)random_below(random, loss_max[mix->rough_network]);
	profile->slow_permille = (uint32_t)random_below(random, loss_max[mix->rough_network] + 50);
	profile->slow_max_us = slow_max_ms[mix->rough_network] * 1000;
	profile->delay_max_us = (uint32_t)random_between(random, 500, 4000);
	profile->storage_max_us = (uint32_t)random_below(random, storage_max_us[mix->rough_disk] + 1);
	if (random_chance(random, 500))
		profile->fast_disks = (uint8_t)random_next(random);
	if (profile->async && profile->storage_max_us < 500)
		profile->storage_max_us = 500;
}

static void choose_options(
	struct profile *profile, struct random *random, const struct profile_request *request)
{
	profile->async = request->async || random_chance(random, 500);
	profile->pre_vote = random_chance(random, 500);
	profile->check_quorum = profile->lease_reads || random_chance(random, 600);
	profile->step_down_on_removal = random_chance(random, 500);
	profile->by_deadline = random_chance(random, 500);
	profile->leader_sends_early = random_chance(random, 500);
	profile->small_limits = random_chance(random, 400);
	profile->tick_us = 10000;
	profile->tick_skew_permille = profile->lease_reads ? 0 : (uint32_t)random_below(random, 400);
	profile->election_tick = (uint32_t)random_between(random, 5, 10);
}

static const struct mix *find_mix(const char *name)
{
	for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++)
		if (strcmp(mixes[i].name, name) == 0)
			return &mixes[i];
	return strcmp(lease_mix.name, name) == 0 ? &lease_mix : NULL;
}

bool profile_has_mix(const char *name)
{
	return find_mix(name) != NULL;
}

static const struct mix *choose_mix(struct random *random, const char *name)
{
	const struct mix *mix = &mixes[random_below(random, sizeof mixes / sizeof mixes[0])];

	if (random_chance(random, 60))
		mix = &lease_mix;
	return name ? find_mix(name) : mix;
}

void profile_choose(struct profile *profile, struct random *random, const struct profile_request *request)
{
	const struct mix *mix = choose_mix(random, request->mix);

	*profile = (struct profile){.lease_reads = mix == &lease_mix};
	profile->mix = mix->name;
	for (int i = 0; i < FAULT_COUNT; i++)
		profile->weights[i] = mix->weights[i];
	choose_options(profile, random, request);
	choose_roughness(profile, mix, random);
	profile->nodes = (uint32_t)random_between(random, mix->is_hasty ? 4 : 1, 7);
	if (profile->nodes < 3 && random_chance(random, 700))
		profile->nodes += 2; /* runs with one or two nodes find less */
	profile->voters = (uint32_t)random_between(random, mix->is_hasty ? 4 : 1, profile->nodes);
	if (profile->voters < 3 && profile->nodes >= 3 && random_chance(random, 700))
		profile->voters = 3;
	profile->learners = (uint32_t)random_below(random, profile->nodes - profile->voters + 1);
	profile->duration_us = (uint32_t)random_between(random, 400000, 1500000);
	profile->fault_every_us = (uint32_t)random_between(random, 15000, 60000);
	profile->client_every_us = (uint32_t)random_between(random, 3000, 15000);
	if (mix->is_hasty) {
		profile->fault_every_us = (uint32_t)random_between(random, 2000, 15000);
		profile->fast_disks = (uint8_t) ~(1u << random_between(random, 1, profile->nodes));
		profile->check_quorum = false;
		profile->pre_vote = false;
	}
}

/*
 * fs/placement: what is done next, for tables of stores and members; and that the steps, one after the other, lead to
 * rest without ever passing through a membership that could not decide.
 *
 * Stores: "1u 2d! 3x 4u>2": id; u(p), d(raining), l(ost), x (removed); '!' silent, '#' full, '+' two more regions, '*'
 * two more leaders, '>4' has an replacement. Members, by store, the leader first: "1v 2v~ 3L": v(oter), L(earner that has
 * caught up), l(earner that has not), o(utgoing), s (a voter that needs a snapshot); '~' not heard of. Replica 10 n is on store n.
 */
#include "fs/cluster/placement.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#define STORES_MAX 8

struct scene {
	struct placement_store stores[STORES_MAX];
	struct region_member members[STORES_MAX];
	struct placement placement;
};

static uint64_t number(const char **text)
{
	char *end;
	uint64_t value = strtoull(*text, &end, 10);

	*text = end;
	return value;
}

static void read_store(struct placement_store *store, const char **text)
{
	*store = (struct placement_store){.id = number(text), .is_alive = true};
	store->state = **text == 'u'   ? STORE_UP
		       : **text == 'd' ? STORE_DRAINING
		       : **text == 'l' ? STORE_LOST
				       : STORE_REMOVED;
	for ((*text)++; **text && **text != ' '; (*text)++) {
		store->is_alive &= **text != '!';
		store->is_full |= **text == '#';
		store->regions += **text == '+' ? 2 : 0;
		store->leaders += **text == '*' ? 2 : 0;
		if (**text != '>')
			continue;
		(*text)++;
		store->replacement = number(text);
		(*text)--;
	}
}

static void read_member(struct region_member *member, const char **text)
{
	uint64_t store = number(text);
	char role = **text;

	*member = (struct region_member){.peer = {.id = store * 10, .store = store},
		.match = role == 'l' ? 10 : 9999,
		.wants_snapshot = role == 's',
		.is_active = true};
	member->peer.roles = role == 'v'   ? REGION_VOTER
			     : role == 's' ? REGION_VOTER
			     : role == 'o' ? REGION_VOTER_OUTGOING
					   : REGION_LEARNER;
	for ((*text)++; **text && **text != ' '; (*text)++)
		member->is_active &= **text != '~';
}

static void set_scene(struct scene *scene, const char *stores, const char *members, uint32_t replicas)
{
	*scene = (struct scene){
		.placement = {.stores = scene->stores, .members = scene->members, .replicas = replicas}};
	while (*stores) {
		read_store(&scene->stores[scene->placement.store_count++], &stores);
		stores += *stores == ' ';
	}
	while (*members) {
		read_member(&scene->members[scene->placement.member_count++], &members);
		members += *members == ' ';
	}
	scene->placement.leader = scene->members[0].peer.id;
	scene->placement.last_index = 10000;
}

static const struct {
	const char *what;
	const char *stores, *members;
	uint32_t replicas;
	struct placement_step step;
} table[] = {
	{"nothing to do", "1u 2u 3u", "1v 2v 3v", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"a silent store keeps what it has", "1u 2u 3u! 4u", "1v 2v 3v~", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"a spare store stays spare", "1u 2u 3u 4u", "1v 2v 3v", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"five stay five", "1u 2u 3u 4u 5u", "1v 2v 3v 4v 5v", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"one grows with its cluster", "1u 2u", "1v", 0, {PLACEMENT_ADD, 2, 0, 0}},
	{"to three", "1u 2u 3u", "1v 2v", 0, {PLACEMENT_ADD, 3, 0, 0}},
	{"as told", "1u 2u 3u 4u 5u", "1v 2v 3v", 5, {PLACEMENT_ADD, 4, 0, 0}},
	{"a change is under way", "1u 2u 3d 4u", "1v 2v 3o 4v", 0, {PLACEMENT_WAIT, 0, 0, 0}},

	{"a successor first", "1u 2u 3d 4u", "1v 2v 3v", 0, {PLACEMENT_ADD, 4, 0, 0}},
	{"where least is", "1u 2u 3d 4u+ 5u", "1v 2v 3v", 0, {PLACEMENT_ADD, 5, 0, 0}},
	{"not where it is full", "1u 2u 3d 4u 5u#", "1v 2v 3v", 0, {PLACEMENT_ADD, 4, 0, 0}},
	{"nor where it is silent", "1u 2u 3d 4u! 5u+", "1v 2v 3v", 0, {PLACEMENT_ADD, 5, 0, 0}},
	{"to the replacement", "1u 2u 3d>5 4u 5u+", "1v 2v 3v", 0, {PLACEMENT_ADD, 5, 0, 0}},
	{"for whom one waits", "1u 2u 3d>5 4u 5u!", "1v 2v 3v", 0, {PLACEMENT_STUCK, 0, 0, 0}},
	{"unless it has gone", "1u 2u 3d>5 4u 5x", "1v 2v 3v", 0, {PLACEMENT_ADD, 4, 0, 0}},
	{"it catches up", "1u 2u 3d 4u", "1v 2v 3v 4l", 0, {PLACEMENT_WAIT, 0, 0, 0}},
	{"it has", "1u 2u 3d 4u", "1v 2v 3v 4L", 0, {PLACEMENT_PROMOTE, 4, 40, 30}},
	{"it died", "1u 2u 3d 4u! 5u", "1v 2v 3v 4L~", 0, {PLACEMENT_ADD, 5, 0, 0}},
	{"it is taken out", "1u 2u 3d 4d 5u", "1v 2v 3v 4L", 0, {PLACEMENT_REMOVE, 4, 0, 40}},
	{"who leads goes last", "1d 2u 3u 4u", "1v 2v 3v", 0, {PLACEMENT_TRANSFER, 2, 0, 0}},
	{"to who leads least", "1d 2u* 3u 4u", "1v 2v 3v", 0, {PLACEMENT_TRANSFER, 3, 0, 0}},
	{"not to the silent", "1d 2u! 3u 4u", "1v 2v~ 3v", 0, {PLACEMENT_TRANSFER, 3, 0, 0}},
	{"without a spare: fewer", "1u 2u 3d", "1v 2v 3v", 0, {PLACEMENT_REMOVE, 3, 0, 30}},
	{"a spare that is silent", "1u 2u 3d 4u!", "1v 2v 3v", 0, {PLACEMENT_STUCK, 0, 0, 0}},
	{"one that leads alone", "1d 2u", "1v", 0, {PLACEMENT_ADD, 2, 0, 0}},
	{"is followed", "1d 2u", "1v 2L", 0, {PLACEMENT_PROMOTE, 2, 20, 0}},
	{"and goes", "2u 1d", "2v 1v", 0, {PLACEMENT_REMOVE, 1, 0, 10}},

	{"the lost is replaced", "1u 2u 3l! 4u", "1v 2v 3v~", 0, {PLACEMENT_ADD, 4, 0, 0}},
	{"in one change", "1u 2u 3l! 4u", "1v 2v 3v~ 4L", 0, {PLACEMENT_PROMOTE, 4, 40, 30}},
	{"or dropped", "1u 2u 3l!", "1v 2v 3v~", 0, {PLACEMENT_REMOVE, 3, 0, 30}},
	{"the dead goes before the living", "1u 2u 3d 4l! 5u", "1v 2v 3v 4v~ 5L", 4,
		{PLACEMENT_PROMOTE, 5, 50, 40}},
	{"never below a majority", "1u 2u! 3d 4u!", "1v 2v~ 3v", 2, {PLACEMENT_STUCK, 0, 0, 0}},

	{"too many: the silent", "1u 2u 3u! 4u", "1v 2v 3v~ 4v", 3, {PLACEMENT_REMOVE, 3, 0, 30}},
	{"too many: where most is", "1u+ 2u 3u+ 4u", "1v 2v 3v 4v", 3, {PLACEMENT_REMOVE, 3, 0, 30}},
	{"leaders are spread", "1u* 2u 3u", "1v 2v 3v", 0, {PLACEMENT_TRANSFER, 2, 0, 0}},
	{"not to a full store", "1u* 2u# 3u#", "1v 2v 3v", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"a full store hands the lead over", "1u# 2u 3u", "1v 2v 3v", 0, {PLACEMENT_TRANSFER, 2, 0, 0}},
	{"to one that is not full", "1u# 2u# 3u*", "1v 2v 3v", 0, {PLACEMENT_TRANSFER, 3, 0, 0}},
	{"that has caught up", "1u# 2u 3u*", "1v 2s 3v", 0, {PLACEMENT_TRANSFER, 3, 0, 0}},
	{"and keeps it where all are full", "1u# 2u# 3u#", "1v 2v 3v", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"a store on no record stays", "1u 2u", "1v 2v 9v", 0, {PLACEMENT_REST, 0, 0, 0}},
	{"a learner that nobody needs stays", "1u 2u 3u 4u", "1v 2v 3v 4L", 0, {PLACEMENT_REST, 0, 0, 0}},
};

static void each_scene_has_its_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct placement_step *wanted = &table[i].step;
		struct placement_step got;
		struct scene scene;

		set_scene(&scene, table[i].stores, table[i].members, table[i].replicas);
		got = placement_next(&scene.placement);
		if (got.kind != wanted->kind || got.store != wanted->store ||
			got.replica != wanted->replica || got.leaving != wanted->leaving)
			fail_msg("%s: kind %d, store %llu, replica %llu, leaving %llu", table[i].what,
				got.kind, (unsigned long long)got.store, (unsigned long long)got.replica,
				(unsigned long long)got.leaving);
	}
}

/* ---- Goals ---- */

#define MOVE(from, to)                                                                                       \
	{                                                                                                    \
		PLACEMENT_GOAL_MOVE, from, to                                                                \
	}
#define LEAD(to)                                                                                             \
	{                                                                                                    \
		PLACEMENT_GOAL_LEAD, 0, to                                                                   \
	}

static const struct {
	const char *what;
	const char *stores, *members;
	uint32_t replicas;
	struct placement_goal goal;
	struct placement_step step;
} goals[] = {
	{"a learner first", "1u 2u 3u 4u 5u+", "1v 2v 3v", 3, MOVE(3, 5), {PLACEMENT_ADD, 5, 0, 0}},
	{"that catches up", "1u 2u 3u 5u", "1v 2v 3v 5l", 3, MOVE(3, 5), {PLACEMENT_WAIT, 0, 0, 0}},
	{"and takes its place", "1u 2u 3u 5u", "1v 2v 3v 5L", 3, MOVE(3, 5), {PLACEMENT_PROMOTE, 5, 50, 30}},
	{"then all is done", "1u 2u 3u 5u", "1v 2v 5v", 3, MOVE(3, 5), {PLACEMENT_REST, 0, 0, 0}},
	{"whatever else there is to do", "1u** 2u 3u 5u", "1v 2v 5v", 3, MOVE(3, 5),
		{PLACEMENT_REST, 0, 0, 0}},
	{"a joint change", "1u 2u 3u 5u", "1v 2v 3o 5v", 3, MOVE(3, 5), {PLACEMENT_WAIT, 0, 0, 0}},
	{"who leads stays until then", "1u 2u 3u 5u", "1v 2v 3v 5l", 3, MOVE(1, 5),
		{PLACEMENT_WAIT, 0, 0, 0}},
	{"and hands over", "1u 2u* 3u 5u", "1v 2v 3v 5L", 3, MOVE(1, 5), {PLACEMENT_TRANSFER, 3, 0, 0}},
	{"not to who has not caught up", "1u 2u 3u 5u", "1v 2s 3s 5L", 0, MOVE(1, 5),
		{PLACEMENT_PROMOTE, 5, 50, 0}},
	{"with the vote", "1u 2u 3u 5u", "1v 2s 3s 5v", 0, MOVE(1, 5), {PLACEMENT_TRANSFER, 5, 0, 0}},
	{"but not below the number", "1u 2u 5u", "1v 2v 5v", 0, MOVE(1, 5), {PLACEMENT_STUCK, 0, 0, 0}},
	{"the one that is left goes", "1u 2u 3u 5u", "5v 1v 2v 3v", 0, MOVE(1, 5),
		{PLACEMENT_REMOVE, 1, 0, 10}},
	{"four stay four", "1u 2u 3u 4u 5u", "1v 2v 3v 4v 5L", 0, MOVE(4, 5), {PLACEMENT_PROMOTE, 5, 50, 40}},
	{"to a full store", "1u 2u 3u 5u#", "1v 2v 3v", 3, MOVE(3, 5), {PLACEMENT_STUCK, 0, 0, 0}},
	{"to a silent one", "1u 2u 3u 5u!", "1v 2v 3v", 3, MOVE(3, 5), {PLACEMENT_STUCK, 0, 0, 0}},
	{"that has died", "1u 2u 3u 5u!", "1v 2v 3v 5l~", 3, MOVE(3, 5), {PLACEMENT_STUCK, 0, 0, 0}},
	{"to a draining one", "1u 2u 3u 5d", "1v 2v 3v", 3, MOVE(3, 5), {PLACEMENT_STUCK, 0, 0, 0}},
	{"to none on record", "1u 2u 3u", "1v 2v 3v", 3, MOVE(3, 5), {PLACEMENT_STUCK, 0, 0, 0}},
	{"one more", "1u 2u 3u", "1v 2v", 3, MOVE(0, 3), {PLACEMENT_ADD, 3, 0, 0}},
	{"gets its vote", "1u 2u 3u", "1v 2v 3L", 3, MOVE(0, 3), {PLACEMENT_PROMOTE, 3, 30, 0}},
	{"from the dead", "1u 2u 3u! 5u", "1v 2v 3v~ 5L", 3, MOVE(3, 5), {PLACEMENT_PROMOTE, 5, 50, 30}},
	{"no majority would be left", "1u 2u! 3u 5u", "1v 2v~ 3v", 3, MOVE(3, 0), {PLACEMENT_STUCK, 0, 0, 0}},
	{"one too many", "1u 2u 3u 4u", "1v 2v 3v 4v", 3, MOVE(4, 0), {PLACEMENT_REMOVE, 4, 0, 40}},
	{"which leads", "1u 2u* 3u* 4u", "1v 2v 3v 4v", 3, MOVE(1, 0), {PLACEMENT_TRANSFER, 4, 0, 0}},
	{"not one too few", "1u 2u 3u 4u", "1v 2v 3v", 3, MOVE(3, 0), {PLACEMENT_STUCK, 0, 0, 0}},
	{"a learner that nobody needs", "1u 2u 3u 4u", "1v 2v 3v 4l", 3, MOVE(4, 0),
		{PLACEMENT_REMOVE, 4, 0, 40}},
	{"lead", "1u 2u 3u**", "1v 2v 3v", 3, LEAD(3), {PLACEMENT_TRANSFER, 3, 0, 0}},
	{"it leads", "1u 2u 3u", "3v 1v 2v", 3, LEAD(3), {PLACEMENT_REST, 0, 0, 0}},
	{"it cannot lead", "1u 2u 3u", "1v 2v 3s", 3, LEAD(3), {PLACEMENT_STUCK, 0, 0, 0}},
	{"it has no vote", "1u 2u 3u", "1v 2v 3L", 3, LEAD(3), {PLACEMENT_STUCK, 0, 0, 0}},
	{"it is not there", "1u 2u 3u 4u", "1v 2v 3v", 3, LEAD(4), {PLACEMENT_STUCK, 0, 0, 0}},
};

static void each_goal_has_its_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
		const struct placement_step *wanted = &goals[i].step;
		struct placement_step got;
		struct scene scene;

		set_scene(&scene, goals[i].stores, goals[i].members, goals[i].replicas);
		scene.placement.goal = goals[i].goal;
		got = placement_next(&scene.placement);
		if (got.kind != wanted->kind || got.store != wanted->store ||
			got.replica != wanted->replica || got.leaving != wanted->leaving)
			fail_msg("%s: kind %d, store %llu, replica %llu, leaving %llu", goals[i].what,
				got.kind, (unsigned long long)got.store, (unsigned long long)got.replica,
				(unsigned long long)got.leaving);
	}
}

/* ---- One step after the other ---- */

static struct region_member *member_of(struct scene *scene, uint64_t replica)
{
	for (uint32_t i = 0; i < scene->placement.member_count; i++)
		if (scene->members[i].peer.id == replica)
			return &scene->members[i];
	fail_msg("no replica %llu", (unsigned long long)replica);
	return NULL;
}

static bool is_active_majority(const struct scene *scene)
{
	uint32_t voters = 0, active = 0;

	for (uint32_t i = 0; i < scene->placement.member_count; i++) {
		voters += scene->members[i].peer.roles == REGION_VOTER;
		active += scene->members[i].peer.roles == REGION_VOTER && scene->members[i].is_active;
	}
	return active * 2 > voters;
}

static void remove_member(struct scene *scene, uint64_t replica)
{
	struct region_member *member = member_of(scene, replica);

	assert_true(replica != scene->placement.leader);
	*member = scene->members[--scene->placement.member_count];
}

static void take(struct scene *scene, const struct placement_step *step)
{
	if (step->kind == PLACEMENT_ADD) {
		assert_true(scene->placement.member_count < STORES_MAX);
		scene->members[scene->placement.member_count++] = (struct region_member){
			.peer = {.id = step->store * 10, .store = step->store, .roles = REGION_LEARNER},
			.is_active = true};
	} else if (step->kind == PLACEMENT_WAIT) {
		for (uint32_t i = 0; i < scene->placement.member_count; i++)
			if (scene->members[i].is_active)
				scene->members[i].match = 9999;
	} else if (step->kind == PLACEMENT_TRANSFER) {
		scene->placement.leader = step->store * 10;
		assert_int_equal(member_of(scene, scene->placement.leader)->peer.roles, REGION_VOTER);
	}
	if (step->kind == PLACEMENT_PROMOTE)
		member_of(scene, step->replica)->peer.roles = REGION_VOTER;
	if (step->leaving > 0)
		remove_member(scene, step->leaving);
}

/* Any states of seven stores and any of them as members: rest comes, or it is stuck for want of a store. */
static void steps_lead_to_rest(void **state)
{
	static const enum store_state states[] = {STORE_UP, STORE_UP, STORE_UP, STORE_DRAINING, STORE_LOST};
	uint32_t rested = 0;

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct scene scene;
		struct placement_step step = {0};
		int steps = 0;

		set_scene(&scene, "1u 2u 3u 4u 5u 6u 7u", "1v 2v 3v", 0);
		for (uint32_t i = 0; i < 7; i++) {
			scene.stores[i].state = states[rand() % 5];
			scene.stores[i].is_alive = scene.stores[i].state != STORE_LOST && rand() % 8 > 0;
		}
		for (uint32_t i = 0; i < 3; i++)
			scene.members[i].is_active = scene.stores[i].is_alive;
		if (!scene.stores[0].is_alive || !is_active_majority(&scene))
			continue; /* nobody leads */
		do {
			step = placement_next(&scene.placement);
			take(&scene, &step);
			assert_true(is_active_majority(&scene));
		} while (step.kind != PLACEMENT_REST && step.kind != PLACEMENT_STUCK && ++steps < 40);
		assert_true(step.kind == PLACEMENT_REST || step.kind == PLACEMENT_STUCK);
		rested += step.kind == PLACEMENT_REST;
		for (uint32_t i = 0; step.kind == PLACEMENT_REST && i < scene.placement.member_count; i++)
			assert_int_equal(scene.stores[scene.members[i].peer.store - 1].state, STORE_UP);
	}
	assert_true(rested > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scene_has_its_step),
		cmocka_unit_test(each_goal_has_its_step),
		cmocka_unit_test(steps_lead_to_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * hibernation.h: replicas of an idle region sleep: they send nothing, and no timer of theirs runs.
 *
 * The leader begins. When its region has had no work for a while and nothing is pending, it says PEER_WORD_SLEEP to every
 * other member. A follower that has nothing pending either, and has applied the leader's whole log, falls asleep and says
 * so. When all sleep, the leader does.
 *
 *  1. Sleep changes no promise. The log, the term, the vote and the lease's bound stay as they are. A lease that is
 *     renewed by nobody ends. Raft's clock stands still for timers alone.
 *  2. The leader sleeps only if every member has its whole log and has answered its last word, but for those whose store is
 *     dead. Any message that it sends later wakes its receiver, so it ends the round of words (hibernation_on_sent). It
 *     speaks when all have answered its last message, so that none is under way.
 *  3. A follower sleeps only at its leader's word, in that leader's term. So while it sleeps, its group has no leader of a
 *     later term that sleeps: that one would have had its answer, or holds the store for dead, and wakes when it hears of
 *     it (4).
 *  4. A leader wakes when the store of a member comes: it was dead and is alive, or is in another incarnation (liveness.h).
 *     So a member that comes back finds a leader that is awake. Who wakes for that has no work: it sleeps again at once.
 *     A follower sleeps only while the store of its leader is alive, in the same incarnation. Then it waits for its turn to
 *     campaign (campaign.h).
 *  5. A replica that is asked anything, or gets a message, wakes. A follower that was not woken by its leader tells all
 *     others to wake. The leader answers by its heartbeats. If it is dead, an election follows within the usual time,
 *     because a replica that wakes counts its election timeout from then.
 *  6. A word that is lost, late or repeated does no harm. Who stays awake alone hears no heartbeats, asks for votes, and
 *     so wakes the others, who ignore such a request as if their leader had just been heard.
 *
 * A region's only replica sleeps whenever it is idle. All calls on the peer's loop.
 */
#ifndef RAFTKV_STORE_PEER_HIBERNATION_H
#define RAFTKV_STORE_PEER_HIBERNATION_H

#include <stdbool.h>
#include <stdint.h>

struct peer;
struct peer_envelope;
struct raft_message;

struct hibernation {
	uint64_t active; /* env_now: when the region last had work; 0: never */
	uint64_t spoken; /* env_now: when the leader last said PEER_WORD_SLEEP; 0: never */
	uint64_t last_round;
	uint64_t round; /* in which answers count; 0: none */
	uint64_t term, index; /* the leader's term and the end of its log, at the last look */
	/* Members, bit n for the region's n-th peer: */
	uint64_t heard; /* that have said something since the leader's last message */
	uint64_t asleep; /* that have answered in this round */
	uint64_t since; /* liveness_version when it fell asleep */
	bool is_counted; /* in shard.asleep */
};

/* Whether the replica, which is here, sleeps. */
bool hibernation_is_on(const struct peer *peer);
/* Tells all other members to wake. */
void hibernation_call(struct peer *peer);
/* The replica is asked for something: it wakes, and its group with it. The region is not idle. */
void hibernation_wake(struct peer *peer);
/* A word has come, and was admitted. */
void hibernation_hear(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message);
/* A message of Raft has been stepped. `was_asleep`: before that. */
void hibernation_on_stepped(struct peer *peer, bool was_asleep, const struct raft_message *message);
/* A message of Raft has been sent. */
void hibernation_on_sent(struct peer *peer);
/* At the end of a turn: falls asleep, or says the word, if it is time. */
void hibernation_go_on(struct peer *peer);
/* The life of a store has changed, or nobody has looked for long: wakes if it must, and asks for the stores again. Returns
 * whether it has woken. */
bool hibernation_look(struct peer *peer);
/* The replica is leaving. */
void hibernation_end(struct peer *peer);

#endif

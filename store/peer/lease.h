/*
 * The leader's lease (consensus.md § The lease): until its bound no other peer of the group can lead, so that the leader
 * may answer reads from its own state. It counts from the moment the request was *sent* whose quorum of answers renewed it.
 *
 * Invariant: the bound only grows while the lease is valid. A suspect lease (a transfer is on its way) stays useless
 * until the next term. On the peer's loop; the bound is published to the LocalReader by the peer.
 */
#ifndef RAFTKV_STORE_PEER_LEASE_H
#define RAFTKV_STORE_PEER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct lease {
	uint64_t duration; /* ns; 0: leases are off */
	uint64_t bound; /* env_now's time at which it ends; 0: none was ever granted */
	bool is_suspect;
};

void lease_init(struct lease *lease, uint64_t duration);
/* A quorum has answered what was sent at `sent`. */
void lease_renew(struct lease *lease, uint64_t sent);
/* Another peer may lead from now on; renewals have no effect until lease_expire. */
void lease_suspect(struct lease *lease);
/* The leadership has ended. */
void lease_expire(struct lease *lease);
bool lease_is_valid(const struct lease *lease, uint64_t now);
/* The end of the lease as it may be told to other threads; 0: none. */
uint64_t lease_bound(const struct lease *lease);

#endif

/*
 * The leader's lease (consensus.md § The lease). Until its bound no other peer of the group can lead, so the leader may
 * answer reads from its own state. The lease counts from the moment the leader *sent* the request that a quorum
 * answered.
 *
 * Invariant: the bound only grows while the lease is valid. A suspect lease (a leader transfer is under way) is not
 * valid until lease_expire. On the peer's loop; the bound is published to the LocalReader by the peer.
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
/* A quorum has answered a request sent at `sent`. */
void lease_renew(struct lease *lease, uint64_t sent);
/* Another peer may lead from now on; renewals have no effect until lease_expire. */
void lease_suspect(struct lease *lease);
/* The leadership has ended. */
void lease_expire(struct lease *lease);
bool lease_is_valid(const struct lease *lease, uint64_t now);
/* The lease's end, to be published to other threads; 0: no valid lease. */
uint64_t lease_bound(const struct lease *lease);

#endif

/*
 * sim_env.h: simulated environments. A *world* is virtual time, a seed and some *nodes*; a node is a machine that runs
 * one process: a `struct env`, a disk, a clock. Everything happens in the calling thread, inside sim_run, sim_step,
 * env_loop_run or env_loop_free. The same seed and the same calls give the same sim_trace.
 *
 * Time passes only between callbacks: to the next event, plus a little for each. Mail between two loops keeps its
 * order and takes a random time, so that mail of different loops is shuffled; timers are late, work and file requests
 * take a random time. Blocking calls take none.
 *
 * Death of a process. sim_node_kill (kill -9) and sim_node_crash (power loss) make its env *dead*: requests under way are
 * dropped without a callback. The dead env's objects stay valid until sim_world_free; file calls on it fail with -EIO and
 * change nothing, posts and requests are ignored. The caller's own objects remain: either it leaks them (leak checking is
 * off in programs that use this file), or it frees what it can. sim_node_start then makes the env of the next process on
 * the same disk.
 *
 * The disk after a power loss. Synced writes are there: those that had completed before an env_file_sync of the file, and
 * those made through ENV_OPEN_DSYNC (their 512-byte sectors, and the size that these need). Every other write, completed
 * or under way, is dropped, kept, or kept in part, by write, by 4096-byte page or by sector, in any order;
 * a sector is never torn, and a part of an enlarged file may read as zeroes. Names made, moved and removed are durable
 * after env_sync_dir of their directory; without it each directory keeps the first few changes since its last sync. A
 * rename is atomic. A file whose name was not durable is gone, whatever was synced in it.
 *
 * A crash test is a loop over seeds:
 *
 *	struct sim_world *world = sim_world_new(seed);
 *	struct sim_node *node = sim_node_new(world, "store");
 *	struct env *env = sim_node_start(node);
 *
 *	sim_node_crash_after(node, sim_random(world, 200));      power fails in the middle of some disk operation
 *	open the thing on `env` at "/log", submit writes, remember what was acknowledged;
 *	sim_run(world, 10 * (uint64_t)SIM_S, all_done, test);             also ends when all_done sees !sim_node_is_up(node)
 *	if (sim_node_is_up(node))
 *		sim_node_crash(node);
 *	env = sim_node_start(node);
 *	open it again on `env`: all that was acknowledged must be there, and nothing that was never written;
 *	sim_world_free(world);
 */
#ifndef RAFTKV_TESTS_LIB_SIM_ENV_H
#define RAFTKV_TESTS_LIB_SIM_ENV_H

#include "proto/env.h"

#define SIM_US 1000u
#define SIM_MS 1000000u
#define SIM_S  1000000000u

struct sim_world;
struct sim_node;
struct sim_disk;

/* ---- The world -------------------------------------------------------------------------------------------------- */

struct sim_world *sim_world_new(uint64_t seed);
void sim_world_free(struct sim_world *world); /* with all its nodes and all envs there ever were */
uint64_t sim_time(const struct sim_world *world); /* ns since it began */
uint64_t sim_trace(const struct sim_world *world); /* a hash of every event so far */
uint64_t sim_random(struct sim_world *world, uint64_t below); /* [0, below); `below` > 0 */
bool sim_chance(struct sim_world *world, uint32_t ppm); /* true `ppm` times in a million */

/* Runs the next event; false: there is none, and none will come by itself. */
bool sim_step(struct sim_world *world);
/* Runs until `until` (NULL: never) says true: asked before each event; or for `duration` ns, or to the last event.
 * Returns what `until` says at the end. */
bool sim_run(struct sim_world *world, uint64_t duration, bool (*until)(void *argument), void *argument);

/* ---- Nodes ------------------------------------------------------------------------------------------------------ */

/* Down, with an empty disk. Freed with the world. */
struct sim_node *sim_node_new(struct sim_world *world, const char *name);
struct env *sim_node_start(struct sim_node *node); /* of a node that is down */
bool sim_node_is_up(const struct sim_node *node);
struct env *sim_node_env(struct sim_node *node); /* NULL: down */
void sim_node_kill(struct sim_node *node); /* the disk keeps all that completed */
void sim_node_crash(struct sim_node *node); /* of a node that is up, or was killed */
/* Of a node that is down: another disk, empty, or with what is on the node's. It is left behind. */
struct sim_disk *sim_node_new_disk(struct sim_node *node, bool is_copy);
/* Of a node that is down: its disk becomes that one, and that one what it was. */
void sim_node_swap_disk(struct sim_node *node, struct sim_disk *disk);
/* Crashes inside the disk operation after the next `operations` ones; open for writing, write, sync, truncate, rename
 * and so on count, blocking or not. */
void sim_node_crash_after(struct sim_node *node, uint64_t operations);
uint64_t sim_node_operations(
	const struct sim_node *node); /* disk operations so far: what to draw the above from */
/* SIGSTOP: nothing runs on the node for `duration` ns; its clock goes on. */
void sim_node_pause(struct sim_node *node, uint64_t duration);
bool sim_node_is_paused(const struct sim_node *node);
/* The node's clock runs at 1 + drift_ppm / 10^6 of the world's from now on; a restart also begins it anew at random. */
void sim_node_set_drift(struct sim_node *node, int32_t drift_ppm);
void sim_node_take_cpu(struct sim_node *node, uint64_t duration); /* ns; env_cpu is 0 unless this is called */
void sim_node_jump_wall(struct sim_node *node, int64_t by); /* ns; env_wall only */

/* ---- The disk's faults ------------------------------------------------------------------------------------------ */

/* Of all files, change at will; zero is a disk without faults, without limit, with the usual latency. */
struct sim_disk_faults {
	const char *
		only; /* faults other than capacity and latency: only in files whose path contains this; or NULL */
	uint32_t read_error_ppm; /* -EIO */
	uint32_t write_error_ppm; /* -EIO; any part of it may have been written */
	uint32_t
		sync_error_ppm; /* -EIO; what was to be synced is never written, though it can be read until a crash */
	uint32_t rot_ppm; /* of reads: first a bit of what is read flips, for good */
	uint32_t lost_ppm; /* of writes: 0, and nothing is written */
	uint32_t misdirected_ppm; /* of writes: 0, and it lands in other pages of the file */
	uint64_t capacity; /* bytes, in pages of 4 KiB; then -ENOSPC */
	uint64_t latency; /* ns of a request, about; 16 × now and then [100 µs] */
	/* ns that opening or reading a file blocks for, about, while no callback runs: the world goes on meanwhile. */
	uint64_t blocking;
};

struct sim_disk_faults *sim_node_faults(struct sim_node *node);
uint64_t sim_node_faults_fired(const struct sim_node *node); /* errors, rot, losses, misdirections */

/* ---- The network ------------------------------------------------------------------------------------------------ */

/*
 * Addresses: "NAME:port" of any node, "localhost:port" and "unix:/path" of the node itself. Bytes arrive in pieces of
 * any size, in order. A write is done when its bytes are in the window of its connection, 256 KiB, which empties as
 * the other end takes them. A killed process resets its connections; of one that lost power the others hear only by
 * their own limits: what cannot be delivered for 20 s fails the connection with -ETIMEDOUT, as does a connection that
 * cannot be made; a node that is up again resets what it does not know.
 */
struct sim_link {
	uint64_t latency; /* ns one way, about; 16 × now and then [100 µs; 10 µs within a node] */
	uint64_t bytes_per_s; /* 0: as fast as can be */
	uint32_t reset_ppm; /* of pieces: the connection breaks instead, -ECONNRESET at both ends */
	bool is_cut; /* nothing passes; what was sent waits */
};

/* From one node to another; change at will. A partition cuts both ways, unless it is to be one-way. */
struct sim_link *sim_net_link(struct sim_node *from, struct sim_node *to);
/* The user that the node's process runs as from now on: what others see of it on a Unix socket [0]. */
void sim_node_set_uid(struct sim_node *node, uint32_t uid);
/* Breaks the connections between two nodes. */
void sim_net_reset(struct sim_node *a, struct sim_node *b);
/* The first node gives up its connections to the second, -ETIMEDOUT, but what it has sent arrives there when it is due, and
 * only then the connections break: so what the first one sends again over new ones may come before it. */
void sim_net_strand(struct sim_node *from, struct sim_node *to);

#endif

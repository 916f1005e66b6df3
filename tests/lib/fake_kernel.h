/*
 * fake_kernel.h: stands in for the kernel of a mount: it sends requests as the kernel does and takes the answers, over
 * sockets in place of /dev/fuse. A whole front on a fake_raftkv serves it, both on one loop (and thread) of the real
 * environment.
 */
#ifndef RAFTKV_TESTS_LIB_FAKE_KERNEL_H
#define RAFTKV_TESTS_LIB_FAKE_KERNEL_H

#include <linux/fuse.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "fs/vfs/front.h"
#include "tests/lib/fake_raftkv.h"

#define FAKE_KERNEL_LANES   2u
#define FAKE_KERNEL_UNKNOWN 8u

struct fake_kernel {
	struct env *env;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct client *client;
	struct front *front;
	int sockets[FAKE_KERNEL_LANES]; /* the kernel's ends */
	int ends[FAKE_KERNEL_LANES]; /* the front's, until it takes them */
	unsigned taken;
	uint64_t unique;
	sem_t ended;
	_Atomic uint64_t unknown[FAKE_KERNEL_UNKNOWN]; /* inodes that it does not know; 0: a free place */
	atomic_uint attribute_drops;
	/* Of a mount that is not the only client: */
	bool is_shared;
	atomic_uint drops; /* of pages */
	atomic_bool is_slow; /* a drop waits for may_drop */
	sem_t may_drop;
	uint32_t offered; /* flags of INIT */
	struct fuse_init_out init; /* what the front answered */
};

struct fake_answer {
	struct fuse_out_header header;
	uint8_t body[65536 + 4096];
	size_t size; /* of the body; what does not fit is dropped */
};

/* Mounts: INIT offers every flag. */
void fake_kernel_init(struct fake_kernel *kernel, const struct fake_raftkv_options *options);
/* The same, of a kernel that does not open directories by itself (before Linux 5.1). */
void fake_kernel_init_old(struct fake_kernel *kernel, const struct fake_raftkv_options *options);
/* The same, of a mount that is not the only client. */
void fake_kernel_init_shared(struct fake_kernel *kernel, const struct fake_raftkv_options *options);
/* The connection ends, as at umount; then everything is taken down. Fails when the front does not end. */
void fake_kernel_close(struct fake_kernel *kernel);
/* The first half of close: the kernel's ends are closed. */
void fake_kernel_hang_up(struct fake_kernel *kernel);

/* Sends one request and gives its id. `size` bytes of `argument` follow the header. */
uint64_t fake_kernel_send(struct fake_kernel *kernel, unsigned lane, uint32_t opcode, uint64_t node,
	const void *argument, size_t size);
/* Sends FORGET of one lookup; `is_last`: the kernel does not know the inode any more. */
void fake_kernel_forget(struct fake_kernel *kernel, uint64_t node, bool is_last);
/* The next message on a lane; false: none within `timeout_ms`. */
bool fake_kernel_receive(
	struct fake_kernel *kernel, unsigned lane, struct fake_answer *answer, int timeout_ms);
/* Runs a function on the front's loop, and waits for it. */
void fake_kernel_on_loop(struct fake_kernel *kernel, void (*run)(struct fake_kernel *kernel));

#endif

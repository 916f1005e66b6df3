/*
 * channel.h: the descriptor between the kernel and the mount: /dev/fuse, mount(2), clones, unmounting.
 *
 * We mount by ourselves rather than through libfuse, because replies have to leave by the descriptor that their request
 * came from and libfuse 3.14 knows one descriptor only. Without privilege the mount is made by fusermount3, which hands
 * its descriptor over a socket. Linux: Documentation/filesystems/fuse.rst.
 */
#ifndef RAFTKV_FS_FUSE_CHANNEL_H
#define RAFTKV_FS_FUSE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

struct channel_options {
	const char *source; /* as /proc/mounts shows it */
	const char *directory; /* absolute, exists */
	unsigned long flags; /* MS_NOSUID, MS_RDONLY, … */
	bool allow_other; /* everybody, not the mounting user alone */
	bool subtype; /* type "fuse.raftkv"; else "fuse" */
	const char *extra; /* more options for the kernel ("context=…"), or NULL */
};

struct channel {
	int fd; /* non-blocking, close-on-exec; closed by channel_close */
	bool is_privileged; /* mounted by mount(2) */
	char *directory;
};

/* Mounts. The kernel's INIT request is then the first thing to read. */
int channel_open(struct channel *channel, const struct channel_options *options, struct status *status);
/* Another descriptor of the same connection (FUSE_DEV_IOC_CLONE); the caller's to close. 0 or -errno. */
int channel_clone(const struct channel *channel, int *fd);
/* Does the kernel have this inode in memory? Asks by telling it to look at the attributes anew (FUSE_NOTIFY_INVAL_INODE
 * answers ENOENT for what it does not know). May wait for the kernel's writeback of the inode. */
bool channel_is_known(const struct channel *channel, uint64_t ino);
/* Has the kernel ask for the attributes of an inode anew. Does not wait while somebody uses the inode. */
void channel_drop_attributes(const struct channel *channel, uint64_t ino);
/* Has the kernel write out and drop the pages of an inode, and ask for its attributes anew (FUSE_NOTIFY_INVAL_INODE). May
 * wait for reads and writes of it. What the kernel does not know has no pages. */
void channel_drop_pages(const struct channel *channel, uint64_t ino);
/* Takes the mount out of the tree if it is still there; open files keep it alive (MNT_DETACH). */
void channel_unmount(const struct channel *channel);
void channel_close(struct channel *channel);

/* Asks the kernel for a read-ahead beyond INIT's cap of 128 KiB. Failure is of no consequence. */
void channel_set_read_ahead(const struct channel *channel, unsigned kib);

#endif

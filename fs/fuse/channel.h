/*
 * channel.h: the connection between the kernel and the mount: /dev/fuse, mount(2), clones of the descriptor,
 * unmounting.
 *
 * libfuse does not make the mount, because a reply has to be written to the descriptor from which its request was read,
 * and libfuse 3.14 knows one descriptor only. Without privilege fusermount3 makes the mount and sends the descriptor
 * over a socket. Linux: Documentation/filesystems/fuse.rst.
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
	bool allow_other; /* access for all users; else only for the mounting user */
	bool subtype; /* type "fuse.raftkv"; else "fuse" */
	const char *extra; /* more options for the kernel ("context=…"), or NULL; for mount(2) only */
};

struct channel {
	int fd; /* non-blocking, close-on-exec; closed by channel_close */
	bool is_privileged; /* mounted by mount(2) */
	char *directory;
};

/* Mounts. The first thing to read is then the kernel's INIT request. 0 or -errno, with a sentence in `status`. */
int channel_open(struct channel *channel, const struct channel_options *options, struct status *status);
/* Opens another descriptor of the same connection (FUSE_DEV_IOC_CLONE), which is the caller's to close. 0 or -errno. */
int channel_clone(const struct channel *channel, int *fd);
/* Whether the kernel has this inode in memory: FUSE_NOTIFY_INVAL_INODE for its attributes fails with ENOENT if not. May
 * wait for the kernel's writeback of the inode. */
bool channel_is_known(const struct channel *channel, uint64_t ino);
/* Has the kernel ask anew for the attributes of an inode. Does not wait if the inode is in use. */
void channel_drop_attributes(const struct channel *channel, uint64_t ino);
/* Has the kernel write out and drop the pages of an inode, and ask anew for its attributes
 * (FUSE_NOTIFY_INVAL_INODE). May wait for reads and writes of the inode. Does nothing for an inode that the kernel does
 * not know: it has no pages. */
void channel_drop_pages(const struct channel *channel, uint64_t ino);
/* Detaches the mount if it is still there; it lives on while files are open (MNT_DETACH). */
void channel_unmount(const struct channel *channel);
void channel_close(struct channel *channel);

/* Asks the kernel for a read-ahead above 128 KiB, the limit of INIT. Errors are ignored. */
void channel_set_read_ahead(const struct channel *channel, unsigned kib);

#endif

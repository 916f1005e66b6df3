/*
 * ops.h: the operations, by family. The front (front.c) collects them in libfuse's table, and gives the lanes those
 * that libfuse does not know.
 *
 * In each file an operation's steps stand together: a comment that lists them, then the callback, then the steps in the
 * order in which they happen.
 */
#ifndef RAFTKV_FS_VFS_OPS_H
#define RAFTKV_FS_VFS_OPS_H

#include "fs/fuse/lane.h"

struct front;
struct handle;
struct request;

/* Each fills in its part of the table. */
void ops_look(struct fuse_lowlevel_ops *operations);
void ops_names(struct fuse_lowlevel_ops *operations);
void ops_create(struct fuse_lowlevel_ops *operations);
void ops_open(struct fuse_lowlevel_ops *operations);
void ops_attributes(struct fuse_lowlevel_ops *operations);
void ops_ioctl(struct fuse_lowlevel_ops *operations);
void ops_data(struct fuse_lowlevel_ops *operations);
void ops_write(struct fuse_lowlevel_ops *operations);
void ops_sync(struct fuse_lowlevel_ops *operations);
void ops_directories(struct fuse_lowlevel_ops *operations);
void ops_xattrs(struct fuse_lowlevel_ops *operations);
void ops_locks(struct fuse_lowlevel_ops *operations);
void ops_setlk(struct fuse_lowlevel_ops *operations);

/* GETXATTR of virtual_xattrs.h: VIRTUAL_XATTR_SYNC. */
void ops_sync_all(fuse_req_t fuse);

void ops_statx(const struct lane_raw *raw, void *userdata);
void ops_tmpfile(const struct lane_raw *raw, void *userdata);
void ops_interrupt(struct lane *lane, uint64_t unique, void *userdata);

/* Drops the locks taken through a handle that is being closed, in the background. */
void locks_release(struct request *request, const struct handle *handle);
/* Ends all waits for locks, because the kernel has closed the connection. */
void locks_end_waits(struct front *front);

#endif

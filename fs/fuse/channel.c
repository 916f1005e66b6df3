#include "fs/fuse/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE	     "/dev/fuse"
#define FUSERMOUNT   "fusermount3"
#define MAX_READ     (1u << 20)
#define OPTIONS_SIZE 4096

static int open_device(struct status *status)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV)
		return status_set(status, -errno,
			"%s is missing: load the kernel's fuse module (modprobe fuse)", DEVICE);
	return status_set(status, -errno, "cannot open %s: %s", DEVICE, strerror(errno));
}

static int mount_directly(
	struct channel *channel, const struct channel_options *options, struct status *status)
{
	char data[OPTIONS_SIZE];
	struct stat root;
	int fd;

	if (stat(options->directory, &root) < 0)
		return status_set(status, -errno, "%s: %s", options->directory, strerror(errno));
	fd = open_device(status);
	if (fd < 0)
		return fd;
	snprintf(data, sizeof data,
		"fd=%d,rootmode=%o,user_id=%u,group_id=%u,default_permissions%s,max_read=%u%s%s", fd,
		root.st_mode & S_IFMT, getuid(), getgid(), options->allow_other ? ",allow_other" : "",
		MAX_READ, options->extra ? "," : "", options->extra ? options->extra : "");
	if (mount(options->source, options->directory, options->subtype ? "fuse.raftkv" : "fuse",
		    options->flags, data) < 0) {
		int error = errno;

		close(fd);
		return status_set(
			status, -error, "cannot mount on %s: %s", options->directory, strerror(error));
	}
	channel->fd = fd;
	channel->is_privileged = true;
	return 0;
}

/* The descriptor that fusermount3 sends as ancillary data, or -1. */
static int receive_descriptor(int socket)
{
	char byte;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec vector = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	struct cmsghdr *header;
	int fd;

	while (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0)
		if (errno != EINTR)
			return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
		header->cmsg_len != CMSG_LEN(sizeof fd))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	return fd;
}

/* Runs fusermount3 with `arguments`; `socket` (-1: none) is its _FUSE_COMMFD. Its pid, or -errno. */
static int spawn_fusermount(char *const arguments[], int socket)
{
	char variable[32];
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {path, socket >= 0 ? variable : NULL, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	snprintf(variable, sizeof variable, "_FUSE_COMMFD=%d", socket);
	posix_spawn_file_actions_init(&actions);
	if (socket >= 0)
		posix_spawn_file_actions_adddup2(
			&actions, socket, socket); /* clears close-on-exec in the child */
	error = posix_spawnp(&pid, FUSERMOUNT, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	return error ? -error : pid;
}

static int wait_for(pid_t pid)
{
	int result;

	while (waitpid(pid, &result, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(result) ? WEXITSTATUS(result) : 128;
}

/* Escapes an option's value for fusermount3: a comma or backslash gets a backslash before it. */
static void escape(char *to, size_t size, const char *from)
{
	size_t used = 0;

	for (; *from && used + 3 < size; from++) {
		if (*from == ',' || *from == '\\')
			to[used++] = '\\';
		to[used++] = *from;
	}
	to[used] = '\0';
}

/* Without nosuid and nodev, which fusermount3 always adds. */
static void append_flags(char *data, size_t size, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		const char *option;
	} options[] = {
		{MS_RDONLY, ",ro"},
		{MS_NOEXEC, ",noexec"},
		{MS_NOATIME, ",noatime"},
		{MS_SYNCHRONOUS, ",sync"},
		{MS_DIRSYNC, ",dirsync"},
	};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (flags & options[i].flag)
			strncat(data, options[i].option, size - strlen(data) - 1);
}

static int mount_by_fusermount(
	struct channel *channel, const struct channel_options *options, struct status *status)
{
	char data[OPTIONS_SIZE], source[OPTIONS_SIZE / 2];
	char program[] = FUSERMOUNT, option[] = "-o", end[] = "--";
	char *arguments[] = {program, option, data, end, channel->directory, NULL};
	int sockets[2], pid, fd;

	escape(source, sizeof source, options->source);
	snprintf(data, sizeof data, "nosuid,nodev,default_permissions%s,max_read=%u,fsname=%s%s",
		options->allow_other ? ",allow_other" : "", MAX_READ, source,
		options->subtype ? ",subtype=raftkv" : "");
	append_flags(data, sizeof data, options->flags);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return status_set(status, -errno, "cannot make a socket: %s", strerror(errno));
	pid = spawn_fusermount(arguments, sockets[0]);
	close(sockets[0]);
	if (pid < 0) {
		close(sockets[1]);
		return status_set(status, pid, "cannot run %s (install the package fuse3): %s", FUSERMOUNT,
			strerror(-pid));
	}
	fd = receive_descriptor(sockets[1]);
	close(sockets[1]);
	if (wait_for(pid) != 0 || fd < 0) {
		if (fd >= 0)
			close(fd);
		return status_set(status, -EPERM, "%s refused to mount on %s: its own message says why",
			FUSERMOUNT, options->directory);
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	channel->fd = fd;
	channel->is_privileged = false;
	return 0;
}

int channel_open(struct channel *channel, const struct channel_options *options, struct status *status)
{
	int result;

	*channel = (struct channel){.fd = -1};
	channel->directory = strdup(options->directory);
	if (!channel->directory)
		return status_set(status, -ENOMEM, "out of memory");
	if (geteuid() == 0)
		result = mount_directly(channel, options, status);
	else
		result = mount_by_fusermount(channel, options, status);
	if (result < 0)
		channel_close(channel);
	return result;
}

int channel_clone(const struct channel *channel, int *fd)
{
	uint32_t from = (uint32_t)channel->fd;
	int clone = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (clone < 0)
		return -errno;
	if (ioctl(clone, FUSE_DEV_IOC_CLONE, &from) < 0) {
		int error = errno;

		close(clone);
		return -error;
	}
	*fd = clone;
	return 0;
}

/* Invalidates the attributes, and the pages from `offset` on; negative: no pages. 0 or -errno. */
static int invalidate(const struct channel *channel, uint64_t ino, int64_t offset)
{
	struct {
		struct fuse_out_header header;
		struct fuse_notify_inval_inode_out inode;
	} message = {
		.header = {.len = sizeof message, .error = FUSE_NOTIFY_INVAL_INODE},
		.inode = {.ino = ino, .off = offset},
	};

	return write(channel->fd, &message, sizeof message) < 0 ? -errno : 0;
}

bool channel_is_known(const struct channel *channel, uint64_t ino)
{
	return invalidate(channel, ino, -1) != -ENOENT;
}

void channel_drop_attributes(const struct channel *channel, uint64_t ino)
{
	invalidate(channel, ino, -1);
}

void channel_drop_pages(const struct channel *channel, uint64_t ino)
{
	invalidate(channel, ino, 0);
}

void channel_unmount(const struct channel *channel)
{
	char program[] = FUSERMOUNT, unmount[] = "-u", quiet[] = "-q", lazy[] = "-z", end[] = "--";
	char *arguments[] = {program, unmount, quiet, lazy, end, channel->directory, NULL};
	int pid;

	if (channel->is_privileged) {
		umount2(channel->directory, MNT_DETACH);
		return;
	}
	pid = spawn_fusermount(arguments, -1);
	if (pid > 0)
		wait_for(pid);
}

void channel_close(struct channel *channel)
{
	if (channel->fd >= 0)
		close(channel->fd);
	free(channel->directory);
	*channel = (struct channel){.fd = -1};
}

void channel_set_read_ahead(const struct channel *channel, unsigned kib)
{
	struct stat root;
	char path[96];
	FILE *file;

	if (stat(channel->directory, &root) < 0)
		return;
	snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(root.st_dev),
		minor(root.st_dev));
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%u\n", kib);
	fclose(file);
}

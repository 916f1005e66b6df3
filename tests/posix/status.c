/* stat, statx, statfs, fsync and its family, inode flags, and a filesystem that is read-only. */
#include "tests/posix/posix.h"

#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

TEST(stat_regular)
{
	struct stat status;

	put("f", "0123456789");
	status = status_of("f");
	IS(S_ISREG(status.st_mode));
	EQ(status.st_size, 10);
	EQ(status.st_nlink, 1);
	IS(status.st_ino != 0);
	IS(status.st_blksize >= 512);
	EQ(status.st_dev, status_of(".").st_dev);
}

TEST(stat_descriptor_and_path_agree)
{
	struct stat a, b;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	OK(fstat(fd, &a));
	b = status_of("f");
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_size, b.st_size);
	EQ(nanoseconds(a.st_mtim), nanoseconds(b.st_mtim));
}

TEST(stat_follows_and_lstat_does_not)
{
	struct stat status;

	put("f", "text");
	OK(symlink("f", "l"));
	OK(stat("l", &status));
	IS(S_ISREG(status.st_mode));
	OK(lstat("l", &status));
	IS(S_ISLNK(status.st_mode));
}

TEST(stat_blocks)
{
	static char data[1 << 20];
	struct stat status;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(ftruncate(fd, 1 << 30));
	OK(fsync(fd));
	IS(status_of("f").st_blocks < 64); /* a hole takes no room */
	memset(data, 'd', sizeof(data));
	EQ(pwrite(fd, data, sizeof(data), 0), sizeof(data));
	OK(fsync(fd));
	status = status_of("f");
	IS(status.st_blocks >= 2048 && status.st_blocks < 4096);
}

TEST(stat_inode_is_kept)
{
	ino_t number;

	put("f", "");
	number = status_of("f").st_ino;
	put("f", "text");
	OK(chmod("f", 0600));
	OK(rename("f", "g"));
	EQ(status_of("g").st_ino, number);
}

TEST(statx_birth_time)
{
	struct statx first, second;
	int64_t before = now();

	put("f", "");
	OK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &first));
	IS(first.stx_mask & STATX_BTIME);
	IS(is_between(before, (struct timespec){first.stx_btime.tv_sec, first.stx_btime.tv_nsec}, now()));
	tick();
	put("f", "text");
	OK(utimensat(AT_FDCWD, "f", (struct timespec[]){{5, 0}, {5, 0}}, 0));
	OK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &second));
	EQ(second.stx_btime.tv_sec, first.stx_btime.tv_sec);
	EQ(second.stx_btime.tv_nsec, first.stx_btime.tv_nsec);
	EQ(second.stx_mtime.tv_sec, 5);
}

TEST(statx_fields)
{
	struct statx status;

	put("f", "text");
	OK(chmod("f", 0640));
	OK(statx(AT_FDCWD, "f", AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, &status));
	EQ(status.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	EQ(status.stx_mode, S_IFREG | 0640);
	EQ(status.stx_size, 4);
	EQ(status.stx_nlink, 1);
	EQ(status.stx_ino, status_of("f").st_ino);
	EQ(status.stx_uid, geteuid());
}

TEST(statx_forced_sync)
{
	struct statx status;

	put("f", "text");
	OK(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &status));
	EQ(status.stx_size, 4);
	OK(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &status));
	EQ(status.stx_size, 4);
}

TEST(statx_by_descriptor)
{
	struct statx status;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(unlink("f"));
	OK(statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &status));
	EQ(status.stx_nlink, 0);
}

TEST(statx_bad_flags)
{
	struct statx status;

	FAILS(statx(AT_FDCWD, ".", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &status), EINVAL);
	FAILS(statx(AT_FDCWD, ".", 0, 1u << 31, &status), EINVAL);
}

TEST(statfs_is_sane)
{
	struct statvfs filesystem;

	OK(statvfs(".", &filesystem));
	IS(filesystem.f_blocks > 0);
	IS(filesystem.f_bfree <= filesystem.f_blocks);
	IS(filesystem.f_bavail <= filesystem.f_bfree);
	IS(filesystem.f_files > 0 && filesystem.f_ffree > 0);
	IS(filesystem.f_frsize >= 512);
	EQ(filesystem.f_namemax, 255);
}

TEST(statfs_shows_use)
{
	static char data[8 << 20];
	struct statfs before, after;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	OK(fstatfs(fd, &before));
	memset(data, 'd', sizeof(data));
	EQ(write(fd, data, sizeof(data)), sizeof(data));
	OK(fsync(fd));
	OK(fstatfs(fd, &after));
	IS((before.f_bfree - after.f_bfree) * (unsigned long)before.f_bsize >= sizeof(data) / 2);
}

TEST(pathconf_names)
{
	EQ(pathconf(".", _PC_NAME_MAX), 255);
	EQ(pathconf(".", _PC_PATH_MAX), 4096);
	EQ(pathconf(".", _PC_CHOWN_RESTRICTED), 1);
	EQ(pathconf(".", _PC_NO_TRUNC), 1);
}

TEST(fsync_works)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(fsync(OK(open("f", O_RDONLY))));
	OK(fsync(OK(open(".", O_RDONLY))));
	OK(fdatasync(OK(open(".", O_RDONLY))));
	OK(syncfs(fd));
	content_is("f", "text");
}

TEST(fsync_of_unlinked)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	OK(unlink("f"));
	OK(fsync(fd));
}

TEST(fsync_fifo)
{
	OK(mkfifo("p", 0644));
	FAILS(fsync(OK(open("p", O_RDWR))), EINVAL);
}

TEST(fsync_bad_descriptor)
{
	FAILS(fsync(777), EBADF);
	FAILS(fsync(OK(open(".", O_PATH))), EBADF);
}

TEST(sync_file_range_works)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0644));

	EQ(write(fd, "text", 4), 4);
	OK(sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	FAILS(sync_file_range(fd, -1, 4, SYNC_FILE_RANGE_WRITE), EINVAL);
	FAILS(sync_file_range(fd, 0, 4, 1 << 10), EINVAL);
}

/* Makes it the file's only flag of these two, or none; false where the filesystem has no such flags. */
static bool set_flag(int fd, int flag)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == -1) {
		EQ(errno, ENOTTY);
		return false;
	}
	flags = (flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)) | flag;
	return OK(ioctl(fd, FS_IOC_SETFLAGS, &flags)) == 0;
}

ROOT_TEST(flag_immutable)
{
	int fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	if (!set_flag(fd, FS_IMMUTABLE_FL))
		not_applicable("no inode flags: ENOTTY");
	FAILS(open("f", O_WRONLY), EPERM);
	FAILS(unlink("f"), EPERM);
	FAILS(rename("f", "g"), EPERM);
	FAILS(link("f", "g"), EPERM);
	FAILS(chmod("f", 0600), EPERM);
	FAILS(truncate("f", 0), EPERM);
	FAILS(setxattr("f", "user.a", "1", 1, 0), EPERM);
	OK(set_flag(fd, 0) ? 0 : -1);
	OK(unlink("f"));
}

ROOT_TEST(flag_immutable_keeps_what_was_written)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0644));

	EQ(write(fd, "text", 4), 4);
	if (!set_flag(fd, FS_IMMUTABLE_FL))
		not_applicable("no inode flags: ENOTTY");
	/* ext4 refuses this, XFS does not. What is not refused is not lost. */
	if (write(fd, "more", 4) == -1)
		EQ(errno, EPERM);
	OK(fsync(fd));
	content_is("f", lseek(fd, 0, SEEK_CUR) == 4 ? "text" : "textmore");
	OK(set_flag(fd, 0) ? 0 : -1);
}

ROOT_TEST(flag_append_only)
{
	int fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	if (!set_flag(fd, FS_APPEND_FL))
		not_applicable("no inode flags: ENOTTY");
	FAILS(open("f", O_WRONLY), EPERM);
	FAILS(open("f", O_WRONLY | O_APPEND | O_TRUNC), EPERM);
	FAILS(unlink("f"), EPERM);
	EQ(write(OK(open("f", O_WRONLY | O_APPEND)), "more", 4), 4);
	OK(set_flag(fd, 0) ? 0 : -1);
	content_is("f", "textmore");
}

USER_TEST(flag_of_user)
{
	int flags, fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == -1 && errno == ENOTTY)
		not_applicable("no inode flags: ENOTTY");
	flags |= FS_IMMUTABLE_FL;
	FAILS(ioctl(fd, FS_IOC_SETFLAGS, &flags), EPERM);
}

TEST(ioctl_unknown)
{
	put("f", "");
	FAILS(ioctl(OK(open("f", O_RDWR)), 0x1234, 0), ENOTTY);
}

ROOT_TEST(read_only_mount)
{
	/* In a mount namespace of its own, the working directory bound onto itself and made read-only. */
	put("f", "text");
	OK(mkdir("d", 0755));
	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mkdir("view", 0755));
	OK(mount(".", "view", NULL, MS_BIND, NULL));
	OK(mount(NULL, "view", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	OK(chdir("view"));
	content_is("f", "text");
	FAILS(open("f", O_WRONLY), EROFS);
	FAILS(open("f", O_RDONLY | O_TRUNC), EROFS);
	FAILS(open("new", O_CREAT | O_WRONLY, 0644), EROFS);
	FAILS(mkdir("new", 0755), EROFS);
	FAILS(mkfifo("new", 0644), EROFS);
	FAILS(symlink("x", "new"), EROFS);
	FAILS(link("f", "new"), EROFS);
	FAILS(rename("f", "new"), EROFS);
	FAILS(unlink("f"), EROFS);
	FAILS(rmdir("d"), EROFS);
	FAILS(chmod("f", 0600), EROFS);
	FAILS(chown("f", 1, 1), EROFS);
	FAILS(truncate("f", 0), EROFS);
	FAILS(utimensat(AT_FDCWD, "f", NULL, 0), EROFS);
	FAILS(setxattr("f", "user.a", "1", 1, 0), EROFS);
	FAILS(removexattr("f", "user.a"), EROFS);
	FAILS(access("f", W_OK), EROFS);
	OK(access("f", R_OK));
	OK(chdir(".."));
	OK(umount2("view", MNT_DETACH));
}

ROOT_TEST(file_handle_opens)
{
	/* open_by_handle_at(2), by which NFS servers reach files. */
	char storage[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	struct file_handle *handle = (struct file_handle *)storage;
	int mount_id, fd;
	char text[8];

	put("f", "text");
	handle->handle_bytes = MAX_HANDLE_SZ;
	OK(name_to_handle_at(AT_FDCWD, "f", handle, &mount_id, 0));
	OK(rename("f", "g"));
	fd = OK(open_by_handle_at(OK(open(".", O_RDONLY)), handle, O_RDWR));
	EQ(read(fd, text, sizeof(text)), 4);
	OK(close(fd));
	OK(unlink("g"));
	FAILS(open_by_handle_at(OK(open(".", O_RDONLY)), handle, O_RDWR), ESTALE);
}
